"""Vitals: what the machine and the processes of a run use: processors, memory, disks, connections.

Reads /proc where there is one, and asks psutil elsewhere. It measures only, and in the dispatcher's
process only. What follows from a sample is decided in `dbsafe_runner.scheduling.adaptation`.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from dbsafe_runner.domain.events import WorkerVitals
from dbsafe_runner.workers.control_group import ControlGroup

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PROC = Path("/proc")
#: How often the processes that are no worker's are measured, in looks: a server is eight of them.
_REST_EVERY = 5
#: The state of a connected socket in /proc/net/unix.
_CONNECTED = "03"


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """What one look saw. Parts are 0 to 1, sizes bytes; rates are since the look before."""

    #: Seconds since the look before.
    seconds: float
    processors: float
    io_wait: float
    available: int
    total: int
    #: Of all processes of the run.
    memory: int
    workers: Mapping[str, WorkerVitals]
    #: Part of its time that the average worker waited for a processor.
    waiting: float


@dataclasses.dataclass(slots=True)
class _Member:
    """A process, as /proc/PID/stat has it."""

    parent: int
    #: Seconds of processor time, those of children that have ended included.
    seconds: float


class Vitals:
    """Looks at this process and all below it. The first look is where rates count from."""

    def __init__(self) -> None:
        self._own = os.getpid()
        self._at = time.monotonic()
        self._machine = psutil.cpu_times()
        self._seconds: dict[int, float] = {}
        self._waited: dict[int, float] = {}
        self._group = ControlGroup.of_this_process()
        self._looks = 0
        #: Bytes of all processes that are no worker's: servers, mostly, which hardly change.
        self._rest = 0
        #: The processes of each worker, as of the last look.
        self._trees: dict[str, list[int]] = {}
        #: Seconds of a processor that the last look took; waiting for one is no cost.
        self.cost = 0.0

    def look(self, workers: Mapping[str, int], connections: Mapping[str, int]) -> Sample:
        """Measure.

        Args:
            workers: process ids by name.
            connections: how many each worker's tests have open, where that is known.
        """
        now, spent = time.monotonic(), time.thread_time()
        seconds, self._at = max(now - self._at, 1e-3), now
        processors, io_wait = self._look_at_machine()
        memory = psutil.virtual_memory()
        members = _members() if _PROC.is_dir() else _members_elsewhere()
        below = _families(members)
        self._trees = {name: _tree(pid, below) for name, pid in workers.items()}
        found = {
            name: self._worker(tree, members, seconds, connections.get(name, 0))
            for name, tree in self._trees.items()
        }
        if self._looks % _REST_EVERY == 0:
            inside = {pid for tree in self._trees.values() for pid in tree}
            others = (pid for pid in _tree(self._own, below) if pid not in inside)
            self._rest = sum(map(proportional_size, others))
        self._looks += 1
        self._seconds = {pid: member.seconds for pid, member in members.items()}
        sample = Sample(
            seconds,
            processors,
            io_wait,
            min(memory.available, self._group.left()),
            min(memory.total, self._group.limit()),
            self._rest + sum(vitals.memory for vitals in found.values()),
            found,
            self._waiting(workers.values(), seconds),
        )
        self.cost = time.thread_time() - spent
        return sample

    def larger_than(self, limit: int) -> dict[str, int]:
        """The workers that take more memory than `limit`, with what they take, in bytes.

        Costs microseconds, as only those are measured exactly that may be among them: measuring takes
        the longer the larger a process is. Children are those of the last look.
        """
        found = {}
        for name, tree in self._trees.items():
            if sum(map(_private_size, tree)) > limit:
                size = sum(map(proportional_size, tree))
                if size > limit:
                    found[name] = size
        return found

    def _look_at_machine(self) -> tuple[float, float]:
        before, self._machine = self._machine, psutil.cpu_times()
        spent = {
            name: max(getattr(self._machine, name) - getattr(before, name), 0.0)
            for name in before._fields
            # The kernel counts these a second time, within user and nice.
            if name not in {"guest", "guest_nice"}
        }
        whole = sum(spent.values()) or 1.0
        io_wait = spent.get("iowait", 0.0) / whole
        return 1 - spent.get("idle", 0.0) / whole - io_wait, io_wait

    def _worker(
        self, tree: list[int], members: Mapping[int, _Member], seconds: float, connections: int
    ) -> WorkerVitals:
        spent = sum(members[pid].seconds - self._seconds.get(pid, 0.0) for pid in tree if pid in members)
        size = sum(proportional_size(pid) for pid in tree)
        return WorkerVitals(max(spent, 0.0) / seconds, size, connections)

    def _waiting(self, workers: Iterable[int], seconds: float) -> float:
        before, self._waited = self._waited, {}
        parts = []
        for pid in workers:
            self._waited[pid] = waited = _seconds_waited(pid)
            if pid in before:
                parts.append(min((waited - before[pid]) / seconds, 1.0))
        return sum(parts) / len(parts) if parts else 0.0


def proportional_size(pid: int) -> int:
    """The memory of a process in bytes, shared pages divided among those who share them; 0 when gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return _resident_size(pid)
    _, found, rest = text.partition(b"\nPss:")
    return int(rest.split(None, 1)[0]) * 1024 if found else 0


def _private_size(pid: int) -> int:
    """What a process has in memory that is no file, in bytes; pages shared since a fork count whole."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_bytes().split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    except (OSError, IndexError):
        return _resident_size(pid)


def _resident_size(pid: int) -> int:
    """The memory of a process whose pages we may not look at, without those that it shares."""
    try:
        info = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(info.rss - getattr(info, "shared", 0))


def _members() -> dict[int, _Member]:
    """All processes of the machine, by id."""
    members = {}
    for name in os.listdir(_PROC):  # noqa: PTH208 - a Path for each would take longer than reading them.
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - see above.
                # What stands in parentheses is the program's name, with any characters in it.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        spent = sum(map(int, fields[11:15])) / _TICKS
        members[int(name)] = _Member(int(fields[1]), spent)
    return members


def _members_elsewhere() -> dict[int, _Member]:
    members = {}
    for process in psutil.process_iter(["ppid", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None:
            members[process.pid] = _Member(process.info["ppid"] or 0, times.user + times.system)
    return members


def _families(members: Mapping[int, _Member]) -> dict[int, list[int]]:
    below: dict[int, list[int]] = collections.defaultdict(list)
    for pid, member in members.items():
        below[member.parent].append(pid)
    return below


def _tree(root: int, below: Mapping[int, list[int]]) -> list[int]:
    """A process and all below it."""
    found = [root]
    for pid in found:
        found.extend(below.get(pid, ()))
    return found


def _seconds_waited(pid: int) -> float:
    """How long a process has been ready to run and had no processor, in seconds; 0 when unknown."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def unix_sockets() -> str:
    """The table of all Unix sockets of the machine; empty where there is none."""
    try:
        return Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def connected(table: str, sockets: Mapping[str, str]) -> dict[str, int]:
    """How many clients each worker's server has, by its socket in /proc/net/unix."""
    counts: collections.Counter[str] = collections.Counter()
    for line in table.splitlines():
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[5] == _CONNECTED:
            counts[fields[7]] += 1
    return {name: counts[path] for name, path in sockets.items()}
