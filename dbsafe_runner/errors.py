"""The errors that a user is expected to meet, and the exit codes that they end a run with.

This module holds only the shape of an error. How one is drawn on the terminal is the work of
`dbsafe_runner.cli`; what each one means is written in `docs/errors.md`, under its code.
"""

from __future__ import annotations

import enum
import traceback


class ExitCode(enum.IntEnum):
    """Exit codes of dbsafe itself; 0 to 5 are pytest's own and pass through unchanged."""

    #: The command line, runner.toml or the environment says something that cannot be used.
    USAGE = 64
    #: No PostgreSQL server could be had: binaries, version, disk space, connection.
    SERVER = 65
    #: The set-up command of the template failed or timed out.
    SETUP = 66
    #: The process that collects the suite, or the workers, could not be kept alive.
    WORKERS = 67
    #: `dbsafe verify` found a test whose outcome differs from the serial run.
    DIFFERENT = 68
    #: Database tests ran against a stand-in: their outcomes count for nothing.
    MOCKED = 69
    #: A defect in dbsafe.
    INTERNAL = 70
    #: The run took longer than `--run-timeout` allows, and was stopped.
    OUT_OF_TIME = 71


class UserError(Exception):
    """An expected failure, told so that the user can act on it.

    Args:
        code: kebab-case reference, an anchor in `docs/errors.md`.
        message: what went wrong, one sentence.
        cause: why, as far as it is known; may have several lines.
        hint: what the user can do about it.
        exit_code: what the process exits with.
    """

    def __init__(
        self, code: str, message: str, *, cause: str = "", hint: str = "", exit_code: ExitCode
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.cause = cause
        self.hint = hint
        self.exit_code = exit_code


def defect(error: BaseException, hint: str = "Please report it.") -> UserError:
    """What there is to say to the user about an exception that nobody expected."""
    return UserError(
        "defect",
        "This is a defect in dbsafe; the suite is not to blame.",
        cause=traceback.format_exception_only(error)[-1].strip(),
        hint=hint,
        exit_code=ExitCode.INTERNAL,
    )
