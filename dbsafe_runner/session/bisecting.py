"""`dbsafe bisect`: finds the tests that one test's outcome hangs on, by running it behind others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.scheduling.bisection import Bisection
from dbsafe_runner.session.parts import make_provider, pool_settings
from dbsafe_runner.session.prospect import CollectionEnded, collection_ended
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun

#: From all node ids to the one that is meant. Raises UserError.
Choice = Callable[[Sequence[str]], str]


@dataclasses.dataclass(frozen=True, slots=True)
class Bisected:
    """What a test's outcome hangs on."""

    nodeid: str
    #: Victim or brittle.
    verdict: Verdict
    #: The fewest tests behind which it fails (victim) or passes (brittle), in this order.
    others: tuple[str, ...]
    trials: int


def bisect(
    config: Config,
    request: RunRequest,
    choose: Choice,
    say: Callable[[str], None],
) -> Bisected | CollectionEnded:
    """Run one test alone, behind what ran before it, and behind ever fewer of those.

    Args:
        config: the configuration in force.
        request: what is collected, in the order of a serial run.
        choose: tells the test that is meant.
        say: told each step in words.

    Raises:
        UserError: `choose` refuses; `bisect-fails-alone`, `bisect-never-fails` and `bisect-interrupted`;
            what `run` raises when the server or the workers cannot be had.
    """
    search = _Search(config, choose, say)
    provider = make_provider(config, fresh=request.fresh_template)
    with run_directory() as directory:
        settings = pool_settings(config, request, directory, workers=1)
        pool = Pool(settings, provider, search.plan, search.on, lambda: None)
        code = pool.run()
    if not search.chosen:
        return collection_ended(pool, code, search.output)
    return search.result(interrupted=pool.endings.was_interrupted)


class _Search:
    """Plans the search instead of a run, and follows it."""

    def __init__(self, config: Config, choose: Choice, say: Callable[[str], None]) -> None:
        self._config = config
        self._choose = choose
        self._say = say
        self._trials = 0
        self._alone = False
        self._found: events.TestExamined | None = None
        self.chosen = ""
        self.output: list[str] = []

    def plan(self, suite: CollectedSuite) -> PlannedRun:
        """An empty plan, and the test that is to be examined."""
        index = {test.nodeid: test.index for test in suite.tests}
        self.chosen = self._choose(list(index))
        number = index[self.chosen]
        order = order_of_last_run(self._config.run.output / "results.json", self.chosen)
        as_it_ran = tuple(index[nodeid] for nodeid in order if nodeid in index)
        self._say(f"Running {self.chosen} alone, then behind the tests before it.")
        return PlannedRun(
            Plan((), 1, "", {}), (), examine=Bisection(number, as_it_ran, tuple(range(number)))
        )

    def on(self, event: events.RunEvent) -> None:
        """Follow what happens."""
        if isinstance(event, events.PytestOutput):
            self.output.append(event.text)
        elif isinstance(event, events.Preparing):
            self._say(event.what)
        elif isinstance(event, events.TrialEnded):
            self._tell(event)
        elif isinstance(event, events.TestExamined):
            self._found = event

    def result(self, *, interrupted: bool) -> Bisected:
        """What was found. Raises UserError where the test hangs on no other."""
        found = self._found
        if found is None or interrupted:
            raise UserError(
                "bisect-interrupted",
                "The search was ended before it found anything.",
                exit_code=ExitCode.USAGE,
            )
        if found.verdict is Verdict.CONFIRMED:
            raise _fails_alone(found.nodeid, self._trials)
        if found.verdict is Verdict.CLEAR:
            raise _never_fails(found.nodeid, self._trials)
        return Bisected(found.nodeid, found.verdict, found.others, self._trials)

    def _tell(self, event: events.TrialEnded) -> None:
        self._trials += 1
        outcome = "passed" if event.passed else "failed"
        where = f"behind {event.behind:,} test{'s' * (event.behind != 1)}" if event.behind else "alone"
        self._say(f"  {outcome} {where}")


def order_of_last_run(results: Path, nodeid: str) -> list[str]:
    """What the worker of a test had run before it in the last run; empty where that is not known."""
    try:
        tests = json.loads(results.read_text(encoding="utf-8"))["tests"]
        (own,) = (test for test in tests if test["nodeid"] == nodeid)
        before = [
            (test["started"], test["nodeid"])
            for test in tests
            if test["worker"] == own["worker"] and 0 < test["started"] < own["started"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for _, name in sorted(before)]


def _fails_alone(nodeid: str, trials: int) -> UserError:
    return UserError(
        "bisect-fails-alone",
        f"{nodeid} fails alone, and behind the tests before it, too: it hangs on no other test.",
        cause=f"It failed in {trials} of {trials} trials.",
        hint=f"Run it by itself to see why: dbsafe run '{nodeid}'",
        exit_code=ExitCode.USAGE,
    )


def _never_fails(nodeid: str, trials: int) -> UserError:
    return UserError(
        "bisect-never-fails",
        f"{nodeid} passes alone, and behind all the tests before it.",
        cause=f"It passed in {trials} of {trials} trials.",
        hint="If it fails now and then, it is flaky: dbsafe run --retries 3 tells. If it failed in a "
        "run whose results are elsewhere, name them with --output.",
        exit_code=ExitCode.USAGE,
    )
