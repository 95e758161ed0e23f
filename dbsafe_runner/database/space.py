"""How much room there is for servers, and the error for when there is none."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dbsafe_runner.errors import ExitCode, UserError

#: Free bytes that stay untouched in memory and on disk when a server is placed there: a server grows
#: by its WAL (128 MB at most that it keeps by itself) and by what the tests write.
MEMORY_RESERVE: Final = 192 * 1024**2
DISK_RESERVE: Final = 64 * 1024**2

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def free_memory(directory: Path) -> int:
    """Bytes that may be put into a file system in memory.

    That is half of what the machine, or our control group, has left, and no more than fits.
    """
    free = shutil.disk_usage(directory).free
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free = min(free, int(available.split()[1]) * 1024 // 2)
    with contextlib.suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        free = min(free, (limit - int(Path("/sys/fs/cgroup/memory.current").read_text())) // 2)
    return free


@contextlib.contextmanager
def telling_when_full(directory: Path) -> Iterator[None]:
    """Turn the errors of a full file system into a `UserError` about `directory`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise no_space(directory, str(error)) from error
        raise


def is_full(text: str) -> bool:
    """Whether the output of a program says that a file system is full."""
    return "No space left on device" in text or "Disk quota exceeded" in text


def what_lacks(size: int, free: int) -> str:
    """Why a server of `size` bytes, which has to have room to grow, finds none in `free` bytes."""
    needed = size + DISK_RESERVE
    parts = f"{size / 1e6:.0f} for its data and {DISK_RESERVE / 1e6:.0f} to grow"
    return f"{needed / 1e6:.0f} MB are needed ({parts}), {free / 1e6:.0f} MB are free."


def no_space(directory: Path, cause: str) -> UserError:
    """The error for a full file system."""
    return UserError(
        "no-space",
        f"There is no room for another PostgreSQL server in {directory}.",
        cause=cause,
        hint="Free some space, use fewer workers, or name other directories with DBSAFE_SERVERS_DIR "
        "(running servers) and DBSAFE_CACHE_DIR (prepared ones).",
        exit_code=ExitCode.SERVER,
    )
