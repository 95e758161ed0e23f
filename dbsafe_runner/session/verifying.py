"""`dbsafe verify`: the suite with dbsafe and serially with plain pytest, compared test by test."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.domain.events import RunEvent, TestFinished
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.errors import ExitCode
from dbsafe_runner.reporting.sink import Sink
from dbsafe_runner.session.running import run_pool
from dbsafe_runner.session.serial_progress import Tell
from dbsafe_runner.session.serial_run import SerialInterrupted, SerialRun, run_serially
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.redirect import Target

#: pytest's exit code for a command line or a configuration with which it does not begin.
_USAGE_ERROR: Final = 4
_FAILED: Final = frozenset((Outcome.FAILED.value, Outcome.ERROR.value))


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A test whose outcome differs. An outcome is "" where the test was not run at all."""

    nodeid: str
    serial: str
    parallel: str
    #: Why it failed serially, in a line; "" where it did not.
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """Both runs, and where they differ. Times are wall seconds from command to end."""

    differences: tuple[Difference, ...]
    tests: int
    serial_seconds: float
    parallel_seconds: float
    #: None: there was no serial run, as the one with dbsafe could not begin.
    serial_exit_code: int | None
    parallel_exit_code: int
    #: Whether --maxfail or a signal has ended a run, so that only tests that ran in both were compared.
    partial: bool = False
    #: The run during which the user or the system ended dbsafe, in words; "" where nobody did.
    interrupted: str = ""

    @property
    def exit_code(self) -> int:
        """0 when the verdicts agree, pytest's code when there was nothing to compare, else DIFFERENT."""
        if self.interrupted and self.serial_exit_code is not None:
            return self.serial_exit_code
        if self.serial_exit_code is None:
            return self.parallel_exit_code
        if self.differences or self.serial_exit_code != self.parallel_exit_code:
            return int(ExitCode.DIFFERENT)
        return 0 if self.tests else self.parallel_exit_code


def verify(
    config: Config,
    request: RunRequest,
    sinks: Sequence[Sink],
    say: Callable[[str], None] = lambda _text: None,
    tell: Tell | None = None,
) -> Verification:
    """Run the suite with dbsafe, then serially on a fresh namespace, and compare.

    Args:
        config: the configuration in force.
        request: what to run.
        sinks: read the events of the parallel run.
        say: told each step in words.
        tell: told now and then what the serial run is at.

    Raises:
        UserError: as `run`; also when the serial run ends without running the tests.
    """
    request = _with_one_order(request)
    say("Running the suite with dbsafe.")
    outcomes = Outcomes()
    started = time.monotonic()
    code, pool = run_pool(config, request, [outcomes, *sinks])
    seconds = time.monotonic() - started
    parallel = outcomes.by_nodeid
    if code == _USAGE_ERROR and not parallel:
        return Verification((), 0, 0.0, seconds, None, code)
    if pool.endings.was_interrupted and code != ExitCode.OUT_OF_TIME:
        return Verification((), 0, 0.0, seconds, None, code, interrupted="run with dbsafe")
    say("Running the suite serially with plain pytest, on a fresh namespace.")
    serial, interrupted = _serially(config, request, pool, tell)
    partial = bool(interrupted) or was_cut_short(_maxfail(pool), serial.outcomes, parallel)
    return _compared(
        serial,
        parallel,
        Verification((), 0, serial.seconds, seconds, serial.exit_code, code, partial, interrupted),
    )


def _serially(
    config: Config, request: RunRequest, pool: Pool, tell: Tell | None
) -> tuple[SerialRun, str]:
    """The serial run; in words, too, where it is the one that was interrupted."""
    sources = tuple(Target(*source) for source in pool.tenancy.sources)
    try:
        return run_serially(config, request, sources, tell=tell), ""
    except SerialInterrupted as ended:
        return ended.run, "serial run"


def _compared(serial: SerialRun, parallel: Mapping[str, str], found: Verification) -> Verification:
    """`found` with the tests that differ, and how many were compared."""
    common = serial.outcomes.keys() & parallel.keys()
    differences = compare(serial.outcomes, parallel, serial.reasons)
    return dataclasses.replace(
        found,
        differences=tuple(one for one in differences if not found.partial or one.nodeid in common),
        tests=len(common if found.partial else serial.outcomes.keys() | parallel.keys()),
    )


def _with_one_order(request: RunRequest) -> RunRequest:
    """The request with a seed, so that plugins that shuffle tests do so alike in both runs."""
    return dataclasses.replace(request, seed=secrets.randbits(32))


def compare(
    serial: Mapping[str, str], parallel: Mapping[str, str], reasons: Mapping[str, str] | None = None
) -> tuple[Difference, ...]:
    """Every test whose outcomes are not the same, in the order of the serial run.

    `reasons` say why a test ended as it did serially; only those of failures are taken over.
    """
    nodeids = [*serial, *(nodeid for nodeid in parallel if nodeid not in serial)]
    known = reasons or {}
    return tuple(
        Difference(
            nodeid,
            serial.get(nodeid, ""),
            parallel.get(nodeid, ""),
            known.get(nodeid, "") if serial.get(nodeid) in _FAILED else "",
        )
        for nodeid in nodeids
        if serial.get(nodeid, "") != parallel.get(nodeid, "")
    )


def was_cut_short(maxfail: int, serial: Mapping[str, str], parallel: Mapping[str, str]) -> bool:
    """Whether --maxfail has kept a run from its end: which tests come before it hangs on the order."""
    most = max(
        sum(outcome in _FAILED for outcome in outcomes.values()) for outcomes in (serial, parallel)
    )
    # A failed call and a failed teardown are two for pytest, and one test here.
    return maxfail > 0 and most > 0 and (most >= maxfail or serial.keys() != parallel.keys())


def _maxfail(pool: Pool) -> int:
    return int(pool.collected["maxfail"]) if pool.collected is not None else 0


class Outcomes:
    """A sink that keeps the outcome of each test; an error outweighs what came before it."""

    def __init__(self) -> None:
        self.by_nodeid: dict[str, str] = {}

    def on(self, event: RunEvent) -> None:
        """Keep an outcome."""
        if isinstance(event, TestFinished):
            self.by_nodeid[event.result.nodeid] = event.result.outcome.value

    def tick(self, now: float) -> None:
        """Nothing happens with time."""

    def close(self) -> None:
        """Nothing is held open."""
