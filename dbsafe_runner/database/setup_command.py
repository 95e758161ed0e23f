"""Running the set-up of a template: a shell command, or a Python callable in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dbsafe_runner.errors import ExitCode, UserError

#: Lines of output that an error shows.
TAIL: Final = 40

_CALLABLE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_CALL: Final = """
import functools, importlib, sys
sys.path.insert(0, "")
module, _, name = sys.argv[1].partition(":")
sys.argv[1:] = []
functools.reduce(getattr, name.split("."), importlib.import_module(module))()
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


def run_setup(
    setup: str, environment: Mapping[str, str], directory: Path, timeout: float, log: Path
) -> None:
    """Run it to its end in `directory`, with this environment, its output into the file `log`.

    Args:
        setup: a command for the shell, or `module:callable`.
        environment: the whole environment of the process.
        directory: the working directory, first on the callable's import path.
        timeout: seconds after which it, and everything that it started, is ended.
        log: file for standard output and error together. While the set-up runs, a file beside it with
            the suffix .group holds its process group, so that it can be ended when we cannot do it.

    Raises:
        SetupFailedError: with code `setup-failed` or `setup-timeout`.
    """
    call = is_callable(setup)
    command = [sys.executable, "-c", _CALL, setup.strip()] if call else ["/bin/sh", "-c", setup]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        group = log.with_suffix(".group")
        try:
            group.write_text(f"{process.pid}\n")
            status = process.wait(timeout)
        except BaseException as error:
            _end_group(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _timed_out(setup, timeout, log) from None
            raise
        finally:
            group.unlink(missing_ok=True)
    if status != 0:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"
        raise SetupFailedError(
            "setup-failed",
            f"The set-up {how}: {setup}",
            log.read_text(errors="replace") or "It printed nothing.",
            f"Run it by hand in {directory}, or change [database] setup.",
        )


def _timed_out(setup: str, timeout: float, log: Path) -> SetupFailedError:
    return SetupFailedError(
        "setup-timeout",
        f"The set-up did not end within {timeout:g} seconds: {setup}",
        log.read_text(errors="replace") or "It printed nothing.",
        "It may wait for input, or for a server that it cannot reach. It was ended.",
    )


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the set-up and everything in its process group: politely, then not."""
    for sign, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
