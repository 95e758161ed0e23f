"""`dbsafe benchmark`: the user's own suite, serially, with pytest-xdist and with dbsafe, in turns.

All contenders run on the same machine one after the other, turn by turn (A B C A B C ...), so that
whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.session.running import run_pool
from dbsafe_runner.session.serial_run import has_xdist, run_serially
from dbsafe_runner.session.verifying import Outcomes, compare
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.redirect import Target

SERIAL: Final = "pytest"
#: Exit codes of a run whose tests were run: all well, or not.
_RAN: Final = frozenset((0, 1))
#: Runs the suite; returns wall seconds, and outcomes by node id.
_Way = Callable[[], tuple[float, Mapping[str, str]]]


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """One run: wall seconds of the whole command, and how many tests did not end as serially."""

    seconds: float
    differences: int


@dataclasses.dataclass(frozen=True, slots=True)
class Contender:
    """A way to run the suite, as its command, and its turns."""

    name: str
    turns: tuple[Turn, ...]

    @property
    def median(self) -> float:
        """Median of the wall seconds."""
        return statistics.median(turn.seconds for turn in self.turns)

    @property
    def fastest(self) -> float:
        """The shortest turn in seconds."""
        return min(turn.seconds for turn in self.turns)

    @property
    def slowest(self) -> float:
        """The longest turn in seconds."""
        return max(turn.seconds for turn in self.turns)

    @property
    def differences(self) -> tuple[int, int]:
        """The fewest and the most tests that differed in a turn."""
        numbers = [turn.differences for turn in self.turns]
        return min(numbers), max(numbers)


@dataclasses.dataclass(frozen=True, slots=True)
class Benchmark:
    """All contenders, the serial one first and dbsafe last."""

    contenders: tuple[Contender, ...]
    tests: int

    @property
    def exit_code(self) -> int:
        """0 when dbsafe agreed with the serial run in every turn, else DIFFERENT."""
        return int(ExitCode.DIFFERENT) if self.contenders[-1].differences[1] else 0


def benchmark(
    config: Config,
    request: RunRequest,
    turns: int,
    say: Callable[[str], None] = lambda _text: None,
) -> Benchmark:
    """Run the suite in all ways, so many times each, after a run of dbsafe that does not count.

    Args:
        config: the configuration in force.
        request: what to run.
        turns: runs of each contender.
        say: told each step in words.

    Raises:
        UserError: as `run`; also when the suite cannot be run at all.
        KeyboardInterrupt: a signal has ended a run, and the reports of that run are written.
    """
    # One order for all contenders and turns, wherever a plugin shuffles the tests.
    request = dataclasses.replace(request, seed=secrets.randbits(32))
    say("A first run with dbsafe, which does not count: it makes the template and learns.")
    code, pool = _run(config, request, Outcomes())
    if code not in _RAN:
        raise _not_run(code)
    ways = _ways(config, request, pool, say)
    measured: dict[str, list[Turn]] = {name: [] for name in ways}
    first: Mapping[str, str] = {}
    serial: Mapping[str, str] = {}
    for number in range(1, turns + 1):
        for name, run in ways.items():
            seconds, outcomes = run()
            if name == SERIAL:
                serial, first = outcomes, first or outcomes
            reference = first if name == SERIAL else serial
            measured[name].append(Turn(seconds, len(compare(reference, outcomes))))
            say(f"Turn {number} of {turns}, {name}: {seconds:.1f} s")
    contenders = tuple(Contender(name, tuple(taken)) for name, taken in measured.items())
    return Benchmark(contenders, len(first))


def _ways(
    config: Config, request: RunRequest, pool: Pool, say: Callable[[str], None]
) -> dict[str, _Way]:
    """The ways to run the suite, by name, in the order of a turn."""
    sources = tuple(Target(*source) for source in pool.tenancy.sources)
    workers = len(pool.slots)
    ways: dict[str, _Way] = {SERIAL: lambda: _pytest(config, request, sources, 0)}
    if has_xdist(request, os.environ):
        ways[f"pytest -n {workers}"] = lambda: _pytest(config, request, sources, workers)
    else:
        say("pytest-xdist is not loaded here, so it is left out.")
    ways[f"dbsafe, {workers} workers"] = lambda: _dbsafe(config, request)
    return ways


def _not_run(code: int) -> UserError:
    return UserError(
        "nothing-to-measure",
        f"The suite did not run: the first run ended with exit code {code}.",
        hint="See what `dbsafe run` says of it.",
        exit_code=ExitCode.USAGE,
    )


def _pytest(
    config: Config, request: RunRequest, sources: tuple[Target, ...], processes: int
) -> tuple[float, Mapping[str, str]]:
    run = run_serially(config, request, sources, processes)
    return run.seconds, run.outcomes


def _dbsafe(config: Config, request: RunRequest) -> tuple[float, Mapping[str, str]]:
    outcomes = Outcomes()
    started = time.monotonic()
    # Ours is running already; what starting it takes is measured, so that nobody is favoured.
    subprocess.run([sys.executable, "-c", "import dbsafe_runner.session"], check=True)
    _run(config, request, outcomes)
    return time.monotonic() - started, outcomes.by_nodeid


def _run(config: Config, request: RunRequest, outcomes: Outcomes) -> tuple[int, Pool]:
    """Run the suite with dbsafe; a signal that ends the run ends the benchmark."""
    code, pool = run_pool(config, request, [outcomes])
    if pool.endings.was_interrupted and code != ExitCode.OUT_OF_TIME:
        raise KeyboardInterrupt
    return code, pool
