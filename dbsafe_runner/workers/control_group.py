"""Control group: how much memory the container of this process may take, and how much is left.

On machines without control groups, and in groups without a limit, there is more than any machine has.
"""

from __future__ import annotations

from pathlib import Path

#: Stands for no limit.
UNLIMITED = 2**62


class ControlGroup:
    """The group of one process. Version 1 and version 2 of the kernel's interface are read.

    Args:
        membership: what /proc/PID/cgroup has.
        root: where groups are mounted.
    """

    def __init__(self, membership: str, root: Path = Path("/sys/fs/cgroup")) -> None:
        self._new = _folder(root, membership, "")
        self._old = _folder(root / "memory", membership, "memory")

    @classmethod
    def of_this_process(cls) -> ControlGroup:
        """The group that this process is in."""
        try:
            return cls(Path("/proc/self/cgroup").read_text())
        except OSError:
            return cls("")

    def limit(self) -> int:
        """How much memory the group may take, in bytes; `UNLIMITED` for no limit."""
        limit = _number(self._new / "memory.max")
        if limit is None:
            limit = _number(self._old / "memory.limit_in_bytes")
        return UNLIMITED if limit is None else min(limit, UNLIMITED)

    def left(self) -> int:
        """How much memory the group may still take, in bytes; `UNLIMITED` without a limit."""
        limit = self.limit()
        used = _number(self._new / "memory.current")
        if used is None:
            used = _number(self._old / "memory.usage_in_bytes")
        if limit >= 2**60 or used is None:
            return UNLIMITED
        return max(limit - used + self._cached(), 0)

    def _cached(self) -> int:
        """What of the usage are cached files, which give way to whatever else needs memory."""
        found = _entry(self._new / "memory.stat", "inactive_file")
        return found or _entry(self._old / "memory.stat", "total_inactive_file")


def _folder(base: Path, membership: str, controller: str) -> Path:
    """The folder of a group; inside a container the root of what is seen is the container's own."""
    for line in membership.splitlines():
        _, names, path = line.split(":", 2)
        folder = base / path.lstrip("/")
        if controller in names.split(",") and folder.is_dir():
            return folder
    return base


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _entry(path: Path, name: str) -> int:
    try:
        text = path.read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        if word == name:
            return int(value)
    return 0
