"""A private directory for one run's sockets and stack dumps; removed with the run, or by a later one.

A run that was killed cannot remove its own. Each directory holds a file that its run keeps locked; one
that nobody holds the lock of is left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "dbsafe-run-"
_LOCK = "lock"
#: Seconds that a run may take from making its directory to locking it.
_GRACE = 60.0


@contextlib.contextmanager
def run_directory() -> Iterator[Path]:
    """Make the directory (short enough for a Unix socket), and remove it in the end."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > 60:
        parent = Path("/tmp")  # noqa: S108  # Names of sockets are limited to about 100 bytes.
    for place in {parent, Path(tempfile.gettempdir())}:
        _remove_leftovers(place)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _remove_leftovers(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            state = directory.stat()
            if state.st_uid != os.getuid():
                continue
            try:
                lock = os.open(directory / _LOCK, os.O_RDWR)
            except FileNotFoundError:
                # Its run is just making it, or was killed while it did.
                if state.st_mtime < time.time() - _GRACE:
                    shutil.rmtree(directory, ignore_errors=True)
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(lock)
