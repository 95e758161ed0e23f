"""Leaks: what a test leaves behind beside rows: threads, child processes, temporary files, connections.

Looked for right after a test's own teardown, by comparison with what was there before: what fixtures of
wider scope made in between is theirs. A trivial test costs microseconds: one list of threads, one
small file of /proc, and the names of temporary files are noted when they are drawn. Transactions that
are left open are seen by the observation of the database. What is left is told, never ended.

Threads of pools and connections of pools belong to whoever has the pool, so they are left out.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType

#: Seconds that what is just ending may take to be gone, and all such waiting of one worker together.
_GRACE = 0.02
_PATIENCE = 0.5
#: Modules whose threads end with a pool that somebody else may hold.
_POOL_THREADS = (
    "concurrent.futures",
    "psycopg_pool",
    "multiprocessing.pool",
    "anyio",
    "sqlalchemy.pool",
)
#: Modules that keep connections for later. All of SQLAlchemy, as its pool is in another greenlet where
#: connecting is asynchronous.
_POOLS = (
    "sqlalchemy.",
    "psycopg_pool",
    "psycopg2.pool",
    "asyncpg.pool",
    "django.db",
    "tortoise",
)
#: Children that multiprocessing starts for the whole process.
_HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")
#: Seconds that listing the temporary directory may take.
_LONGEST_LISTING = 0.005
_LONGEST = 100

# Tests put other functions in the place of these.
_open, _read, _close, _listdir, _readlink = os.open, os.read, os.close, os.listdir, os.readlink
_sleep, _clock = time.sleep, time.monotonic


class Leaks:
    """What one worker's tests leave behind.

    Args:
        directory: where temporary files are made; by default that of this process.
        own: tells the descriptors of connections that are dbsafe's own.
    """

    def __init__(self, directory: str = "", own: Callable[[], set[int]] = set) -> None:
        self._own = own
        self._directory = directory or tempfile.gettempdir()
        #: Names for temporary files that the test drew.
        self._drawn: list[str] = []
        self._crowded = False
        self._threads = set(threading.enumerate())
        self._children = _child_processes()
        #: Connections that the test opened itself, and what sockets there were before the first.
        self._opened = 0
        self._sockets: set[str] | None = None
        self._patience = _PATIENCE

    def watch_files(self) -> None:
        """Note from now on the names of the temporary files that this process makes."""
        tempfile._name_sequence = _Names(self._drawn)  # type: ignore[attr-defined]  # noqa: SLF001

    def begin(self) -> None:
        """A test begins."""
        self._drawn.clear()
        self._opened, self._sockets = 0, None

    def adopt(self) -> None:
        """What there is now is not the running test's: a fixture wider than it has been built."""
        self._drawn.clear()
        self._threads.update(threading.enumerate())
        self._children |= _child_processes()
        if self._sockets is not None:
            self._sockets |= _sockets(self._own())
            self._opened = 0

    def connecting(self) -> None:
        """A connection to PostgreSQL is about to be opened. Called in the thread that opens it."""
        if _called_by_a_pool(sys._getframe(1)):  # noqa: SLF001 - the way to see who asks.
            return
        if self._sockets is None:
            self._sockets = _sockets(self._own())
        self._opened += 1

    def no_sessions(self) -> bool:
        """Whether it is certain that neither this process nor a child of it is connected to a server."""
        told = ("/proc/self/fd", f"/proc/self/task/{threading.get_native_id()}/children")
        if not all(os.access(path, os.R_OK) for path in told):
            return False
        return not _child_processes() and not _sockets(self._own())

    def found(self, *, connections: bool = True) -> list[str]:
        """What the test that has ended left behind, in words, each told once.

        Args:
            connections: whether those count; what failed is kept alive by its traceback.
        """
        threads = {one for one in threading.enumerate() if one not in self._threads}
        children = _child_processes() - self._children
        self._threads = set(threading.enumerate())
        self._children |= children
        left = [_thread_text(one) for one in threads if self._stays(one)]
        left += [text for pid in sorted(children) if (text := self._process(pid))]
        left += [f"file {path}" for path in self._files()]
        if connections and self._opened and self._sockets is not None:
            count = min(self._opened, len(_sockets(self._own()) - self._sockets))
            left += [f"connection to PostgreSQL, {count} left open"] if count > 0 else []
        self.begin()
        return left

    # --- inside ----------------------------------------------------------------------------------

    def _stays(self, thread: threading.Thread) -> bool:
        if _belongs_to_a_pool(thread):
            return False
        if self._patience > 0:
            before = _clock()
            thread.join(_GRACE)
            self._patience -= _clock() - before
        return thread.is_alive()

    def _process(self, pid: int) -> str:
        """A child that is still there, in words; "" for one that is ending or that is not a test's."""
        command = _read_all(f"/proc/{pid}/cmdline")
        if any(helper in command for helper in _HELPERS):
            return ""
        deadline = _clock() + min(_GRACE, max(self._patience, 0.0))
        while not _has_ended(pid):
            if _clock() >= deadline:
                # One that was just being made had no command a moment ago.
                command = command or _read_all(f"/proc/{pid}/cmdline")
                shown = command.replace(b"\0", b" ").decode("utf-8", "replace").strip()
                return f"process {pid}: {shown[:_LONGEST]}"
            _sleep(0.002)
            self._patience -= 0.002
        return ""

    def _files(self) -> list[str]:
        """What stands in the temporary directory under a name that the test drew."""
        if not self._drawn or self._crowded:
            return []
        started = _clock()
        try:
            present = _listdir(self._directory)
        except OSError:
            return []
        if _clock() - started > _LONGEST_LISTING:
            # So full a directory is not looked at after every test.
            self._crowded = True
        found = {name for name in present if any(drawn in name for drawn in self._drawn)}
        return [os.path.join(self._directory, name) for name in sorted(found)]  # noqa: PTH118


class _Names(tempfile._RandomNameSequence):  # type: ignore[name-defined,misc]  # noqa: SLF001
    """The random names of temporary files, each noted when it is drawn.

    An audit hook would see every file, but makes each call of `id`, which is audited as well, cost
    twenty times as much.
    """

    def __init__(self, drawn: list[str]) -> None:
        self._drawn = drawn

    def __next__(self) -> str:
        name = str(super().__next__())
        self._drawn.append(name)
        return name


def _thread_text(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None)
    code = getattr(target, "__code__", None)
    where = f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    return f"thread {thread.name}{where}"


def _belongs_to_a_pool(thread: threading.Thread) -> bool:
    """Whether a thread is kept by a library, is only a stand-in, or was told to end."""
    if type(thread).__name__ == "_DummyThread" or hasattr(thread, "is_pydev_daemon_thread"):
        return True
    if isinstance(thread, threading.Timer) and thread.finished.is_set():
        return True
    target = getattr(thread, "_target", None)
    names = (type(thread).__module__, getattr(target, "__module__", None) or "")
    return any(name.startswith(_POOL_THREADS) for name in names)


def _called_by_a_pool(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_POOLS):
            return True
        frame = frame.f_back
    return False


def _child_processes() -> set[int]:
    """The children of this process; none where the kernel does not tell."""
    found: set[int] = set()
    try:
        alone = threading.active_count() == 1
        tasks = [str(os.getpid())] if alone else _listdir("/proc/self/task")
        for task in tasks:
            found.update(map(int, _read_all(f"/proc/self/task/{task}/children").split()))
    except OSError:
        return set()
    return found


def _has_ended(pid: int) -> bool:
    state = _read_all(f"/proc/{pid}/stat").rpartition(b") ")[2][:1]
    return state in {b"", b"Z", b"X"}


def _sockets(own: Collection[int]) -> set[str]:
    """The sockets of this process that lead to a PostgreSQL server, by inode, but for our own."""
    found: set[str] = set()
    try:
        descriptors = _listdir("/proc/self/fd")
    except OSError:
        return found
    for name in descriptors:
        try:
            link = _readlink(f"/proc/self/fd/{name}")
            if link.startswith("socket:") and int(name) not in own and _leads_to_postgres(int(name)):
                found.add(link)
        except OSError:
            continue
    return found


def _leads_to_postgres(descriptor: int) -> bool:
    """Whether a socket's other end is a server; raises OSError when it is not connected."""
    own = socket.socket(fileno=os.dup(descriptor))
    try:
        peer = own.getpeername()
    finally:
        own.close()
    return isinstance(peer, tuple) or ".s.PGSQL." in str(peer)


def _read_all(path: str) -> bytes:
    try:
        descriptor = _open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return _read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        _close(descriptor)
