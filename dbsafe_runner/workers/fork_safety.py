"""Whether a process may be forked into workers: no running threads, no connections to anything.

Threads do not survive a fork, and the locks that they hold stay held for ever; a connected socket
shared by several processes mixes their traffic. Both have broken tests and lost data without a word,
so either one means that workers are spawned instead.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from pathlib import Path


def reasons_not_to_fork(own_descriptors: frozenset[int]) -> list[str]:
    """Say why this process must not be forked, in words; an empty list when it may be.

    Args:
        own_descriptors: sockets of our own, which are handled.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin":
        # Apple's frameworks abort in forked children that use them; CPython spawns there as well.
        return [f"forking is not safe on {sys.platform}"]
    return [*_threads(), *_connections(own_descriptors)]


def _threads() -> list[str]:
    python = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if python:
        names = ", ".join(sorted(thread.name for thread in python))
        return [f"importing the suite started {_count(len(python), 'thread')}: {names}"]
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return []
    # Native pools such as OpenBLAS's end their threads in a fork handler and start them again when
    # needed, in the child as well. So the count is taken after a fork.
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    native = len(list(tasks.iterdir())) - 1
    if native > 0:
        return [f"importing the suite started {_count(native, 'native thread')}"]
    return []


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
