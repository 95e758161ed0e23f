"""Running the set-up of a template: a shell command, or a Python callable in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dbsafe_runner.database.space import is_full
from dbsafe_runner.errors import ExitCode, UserError

#: Lines of output that an error shows.
TAIL: Final = 40

#: Seconds between asking a set-up to end and ending it.
_PATIENCE: Final = 2.0

#: Bytes of output that are not lost when the disk is full.
_ROOM: Final = 64 * 1024

_NO_ROOM: Final = (
    "Free some space, or name another directory for running servers with DBSAFE_SERVERS_DIR, "
    "where the set-up's database lies."
)

_CALLABLE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_CALL: Final = """
import functools, importlib, inspect, sys
sys.path.insert(0, "")
module, _, name = sys.argv[1].partition(":")
sys.argv[1:] = []
result = functools.reduce(getattr, name.split("."), importlib.import_module(module))()
if inspect.isawaitable(result):
    import asyncio
    async def wait():
        await result
    asyncio.run(wait())
elif inspect.isgenerator(result) or inspect.isasyncgen(result):
    # It was only made, and nothing of it has run: a template without it would look ready.
    sys.exit(
        f"{module}:{name} returned a generator, so nothing of it has run. "
        "A set-up is a function, or an async function, without yield."
    )
"""

#: How PostgreSQL says that it lacks an extension, before and since version 14.
_MISSING: Final = (
    re.compile(r'extension "([^"]+)" is not available'),
    re.compile(r'could not open extension control file "[^"]*/([^"/]+)\.control"'),
)


class SetupFailedError(UserError):
    """The set-up failed or timed out. `extensions` are those that it missed."""

    def __init__(self, code: str, message: str, output: str, hint: str) -> None:
        tail = "\n".join(output.rstrip().splitlines()[-TAIL:])
        super().__init__(code, message, cause=tail, hint=hint, exit_code=ExitCode.SETUP)
        self.extensions = missing_extensions(output)


def is_callable(setup: str) -> bool:
    """Whether the set-up names a Python callable (`module:callable`) rather than a shell command."""
    return _CALLABLE.fullmatch(setup.strip()) is not None


def missing_extensions(output: str) -> tuple[str, ...]:
    """The extensions that the set-up's output complains about, in order, each once."""
    found = [name for pattern in _MISSING for name in pattern.findall(output)]
    return tuple(dict.fromkeys(found))


def _with_own_programs(path: str) -> str:
    """A search path on which `alembic`, `django-admin` and so on are those beside our own Python.

    dbsafe may have been called by its path, without the virtual environment being activated.
    """
    return os.pathsep.join(filter(None, (str(Path(sys.executable).parent), path)))


def _reserve(file: int) -> None:
    """Set room aside for the output: a set-up may fill the disk, and then its last words matter most."""
    if hasattr(os, "posix_fallocate"):
        with contextlib.suppress(OSError):
            os.posix_fallocate(file, 0, _ROOM)


class Setup:
    """One run of a set-up, with everything that it starts in a process group of its own.

    Args:
        command: for the shell, or `module:callable`.
        directory: the working directory, first on the callable's import path.
        shown: the command as the user wrote it, for messages.
        log: file for standard output and error together. While the set-up runs, a file beside it with
            the suffix .group holds its process group, so that it can be ended when we cannot do it.
    """

    def __init__(self, command: str, directory: Path, log: Path, *, shown: str = "") -> None:
        self._command = command
        self._shown = shown or command
        self._directory = directory
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._timed_out = False

    def run(self, environment: Mapping[str, str], timeout: float) -> None:
        """Run it to its end.

        Args:
            environment: the whole environment of the process.
            timeout: seconds after which it is ended; may be infinite.

        Raises:
            SetupFailedError: with code `setup-failed` or `setup-timeout`.
        """
        call = is_callable(self._command)
        shell = ["/bin/sh", "-c", self._command]
        command = [sys.executable, "-c", _CALL, self._command.strip()] if call else shell
        group = self._log.with_suffix(".group")
        # It names its group before it does anything else: we may be killed at any moment.
        command = ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(group), *command]
        with self._log.open("wb") as output:
            _reserve(output.fileno())
            process = self._process = subprocess.Popen(
                command,
                cwd=self._directory,
                env={**environment, "PATH": _with_own_programs(environment.get("PATH", ""))},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        timer = threading.Timer(min(timeout, threading.TIMEOUT_MAX), self._time_out)
        timer.daemon = True
        timer.start()
        try:
            status = process.wait()
        finally:
            timer.cancel()
            self.kill()
            group.unlink(missing_ok=True)
        if status != 0:
            raise self._failure(status, timeout)

    def quit(self) -> None:
        """Ask it, and everything that it started, to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything that it started: politely, then not. May be called again."""
        process = self._process
        if process is None or process.poll() == 0:
            # After success what it started on purpose, a cache server say, may stay.
            return
        self.quit()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        self._signal(signal.SIGKILL)
        process.wait()
        self._process = None

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    def _signal(self, sign: signal.Signals) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, sign)

    def _failure(self, status: int, timeout: float) -> SetupFailedError:
        # What was set aside and not used reads as zero bytes.
        output = self._log.read_text(errors="replace").rstrip("\0") or "It printed nothing."
        if self._timed_out:
            return SetupFailedError(
                "setup-timeout",
                f"The set-up did not end within {timeout:g} seconds: {self._shown}",
                output,
                "It may wait for input, or for a server that it cannot reach. It was ended.",
            )
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"
        return SetupFailedError(
            "setup-failed",
            f"The set-up {how}: {self._shown}",
            output,
            _NO_ROOM
            if is_full(output)
            else f"Run it by hand in {self._directory}, or change [database] setup.",
        )
