"""`dbsafe run`: one run, from the configuration and the request to the exit code."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import dbsafe_runner
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.database.provider import NamespaceProvider
from dbsafe_runner.domain import events
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.level import Level
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import PlanRequest
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.reporting.sink import Fanout, Sink
from dbsafe_runner.scheduling.simulation import simulate
from dbsafe_runner.session.parts import make_provider, pool_settings, usable_cores
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun, Planner


def run(config: Config, request: RunRequest, sinks: Sequence[Sink]) -> int:
    """Run the suite and return the exit code.

    Raises:
        UserError: the server, the template or the workers cannot be had, or a report not be written.
    """
    return run_pool(config, request, sinks)[0]


def run_pool(config: Config, request: RunRequest, sinks: Sequence[Sink]) -> tuple[int, Pool]:
    """As `run`; also returns the pool, for what it found out."""
    fanout = Fanout(sinks)
    try:
        with run_directory() as directory:
            return _run(config, request, directory, fanout)
    finally:
        fanout.close()


def _run(config: Config, request: RunRequest, directory: Path, fanout: Fanout) -> tuple[int, Pool]:
    workers = config.workers.resolved(usable_cores())
    settings = pool_settings(config, request, directory, workers)
    provider = make_provider(config, fresh=request.fresh_template)
    fanout.on(
        events.RunStarted(
            0.0,
            time.time(),
            request.pytest_arguments,
            str(config.root),
            config.run.isolation,
            workers,
            dbsafe_runner.__version__,
            platform.python_version(),
        )
    )
    pool = Pool(
        settings,
        provider,
        _planner(config, provider, workers),
        fanout.on,
        lambda: fanout.tick(pool.now()),
    )
    code = pool.run()
    fanout.on(_finished(pool, code))
    return code, pool


def _finished(pool: Pool, code: int) -> events.RunFinished:
    ledger = pool.ledger
    totals: dict[str, int] = {}
    span = 0.0
    if ledger is not None:
        totals = {name: count for name, count in ledger.totals.items() if count}
        if ledger.not_run:
            totals["not-run"] = ledger.not_run
        span = max(ledger.last - ledger.first, 0.0)
    busy = {slot.name: slot.busy for slot in pool.slots.values()}
    return events.RunFinished(pool.now(), code, pool.endings.was_interrupted, totals, span, busy)


def _planner(config: Config, provider: NamespaceProvider, workers: int) -> Planner:
    strategy = STRATEGIES[config.run.isolation]

    def plan(suite: CollectedSuite) -> PlannedRun:
        classifications = {c.nodeid: c for c in classify(suite)}
        made = make_plan(
            PlanRequest(suite.tests, classifications, strategy, workers, provider.kind),
            lambda candidate: simulate(candidate).wall,
        )
        return PlannedRun(made, tuple(classifications[test.nodeid] for test in suite.tests))

    return plan


def classify(suite: CollectedSuite) -> Iterable[Classification]:
    """Class every test as unknown, that is SHARED_WRITES."""
    for test in suite.tests:
        footprint = Footprint(connects=True, outlives=True, confidence=0.0)
        yield Classification(test.nodeid, Level.SHARED_WRITES, footprint, ())
