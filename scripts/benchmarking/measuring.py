"""Run a command and measure it: wall time, CPU time and peak memory of its whole process tree."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

#: Seconds after which a run is given up: tests that share one database can wait for each other.
LIMIT = 300.0
#: Seconds between two looks at the memory of all processes.
SAMPLE_EVERY = 0.1

_COUNT = re.compile(r"([\d,]+) (passed|failed|errors?|skipped|xfailed|xpassed|not run)\b")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One run of one contender."""

    #: Seconds from the start of the command to its end.
    wall: float
    #: Seconds of CPU time, user and system, of the command, all it started, and the shared server.
    cpu: float
    #: Bytes of PSS at the worst moment, without PostgreSQL; 0 when memory was not looked at.
    peak_tests: int
    #: Bytes of PSS of PostgreSQL at its worst moment; 0 when memory was not looked at.
    peak_servers: int
    #: What the summary says, e.g. {"passed": 560, "failed": 1}.
    outcomes: Mapping[str, int]
    timed_out: bool

    @property
    def bad(self) -> int:
        """Tests that failed, broke or did not run."""
        return sum(self.outcomes.get(name, 0) for name in ("failed", "error", "not run"))


@dataclasses.dataclass(frozen=True)
class Command:
    """What to run, where, and with which environment."""

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    #: The process id of a server that was there before and belongs to the run; None for none.
    server: int | None = None


def measure(command: Command, *, memory: bool = False) -> Measurement:
    """Run the command to its end, or for `LIMIT` seconds."""
    server_cpu = _tree_cpu(command.server)
    started = time.monotonic()
    process = subprocess.Popen(
        command.arguments,
        cwd=command.directory,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    watch = _MemoryWatch([process.pid, *([command.server] if command.server else [])], looking=memory)
    alarm = threading.Timer(LIMIT, _end_group, [process.pid])
    with watch, _running(alarm, process.pid):
        assert process.stdout is not None
        output = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measurement(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime + _tree_cpu(command.server) - server_cpu,
        peak_tests=watch.peak_tests,
        peak_servers=watch.peak_servers,
        outcomes=outcomes(output),
        timed_out=wall >= LIMIT,
    )


def outcomes(output: str) -> dict[str, int]:
    """The counts of the last line that has any."""
    for line in reversed(_COLOUR.sub("", output).splitlines()):
        counts = {
            "error" if name == "errors" else name: int(number.replace(",", ""))
            for number, name in _COUNT.findall(line)
        }
        if counts:
            return counts
    return {}


class _MemoryWatch:
    """Looks at the PSS of some process trees, again and again, in a thread of its own."""

    def __init__(self, roots: Iterable[int], *, looking: bool) -> None:
        self.peak_tests = 0
        self.peak_servers = 0
        self._roots = list(roots)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look) if looking else None

    def __enter__(self) -> None:
        if self._thread:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY):
            tests, servers = 0, 0
            for process in self._processes():
                # A process may end, or be a zombie, while it is looked at.
                with contextlib.suppress(psutil.Error, OSError):
                    pss = process.memory_full_info().pss
                    if process.name() == "postgres":
                        servers += pss
                    else:
                        tests += pss
            self.peak_tests = max(self.peak_tests, tests)
            self.peak_servers = max(self.peak_servers, servers)

    def _processes(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for pid in self._roots:
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                found += [root, *root.children(recursive=True)]
        return found


def _tree_cpu(root: int | None) -> float:
    """CPU seconds of a process, of its ended children, and of its living descendants."""
    if root is None:
        return 0.0
    total = 0.0
    process = psutil.Process(root)
    for member in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += sum(member.cpu_times()[:4])
    return total


@contextlib.contextmanager
def _running(alarm: threading.Timer, pid: int) -> Iterator[None]:
    """The process does not outlive the block, nor the time that the alarm gives it."""
    alarm.start()
    try:
        yield
    except BaseException:
        # It has a session of its own, so a Ctrl-C in the terminal did not reach it.
        _end_group(pid)
        raise
    finally:
        alarm.cancel()


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
