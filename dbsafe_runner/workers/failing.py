"""Failing: the errors with which a run ends because its processes do, in words."""

from __future__ import annotations

import signal

from dbsafe_runner.errors import ExitCode, UserError

#: Characters of a dead process's output that are shown.
_LONGEST_CAUSE = 4000


def predicate(cause: str) -> str:
    """How a process ended, to stand behind the name of that process."""
    return f"was {cause}" if cause.startswith("killed by ") else cause


def zygote_died(code: int) -> UserError:
    """The process that collects ended with this code, or by the signal that it is the negative of."""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return UserError(
        "zygote-died",
        "The process that collects the suite ended without a word.",
        cause=f"It {how}.",
        hint="Run `pytest --collect-only`: what ends that ends dbsafe's collection too.",
        exit_code=ExitCode.WORKERS,
    )


def collected_differently(worker: str) -> UserError:
    """A spawned worker has other tests than the plan."""
    return UserError(
        "collected-differently",
        f"Worker {worker} collected other tests, or in another order, than the process before it.",
        hint="Make parametrisation deterministic: no sets, no random values, no clock in node ids.",
        exit_code=ExitCode.WORKERS,
    )


def workers_do_not_start(cause: str, printed: str) -> UserError:
    """No process of a worker comes as far as a test; `cause` and `printed` are the last one's."""
    ended = f"The last one {predicate(cause)}." if cause else ""
    if printed:
        ended += f" It printed:\n{printed[-_LONGEST_CAUSE:]}"
    return UserError(
        "workers-do-not-start",
        "Workers end before they run their first test.",
        cause=ended,
        hint="Try the other of --start fork and --start spawn.",
        exit_code=ExitCode.WORKERS,
    )
