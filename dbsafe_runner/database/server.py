"""One PostgreSQL server process: start it on a data directory, wait until it is ready, end it.

What is in the data directory, and where it lies, is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.binaries import Binaries
from dbsafe_runner.database.space import is_full, no_space
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.errors import ExitCode, UserError

#: Seconds that a server may take until it accepts connections, and until it has ended.
START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 10.0
_POLL: Final = 0.001


@dataclasses.dataclass(frozen=True, slots=True)
class Installation:
    """What every server of a run has in common: whose programs, and as whom."""

    binaries: Binaries
    account: Account


class Server:
    """A server on the data directory `data`, with its socket and its log in `home`.

    `listen` is the address for TCP connections, "" for none. The port also names the socket. The process
    keeps the file descriptors `held` open, and with them the locks that they stand for.
    """

    def __init__(
        self,
        installation: Installation,
        home: Path,
        data: Path,
        *,
        port: int = 5432,
        listen: str = "",
        held: Sequence[int] = (),
    ) -> None:
        self._installation = installation
        self.home = home
        self.data = data
        self.port = port
        self.listen = listen
        self.log = home / "log"
        self._held = held
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, 0 when it was not started."""
        return self._process.pid if self._process else 0

    @property
    def endpoint(self) -> Endpoint:
        """Where clients are led: to the address that it listens on, or to its socket."""
        return Endpoint(host=self.listen or str(self.home), port=self.port)

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """A libpq connection string for it."""
        values = {"host": str(self.home), "port": str(self.port), "user": user, "dbname": database}
        quoted = {
            name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in values.items()
        }
        return " ".join(f"{name}='{value}'" for name, value in quoted.items())

    def launch(self, **settings: str) -> None:
        """Start the process, with these settings on its command line; `wait` for it afterwards."""
        command = [self._installation.binaries.program("postgres"), "-D", str(self.data)]
        command += ["-k", str(self.home), "-p", str(self.port), "-c", f"listen_addresses={self.listen}"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal must not reach it: tests are torn down first.
                start_new_session=True,
                pass_fds=self._held,
                **self._installation.account.popen_options(),
            )

    def wait(self, timeout: float = START_TIMEOUT) -> None:
        """Return when it accepts connections.

        Raises:
            UserError: `server-start-failed` (with the end of its log) or `no-space`.
        """
        state = self.data / "postmaster.pid"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.running():
                raise self._failure("It ended while starting.")
            with contextlib.suppress(OSError):
                # The eighth line is written last, when it opens for connections.
                lines = state.read_text().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready":
                    return
            time.sleep(_POLL)
        self.kill()
        raise self._failure(f"It was not ready after {timeout:.0f} seconds.")

    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in an orderly way, so that its data directory is complete.

        Raises:
            UserError: `server-stop-failed`.
        """
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            status = -signal.SIGKILL
        if status != 0:
            raise UserError(
                "server-stop-failed",
                "A PostgreSQL server did not stop in an orderly way.",
                cause=f"Exit status {status}.\n{self.log_tail()}",
                exit_code=ExitCode.SERVER,
            )

    def quit(self) -> None:
        """Ask it to end at once, and do not wait for it; `kill` does."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGQUIT)

    def kill(self) -> None:
        """End it at once; its data directory is good for nothing afterwards. May be called again."""
        if self._process is None:
            return
        self.quit()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if (self.data / "postmaster.pid").exists():
            # Killed by a signal, it took neither its sessions nor its shared memory with it.
            end_orphans(self.data)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _failure(self, what: str) -> UserError:
        tail = self.log_tail()
        if is_full(tail):
            return no_space(self.data, tail)
        version = self._installation.binaries.version
        return UserError(
            "server-start-failed",
            f"PostgreSQL {version} could not be started.",
            cause=f"{what}\n{tail}".strip(),
            hint="Where it fails again, build the template anew with --fresh-template.",
            exit_code=ExitCode.SERVER,
        )


def end_orphans(data: Path) -> bool:
    """End what still runs on a data directory without its parent; whether there was anything.

    That is a server whose dbsafe is gone, or sessions whose server was killed. Their working directory
    is the data directory: nothing else is ended, whatever number stands in postmaster.pid. The System V
    segment that they leave behind is removed, too.
    """
    found = False
    for sign in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + STOP_TIMEOUT
        processes = _working_in(data)
        found = found or bool(processes)
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(sign)
        # A zombie has no working directory: that nobody collects it does not matter here.
        while _working_in(data) and time.monotonic() < deadline:
            time.sleep(0.01)
    _remove_shared_memory(data)
    return found


def _working_in(directory: Path) -> list[psutil.Process]:
    place = str(directory.resolve())
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == place:
                found.append(process)
    return found


def _remove_shared_memory(data: Path) -> None:
    """Remove the System V segment that a killed server left behind; postmaster.pid names it.

    The kernel keeps such segments (a few bytes each, but few in number) until somebody removes them.
    Only one with the very key and id, and with no process attached, is removed. Linux only.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        key, identifier = map(int, (data / "postmaster.pid").read_text().splitlines()[6].split())
        for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
            fields = [int(field) for field in line.split()[:7]]
            if fields[0] & 0xFFFFFFFF == key & 0xFFFFFFFF and fields[1] == identifier and fields[6] == 0:
                ctypes.CDLL(None).shmctl(identifier, 0, None)


def is_free(port: int) -> bool:
    """Whether nothing listens on a TCP port of this machine's own addresses now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listening(*, tcp: bool) -> tuple[int, str]:
    """Port and address of a server that is reached by its socket alone or, with `tcp`, by TCP, too."""
    return (free_port(), "127.0.0.1") if tcp else (5432, "")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
