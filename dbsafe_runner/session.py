"""The composition root: one run, from the configuration and the request to the exit code.

It puts the parts together and decides nothing that a part could decide by itself.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dbsafe_runner
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import NamespaceProvider, TemplateRequest
from dbsafe_runner.database.sources import parse_source
from dbsafe_runner.domain import events
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import PlanRequest
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.reporting.sink import Fanout, Sink
from dbsafe_runner.scheduling.simulation import simulate
from dbsafe_runner.workers.pool import Pool
from dbsafe_runner.workers.redirect import Target
from dbsafe_runner.workers.redirect.environment import serial_environment
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun, Planner, PoolSettings


def run(config: Config, request: RunRequest, sinks: Sequence[Sink]) -> int:
    """Run the suite and return the exit code.

    Raises:
        UserError: the server, the template or the workers cannot be had, or a report not be written.
    """
    fanout = Fanout(sinks)
    try:
        with run_directory() as directory:
            return _run(config, request, directory, fanout)
    finally:
        fanout.close()


def _run(config: Config, request: RunRequest, directory: Path, fanout: Fanout) -> int:
    started = time.time()
    workers = config.workers.resolved(usable_cores())
    settings = _pool_settings(config, request, directory, workers)
    provider = make_provider(config, fresh=request.fresh_template)
    fanout.on(
        events.RunStarted(
            0.0,
            started,
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
    ledger = pool.ledger
    totals: dict[str, int] = {}
    span = 0.0
    if ledger is not None:
        totals = {name: count for name, count in ledger.totals.items() if count}
        if ledger.not_run:
            totals["not-run"] = ledger.not_run
        span = max(ledger.last - ledger.first, 0.0)
    busy = {slot.name: slot.busy for slot in pool.slots.values()}
    interrupted = pool.endings.was_interrupted
    fanout.on(events.RunFinished(pool.now(), code, interrupted, totals, span, busy))
    return code


def usable_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_provider(config: Config, *, fresh: bool) -> NamespaceProvider:
    """The provider of namespaces that the configuration asks for.

    Raises:
        UserError: `bad-source`.
    """
    database = config.database
    sources = tuple(parse_source(url) for url in database.source)
    targets = _targets(config)

    def environment(endpoint: Endpoint) -> Mapping[str, str]:
        return serial_environment(os.environ, endpoint, targets, database.allow_hosts)

    template = TemplateRequest(
        root=config.root,
        setup=database.setup,
        inputs=database.inputs,
        sources=sources,
        environment=environment,
        timeout=database.setup_timeout or float("inf"),
        fresh=fresh,
    )
    return EmbeddedProvider(template, postgres=database.postgres)


def _targets(config: Config) -> tuple[Target, ...]:
    return tuple(Target.parse(url) for url in config.database.source)


def _pool_settings(config: Config, request: RunRequest, directory: Path, workers: int) -> PoolSettings:
    targets = _targets(config)
    return PoolSettings(
        arguments=request.pytest_arguments,
        directory=request.invocation_dir,
        run_directory=directory,
        workers=workers,
        strategy=config.run.isolation,
        start=config.workers.start,
        width=shutil.get_terminal_size().columns,
        colour=request.colour,
        sources=tuple((t.host, t.port, t.user, t.database) for t in targets),
        allow_hosts=config.database.allow_hosts if config.database.guard else ("*",),
        timeout=config.run.timeout,
        seed=secrets.randbits(32),
        environment=dict(os.environ),
        prepare_early=bool(config.database.setup or config.database.source),
    )


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
