"""Processes of the analysis: what has to be followed anew is spread over the machine's processors.

Each process is a new interpreter, not a fork: the dispatcher has threads by then, and a fork could
inherit a lock that one of them holds. They get their orders, and leave what they found, in unnamed
files, so that nobody waits for a pipe that is full.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from dbsafe_runner.analysis.analysis import Findings, Follow, follow_files
from dbsafe_runner.domain.test import Test
from dbsafe_runner.session.sources import SourceFiles

Groups = dict[str, list[Test]]

#: Test files that one process follows while another one starts (18 ms each on a slow machine).
_FILES_OF_A_START = 30
#: Each process reads all modules that tests call anew: further ones would cost more than they gain.
_MOST_PROCESSES = 8
_PR_SET_PDEATHSIG = 1
#: The path comes first: the interpreter may need it to find dbsafe.
_CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from dbsafe_runner.session.analysis_processes import child
child()
"""


def spread(files: SourceFiles, cores: int) -> Follow:
    """Follow test files of `files` in up to `cores` processes, in this one where they are few.

    Otherwise this one only waits: what following code needs and leaves behind is large, and goes with
    the processes at once, where here it would have to be looked for and let go of piece by piece.
    """

    def follow(groups: Groups) -> Iterator[Findings]:
        count = min(cores, len(groups) // (2 * _FILES_OF_A_START), _MOST_PROCESSES)
        if count < 2:
            yield follow_files(groups, files)
            return
        with contextlib.ExitStack() as stack:
            helpers = [_Helper(files, part, stack) for part in _parts(groups, count)]
            for helper in helpers:
                found = helper.findings()
                # A defect that ended the process shows again here, where it can be told.
                yield follow_files(helper.groups, files) if found is None else found

    return follow


def _parts(groups: Groups, count: int) -> list[Groups]:
    """Deal out files in turn, since neighbours are alike."""
    items = list(groups.items())
    return [dict(items[n::count]) for n in range(count)]


class _Helper:
    """A process that follows some test files, until `stack` is closed at the latest."""

    def __init__(self, files: SourceFiles, groups: Groups, stack: contextlib.ExitStack) -> None:
        self.groups = groups
        self._process: subprocess.Popen[bytes] | None = None
        # Where there is no room for files, or for processes, the work is done here.
        with contextlib.suppress(OSError):
            self._start(files, stack)

    def _start(self, files: SourceFiles, stack: contextlib.ExitStack) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it.
        stack.callback(self._output.close)
        with tempfile.TemporaryFile() as orders:
            pickle.dump(sys.path, orders)
            pickle.dump((files, self.groups), orders)
            orders.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD],
                stdin=orders,
                stdout=self._output,
                stderr=subprocess.DEVNULL,
                # What interrupts dbsafe is dbsafe's to deal with.
                process_group=0,
            )
        stack.callback(_end, self._process)

    def findings(self) -> Findings | None:
        """Wait for what it finds; None if it could not do its work."""
        if self._process is None or self._process.wait():
            return None
        self._output.seek(0)
        found: Findings = pickle.load(self._output)  # noqa: S301 - nobody else can write to it.
        return found


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def child() -> None:
    """Follow what standard input says, and write what was found to standard output."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Neither here nor behind it is there anything that a look for garbage would be worth.
    gc.disable()
    files, groups = pickle.load(sys.stdin.buffer)  # noqa: S301 - dbsafe itself has written it.
    pickle.dump(follow_files(groups, files), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
    sys.stdout.buffer.flush()
    # Taking everything down object by object would take a tenth of the time.
    os._exit(0)
