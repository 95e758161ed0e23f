"""What the processes that run pytest print, read from their pipes and shown as it comes.

A spawned worker's pytest says nothing that the zygote's has not said before, so what it prints is held
back until it has collected; if it dies before that, it is the cause to show.
"""

from __future__ import annotations

import codecs
import os
import selectors
from collections.abc import Callable

from dbsafe_runner.workers.launch import Process

_CHUNK = 65536


class Outputs:
    """The pipes of all processes of one run.

    Args:
        selector: watches the pipes.
        show: takes text in the order in which it was read.
    """

    def __init__(self, selector: selectors.BaseSelector, show: Callable[[str], None]) -> None:
        self._selector = selector
        self._show = show
        self._pipes: dict[int, _Pipe] = {}

    def watch(self, process: Process, *, hold: bool) -> None:
        """Read what a process prints; with `hold`, keep it until `release` or `held`."""
        pipe = _Pipe(process.output, hold=hold)
        self._pipes[process.output] = pipe
        self._selector.register(process.output, selectors.EVENT_READ, lambda _mask: self._read(pipe))

    def release(self, process: Process) -> None:
        """Forget what was held back; what comes from now on is shown."""
        pipe = self._pipes.get(process.output)
        if pipe is not None:
            self._exhaust(pipe)
            pipe.held.clear()
            pipe.hold = False

    def held(self, process: Process) -> str:
        """What was held back."""
        pipe = self._pipes.get(process.output)
        if pipe is None:
            return ""
        self._exhaust(pipe)
        return "".join(pipe.held).strip()

    def drain(self) -> None:
        """Show what is in the pipes, without waiting for their ends: a daemon may hold one open."""
        for pipe in list(self._pipes.values()):
            self._exhaust(pipe)

    def close(self) -> None:
        """Close all pipes."""
        for pipe in self._pipes.values():
            self._end(pipe)
        self._pipes.clear()

    def _exhaust(self, pipe: _Pipe) -> None:
        while self._read(pipe):
            continue

    def _read(self, pipe: _Pipe) -> bool:
        if not pipe.open:
            return False
        try:
            data = os.read(pipe.descriptor, _CHUNK)
        except BlockingIOError:
            return False
        text = pipe.decoder.decode(data, final=not data)
        if not data:
            self._end(pipe)
        if not text:
            return bool(data)
        if pipe.hold:
            pipe.held.append(text)
        else:
            self._show(text)
        return bool(data)

    def _end(self, pipe: _Pipe) -> None:
        if pipe.open:
            pipe.open = False
            self._selector.unregister(pipe.descriptor)
            os.close(pipe.descriptor)


class _Pipe:
    """One pipe. Characters may arrive in pieces, so each has a decoder of its own."""

    def __init__(self, descriptor: int, *, hold: bool) -> None:
        self.descriptor = descriptor
        self.hold = hold
        self.held: list[str] = []
        self.open = True
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
