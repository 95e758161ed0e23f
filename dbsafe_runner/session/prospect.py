"""Prospect: the plan of a run that does not take place, for `dbsafe plan` and `dbsafe explain`.

The suite is collected by pytest as for a run, or found in the sources without importing anything; no
test is run and no worker started. What is printed of a prospect is the command's work.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.config import AUTO, EMBEDDED, Config, RunRequest
from dbsafe_runner.domain import events
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.history.records import Remembered
from dbsafe_runner.history.store import HistoryStore
from dbsafe_runner.planning.bounds import lower_bound
from dbsafe_runner.planning.request import Grouping, PlanRequest
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.discovery import discover
from dbsafe_runner.session.knowledge import Knowledge, gather
from dbsafe_runner.session.parts import make_provider, pool_settings, usable_cores
from dbsafe_runner.session.planned import plan_of
from dbsafe_runner.session.plugins import configured_plugins
from dbsafe_runner.session.sources import SourceFiles
from dbsafe_runner.session.strategy import chosen_strategy, worker_count
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun

#: Numbers of workers that a prospect compares.
COMPARED = (1, 2, 4, 8, 16)


@dataclasses.dataclass(frozen=True, slots=True)
class CollectionEnded:
    """pytest ended before there was a suite: errors while collecting, or nothing to collect."""

    #: pytest's exit code.
    code: int
    #: What it printed.
    output: str


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """What a number of workers would make of the same tests. Times are seconds."""

    workers: int
    predicted: float
    lower_bound: float
    limited_by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Prospect:
    """A plan with everything that it follows from."""

    config: Config
    circumstances: Circumstances
    knowledge: Knowledge
    #: The suite's sources.
    files: SourceFiles
    request: PlanRequest
    plan: Plan
    comparisons: Sequence[Comparison]
    #: What the user should know: contradictions, rules and markers that are wrong, the history's state.
    notes: Sequence[Note]
    #: Whether the tests were found in the sources instead of being collected.
    static: bool
    #: Processors that the run may use.
    cores: int

    @property
    def known_durations(self) -> int:
        """How many of the predicted durations rest on earlier runs of the test itself."""
        return sum(self.request.forecast(test).known for test in self.request.tests)


def prospect(config: Config, request: RunRequest, *, static: bool = False) -> Prospect | CollectionEnded:
    """Plan a run without running it.

    Args:
        config: the configuration in force.
        request: what would be run.
        static: find the tests in the sources, and import nothing of the suite.

    Raises:
        UserError: the strategy is wrong, or the process that collects cannot be kept alive.
    """
    strategy = chosen_strategy(config)
    workers = worker_count(config, strategy)
    grouping = Grouping(config.run.grouping)
    if static:
        kind = _declared_kind(config)
        suite, unreadable = discover(config, request)
        missing = bool(unreadable)
    else:
        unreadable = []
        provider = make_provider(config, fresh=False)
        kind = provider.kind
        with run_directory() as directory:
            settings = pool_settings(config, request, directory, workers)
            settings = dataclasses.replace(settings, collect_only=True, prepare_early=False)
            collector = _Collector()
            pool = Pool(settings, provider, collector.plan, collector.on, lambda: None)
            code = pool.run()
        if collector.suite is None:
            return collection_ended(pool, code, collector.output)
        suite, missing = collector.suite, collector.missing
    circumstances = Circumstances(strategy, workers, kind, grouping)
    planned = _planned(config, suite, circumstances, static=static)
    notes = planned.notes
    if missing:
        # A rule may well be about what could not be collected, or seen.
        notes = [note for note in notes if note.code != "rule-matches-nothing"]
    return dataclasses.replace(planned, notes=[*unreadable, *notes])


def collection_ended(pool: Pool, code: int, output: Sequence[str]) -> CollectionEnded:
    """What to tell of a collection that ended without a suite; pytest may have had no time to say it."""
    told = [*output, "Interrupted.\n"] if pool.endings.was_interrupted else output
    return CollectionEnded(code, "".join(told))


def _declared_kind(config: Config) -> NamespaceKind:
    """The kind of namespaces as far as it can be told without a look at any server."""
    database = config.database
    if database.server in {AUTO, EMBEDDED}:
        return NamespaceKind.SERVER
    if database.namespace == AUTO:
        return NamespaceKind.DATABASE
    return NamespaceKind(database.namespace)


class _Collector:
    """Takes what the pool finds, and plans nothing."""

    def __init__(self) -> None:
        self.suite: CollectedSuite | None = None
        self.output: list[str] = []
        #: Whether something could not be collected.
        self.missing = False

    def on(self, event: events.RunEvent) -> None:
        """Keep what pytest prints."""
        if isinstance(event, events.CollectionFailed):
            self.missing = True
        if isinstance(event, events.PytestOutput):
            self.output.append(event.text)

    def plan(self, suite: CollectedSuite) -> PlannedRun:
        """Keep the suite."""
        self.suite = suite
        return PlannedRun(Plan((), 1, "", {}), ())


def _planned(
    config: Config, suite: CollectedSuite, circumstances: Circumstances, *, static: bool
) -> Prospect:
    store, remembered = HistoryStore(None), Remembered()
    # A prospect leaves nothing behind, not even an empty history.
    if config.run.history.exists():
        store = HistoryStore(config.run.history)
        remembered = store.remembered()
    store.close()
    files = SourceFiles(suite.rootdir, suite.python_path, suite.django_settings)
    plugins = configured_plugins(config)
    knowledge = gather(config, suite.tests, files, remembered, circumstances, plugins)
    made = plan_of(config, knowledge, circumstances, suite, COMPARED)
    plan, request = made.plan, made.request
    problems = [Note(one.code, one.message, one.hint) for one in store.problems]
    problems += [Note("plugin-failed", text) for text in plugins.take_failures()]
    planned = [Note("plan-note", text) for text in plan.notes]
    return Prospect(
        config=config,
        circumstances=made.circumstances,
        knowledge=knowledge,
        files=files,
        request=request,
        plan=plan,
        comparisons=_comparisons(plan, request),
        notes=[*problems, *knowledge.notes, *planned],
        static=static,
        cores=usable_cores(),
    )


def _comparisons(plan: Plan, request: PlanRequest) -> list[Comparison]:
    found = []
    for workers, predicted in sorted({**plan.alternatives, plan.workers: plan.predicted_wall}.items()):
        caps = request.strategy.caps(workers, request.namespace_kind)
        bound = lower_bound(dataclasses.replace(plan, workers=workers, caps=caps))
        found.append(Comparison(workers, predicted, bound.seconds, bound.words))
    return found
