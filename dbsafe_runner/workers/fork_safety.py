"""Whether a process may be forked into workers: no running threads, no connections to anything.

Threads do not survive a fork, and the locks that they hold stay held for ever; a connected socket
shared by several processes mixes their traffic. Both have broken tests and lost data without a word,
so either one means that workers are spawned instead.
"""

from __future__ import annotations

import functools
import os
import socket
import stat
import sys
import threading
import warnings
from pathlib import Path
from typing import Final

#: Module and name of what threads run that no worker misses and that hold no lock.
#: pytest-rerunfailures serves its counts to workers of pytest-xdist wherever that is installed. There
#: are none here, and a forked worker reads its own copy of the counts, without the thread.
_HARMLESS: Final = frozenset({("pytest_rerunfailures", "run_server")})


def reasons_not_to_fork(own_descriptors: frozenset[int]) -> list[str]:
    """Say why this process must not be forked, in words; an empty list when it may be.

    Args:
        own_descriptors: sockets of our own, which are handled.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin":
        # Apple's frameworks abort in forked children that use them; CPython spawns there as well.
        return [f"forking is not safe on {sys.platform}"]
    return [*_threads(), *_connections(own_descriptors)]


def fork() -> int:
    """`os.fork` without Python's warning about threads: those that run were found to be harmless."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _threads() -> list[str]:
    python = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    harmful = [thread for thread in python if _origin(thread) not in _HARMLESS]
    if harmful:
        names = ", ".join(sorted(_named(thread) for thread in harmful))
        return [f"importing the suite started {_count(len(harmful), 'thread')}: {names}"]
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return []
    # Native pools such as OpenBLAS's end their threads in a fork handler and start them again when
    # needed, in the child as well. So the count is taken after a fork.
    child = fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    native = len(list(tasks.iterdir())) - len(python) - 1
    if native > 0:
        return [f"importing the suite started {_count(native, 'native thread')}"]
    return []


def _origin(thread: threading.Thread) -> tuple[str, str]:
    """Module and name of what a thread runs; that of its class where it was given nothing to run."""
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    while isinstance(target, functools.partial):
        target = target.func
    run = type(thread) if target is None else target
    return str(getattr(run, "__module__", "") or ""), str(getattr(run, "__name__", ""))


def _named(thread: threading.Thread) -> str:
    """A thread with the module that its code is from, which shows who has started it."""
    module, _ = _origin(thread)
    return f"{thread.name} of {module}" if module else thread.name


def _connections(own: frozenset[int]) -> list[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return []
    found = []
    for entry in sorted(descriptors.iterdir(), key=lambda path: int(path.name)):
        descriptor = int(entry.name)
        peer = "" if descriptor in own else _peer(descriptor)
        if peer:
            found.append(f"importing the suite left a connection open to {peer}")
    return found


def _peer(descriptor: int) -> str:
    """Name what a descriptor is connected to; "" for what is harmless to share."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return ""
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            if connection.type != socket.SOCK_STREAM:
                return ""
            address = connection.getpeername()
    except OSError:
        return ""
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    # An unnamed Unix socket is a pair inside this process, as event loops keep to wake themselves up.
    return address.decode(errors="replace") if isinstance(address, bytes) else str(address)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
