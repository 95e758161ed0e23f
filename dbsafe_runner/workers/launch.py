"""Starting the processes that run pytest: the zygote, and spawned workers.

They get a process group of their own, so that Ctrl-C in a terminal reaches only the dispatcher, which
then says what is to happen; and all their output goes into one pipe, which it shows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbsafe_runner.workers.protocol import encode

#: The variable that names the file in which a serial run is written down.
RECORD = "DBSAFE_RECORD"
#: The variable that names the descriptor on which a serial run says what it has learned.
TEACHER = "DBSAFE_TEACHER"


class Process:
    """A started process, the dispatcher's end of its channel, and the pipe with its output."""

    def __init__(self, popen: subprocess.Popen[bytes], connection: socket.socket, output: int) -> None:
        self._popen = popen
        self.connection = connection
        #: Descriptor of the read end of its output.
        self.output = output

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Exit code (negative: the signal), None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int | None:
        """Wait for the end, at most `timeout` seconds; None when it goes on."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process and all of its group at once."""
        kill_group(self.pid)


def kill_group(pid: int) -> None:
    """SIGKILL a process and, where it leads one, its group."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def start_pytest(directory: Path, environment: Mapping[str, str], start: Mapping[str, Any]) -> Process:
    """Start a process that runs pytest with our plugin, and tell it what to do.

    `start` are the fields of its `start` message. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    # An interrupt waits until pytest is imported and deals with it (`zygote.run_pytest`): one that comes
    # while Python starts would end in a traceback. The mask is inherited.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        popen = subprocess.Popen(
            [sys.executable, "-m", "dbsafe_runner.workers.zygote", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=write,
            pass_fds=(theirs.fileno(),),
            cwd=directory,
            env=dict(environment),
            process_group=0,
        )
    except BaseException:
        ours.close()
        os.close(read)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        os.close(write)
    ours.sendall(encode("start", dict(start)))
    os.set_blocking(read, False)
    return Process(popen, ours, read)
