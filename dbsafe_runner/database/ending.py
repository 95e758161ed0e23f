"""The end of a run, which may come at any moment: what must be ended then, and how others notice."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

from dbsafe_runner.database.provider import ProviderClosedError


class Endable(Protocol):
    """A process, or a group of them. Both methods are harmless when it has ended or never started."""

    def quit(self) -> None:
        """Ask it to end, without waiting."""
        ...

    def kill(self) -> None:
        """Make it end, and wait for that."""
        ...


class Ending:
    """Says whether the run is over, and ends what is being watched when it is."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._over = False
        self._watched: list[Endable] = []

    def check(self) -> None:
        """Raise `ProviderClosedError` when the run is over."""
        if self._over:
            raise ProviderClosedError

    @contextlib.contextmanager
    def watch(self, thing: Endable) -> Iterator[None]:
        """See to it that `thing` ends with the run, and at the latest when the block is left.

        Raises:
            ProviderClosedError: the run was over before; or it ended, in place of the error that the
                block raised because of that.
        """
        with self._lock:
            self.check()
            self._watched.append(thing)
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            thing.kill()
            with self._lock:
                self._watched.remove(thing)

    def come(self) -> None:
        """Declare the run over, and end what is being watched. May be called again."""
        with self._lock:
            self._over = True
            watched = list(self._watched)
        for thing in watched:
            thing.quit()
        for thing in watched:
            thing.kill()
