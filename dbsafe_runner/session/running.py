"""`dbsafe run`: one run, from the configuration and the request to the exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dbsafe_runner
from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.domain import events
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.errors import ExitCode, UserError, defect
from dbsafe_runner.history.recording import HistorySink
from dbsafe_runner.history.records import Remembered, StoreProblem
from dbsafe_runner.history.store import HistoryStore
from dbsafe_runner.hooks import Plugins
from dbsafe_runner.planning.request import Grouping
from dbsafe_runner.reporting.sink import Fanout, Sink
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.masking import MaskingSink
from dbsafe_runner.session.parts import (
    lease_metrics,
    limits_of,
    mask_of,
    obtain_provider,
    pool_settings,
    workers_that_fit,
)
from dbsafe_runner.session.plugins import PluginSink, configured_plugins
from dbsafe_runner.session.strategy import caps_for, chosen_strategy, live_range, worker_count
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun

if TYPE_CHECKING:
    from dbsafe_runner.session.knowledge import Knowledge

#: What is needed only when the tests are known. It is imported while pytest collects them, which keeps
#: another processor busy for longer than that.
_NEEDED_LATER: Final = (
    "dbsafe_runner.session.planned",
    "dbsafe_runner.session.learning",
    "dbsafe_runner.session.sources",
    "dbsafe_runner.reporting.html",
    "dbsafe_runner.reporting.junit",
    "jinja2",
)


def run(config: Config, request: RunRequest, sinks: Sequence[Sink]) -> int:
    """Run the suite and return the exit code.

    Raises:
        UserError: the strategy is wrong, the server, the template or the workers cannot be had, or a
            report not be written.
    """
    return run_pool(config, request, sinks)[0]


def run_pool(config: Config, request: RunRequest, sinks: Sequence[Sink]) -> tuple[int, Pool]:
    """As `run`; also returns the pool, for what it found out."""
    began, fanout = time.monotonic(), Fanout(sinks)
    told: Sink = fanout
    try:
        plugins = configured_plugins(config)
        fanout.add(PluginSink(plugins))
        with run_directory() as directory:
            run = _Run(config, request, directory, fanout, plugins)
            told = run.sink
            return run.run()
    except Exception as error:
        told.on(failure(error, time.monotonic() - began))
        # Why there was no run is more to be told than that a report of it could not be written.
        with contextlib.suppress(Exception):
            fanout.close()
        raise
    finally:
        fanout.close()


class _Run:
    """One run: the history, the plan and the pool put together."""

    def __init__(
        self, config: Config, request: RunRequest, directory: Path, fanout: Fanout, plugins: Plugins
    ) -> None:
        self._config = config
        self._request = request
        self._fanout: Sink = fanout
        self._plugins = plugins
        strategy = chosen_strategy(config)
        self._provider, self._stand_ins = obtain_provider(config, fresh=request.fresh_template)
        if (mask := mask_of(config, self._provider)) is not None:
            self._fanout = MaskingSink(fanout, mask)
        workers = worker_count(config, strategy)
        live = live_range(config, strategy)
        most = workers_that_fit(self._provider, live[1] if live is not None else workers)
        workers = min(workers, most)
        self._circumstances = Circumstances(
            strategy, workers, self._provider.kind, Grouping(config.run.grouping)
        )
        self._settings = pool_settings(config, request, directory, most)
        if live is not None:
            self._settings = dataclasses.replace(self._settings, live=(min(live[0], most), most))
        if self._provider.kind is NamespaceKind.MOCK:
            self._settings = dataclasses.replace(self._settings, confirm=False)
        self._store = HistoryStore(config.run.history)
        self._history = HistorySink(self._store)
        self._remembered = Remembered()
        self._knowledge: Knowledge | None = None
        self._told = 0
        #: Whether all of the suite was collected that was asked for.
        self._collected = True
        #: Tests that were seen to be of another level, and what of it is worth telling.
        self._corrected = 0
        self._lessons: Sequence[Note] = ()

    def run(self) -> tuple[int, Pool]:
        """Run, and keep what was learned, however it ends."""
        pool = Pool(
            self._settings,
            self._provider,
            self._plan,
            self._on,
            lambda: self._fanout.tick(pool.now()),
        )
        self._pool = pool
        self._on(self._started())
        self._tell_server()
        try:
            code = self._mocked(pool.run(self._prepare, self._learn))
            for note in self._lessons:
                self._tell(note, kind="info")
            finished = self._finished(code)
            self._history.on(finished)
        finally:
            self._history.close()
            self._store.close()
        self._tell_problems()
        self._fanout.on(finished)
        self._tell_of_plugins()
        return code, pool

    @property
    def sink(self) -> Sink:
        """Where the events of the run go; passwords are left out of what comes there."""
        return self._fanout

    def _mocked(self, code: int) -> int:
        """The exit code: tests that ran against a stand-in must not look as if they had passed."""
        ledger = self._pool.ledger
        mocked = ledger is not None and ledger.totals[Outcome.MOCKED.value]
        return int(ExitCode.MOCKED) if mocked and not self._pool.endings.was_interrupted else code

    def _on(self, event: events.RunEvent) -> None:
        self._history.on(event)
        self._fanout.on(event)
        if isinstance(event, events.CollectionFailed):
            self._collected = False
        if isinstance(event, events.ServerReady):
            for text in limits_of(self._provider):
                self._fanout.on(events.Notice(event.at, "warning", "namespace-limits", text))
        self._tell_of_plugins()

    def _started(self) -> events.RunStarted:
        return events.RunStarted(
            0.0,
            time.time(),
            self._request.pytest_arguments,
            str(self._config.root),
            self._config.run.isolation,
            self._circumstances.workers,
            dbsafe_runner.__version__,
            platform.python_version(),
        )

    def _tell_server(self) -> None:
        """Say what stands in for the server, or that the environment alone names it."""
        for note in self._stand_ins:
            self._tell(note)
        if self._config.server_from_environment and not self._stand_ins:
            self._tell(
                Note(
                    "server-from-environment",
                    "Namespaces are made on the server that DATABASE_URL names.",
                    "--embedded uses servers of dbsafe's own instead.",
                ),
                kind="info",
            )

    def _prepare(self) -> None:
        """Read what earlier runs left, and import what is needed later, while pytest collects."""
        self._remembered = self._store.remembered()
        for name in _NEEDED_LATER:
            importlib.import_module(name)

    def _plan(self, suite: CollectedSuite) -> PlannedRun:
        from dbsafe_runner.session.knowledge import found_by_index, gather
        from dbsafe_runner.session.planned import plan_of
        from dbsafe_runner.session.sources import SourceFiles

        files = SourceFiles(suite.rootdir, suite.python_path, suite.django_settings)
        knowledge = gather(
            self._config, suite.tests, files, self._remembered, self._circumstances, self._plugins
        )
        self._knowledge = knowledge
        self._history.knows(knowledge.codes, knowledge.files)
        self._tell_problems()
        whole = self._collected and not suite.deselected and not self._selects()
        for note in knowledge.notes:
            if worth_telling(note, whole_suite=whole):
                self._tell(note)
        planned = plan_of(self._config, knowledge, self._circumstances, suite)
        plan, self._circumstances = planned.plan, planned.circumstances
        self._remembered = Remembered()
        return PlannedRun(
            plan,
            tuple(knowledge.classifications[test.nodeid] for test in suite.tests),
            found_by_index(suite.tests, knowledge.dependencies),
            self._caps(),
        )

    def _caps(self) -> dict[int, dict[Level, int]]:
        live, now = self._settings.live, self._circumstances
        return caps_for(now.strategy, now.kind, live[1]) if live is not None else {}

    def _selects(self) -> bool:
        """Whether the arguments name some of the tests, so that a rule may well match none of them."""
        return any(not argument.startswith("-") for argument in self._request.pytest_arguments)

    def _finished(self, code: int) -> events.RunFinished:
        pool, ledger = self._pool, self._pool.ledger
        totals: dict[str, int] = {}
        span = 0.0
        if ledger is not None:
            totals = {name: count for name, count in ledger.totals.items() if count}
            if ledger.not_run:
                totals["not-run"] = ledger.not_run
            span = max(ledger.last - ledger.first, 0.0)
        busy = {slot.name: slot.busy for slot in pool.slots.values()}
        interrupted = pool.endings.was_interrupted
        leases = lease_metrics(self._provider)
        return events.RunFinished(
            pool.now(), code, interrupted, totals, span, busy, self._corrected, leases
        )

    def _learn(self) -> None:
        """Find out what was seen otherwise than it was thought to be, while pytest says goodbye."""
        from dbsafe_runner.session.learning import SHOWN, lesson_of

        if self._knowledge is None:
            return
        lesson = lesson_of(
            self._config, self._knowledge, self._history.observations, self._circumstances
        )
        self._corrected = lesson.corrected
        self._lessons = lesson.notes[:SHOWN]

    def _tell(self, note: Note, kind: str = "warning") -> None:
        at = self._pool.now()
        self._fanout.on(events.Notice(at, kind, note.code, note.message, note.hint, note.nodeid))

    def _tell_of_plugins(self) -> None:
        """Tell which plugins have failed since the last time."""
        for text in self._plugins.take_failures():
            self._tell(Note("plugin-failed", text, "Correct the plugin; the run is not affected."))

    def _tell_problems(self) -> None:
        """Tell what has happened to the history since the last time."""
        problems: list[StoreProblem] = self._store.problems[self._told :]
        self._told = len(self._store.problems)
        for problem in problems:
            self._tell(Note(problem.code, problem.message, problem.hint))


def failure(error: Exception, at: float) -> events.RunFailed:
    """The event that tells of an error that has ended the run; one that nobody expected is a defect."""
    if not isinstance(error, UserError):
        error = defect(error)
    code = int(error.exit_code)
    return events.RunFailed(at, time.time(), error.code, error.message, error.cause, error.hint, code)


def worth_telling(note: Note, *, whole_suite: bool) -> bool:
    """Whether a note is news before a run.

    What earlier runs saw otherwise than static analysis said was told when they saw it.
    """
    if note.code == "rule-matches-nothing":
        return whole_suite
    return not note.code.startswith("level-too-")
