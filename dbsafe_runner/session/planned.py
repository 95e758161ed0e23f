"""Planned: the plan of a collected suite, with as many workers as are worth starting."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.config import AUTO, Config
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import Grouping, PlanRequest
from dbsafe_runner.planning.staffing import spawned_workers
from dbsafe_runner.reporting.formatting import counted
from dbsafe_runner.scheduling.simulation import simulate
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.knowledge import Knowledge
from dbsafe_runner.session.parts import usable_cores
from dbsafe_runner.workers.settings import CollectedSuite


@dataclasses.dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from."""

    plan: Plan
    request: PlanRequest
    circumstances: Circumstances


def plan_of(
    config: Config,
    knowledge: Knowledge,
    circumstances: Circumstances,
    suite: CollectedSuite,
    compared: tuple[int, ...] = (),
) -> Planned:
    """Plan a suite.

    Where the number of workers was left to dbsafe and they have to be spawned, there are only as many as
    gain more than their start costs. Where failures are not run again, files stay whole: a test that
    failed for being taken out of its file would count as failed.

    Args:
        config: the configuration in force.
        knowledge: what is known of the tests.
        circumstances: with the number of workers that are wanted.
        suite: what was collected, and how.
        compared: other numbers of workers to predict the wall time for.
    """
    unconfirmed = bool(suite.maxfail) or not config.run.confirm
    if unconfirmed and circumstances.grouping is Grouping.DEPENDENCY:
        circumstances = dataclasses.replace(circumstances, grouping=Grouping.FILE)
    planned = _planned(knowledge, circumstances, compared)
    if config.workers.count != AUTO or not _spawns(config, suite) or not suite.tests:
        return planned
    cores, wanted = usable_cores(), circumstances.workers
    request = dataclasses.replace(planned.request, alternatives=tuple(range(1, wanted + 1)))
    walls = make_plan(request, _wall).alternatives
    fewer = spawned_workers(walls, suite.start_seconds, cores)
    if fewer == wanted:
        return planned
    planned = _planned(knowledge, dataclasses.replace(circumstances, workers=fewer), compared)
    note = (
        f"{counted(fewer, 'worker')} instead of {wanted}: each is a new process that imports the suite,"
        f" which takes {suite.start_seconds:.1f} s, and there are {counted(cores, 'processor')}"
    )
    plan = dataclasses.replace(planned.plan, notes=(note, *planned.plan.notes))
    return dataclasses.replace(planned, plan=plan)


def _planned(knowledge: Knowledge, circumstances: Circumstances, compared: tuple[int, ...]) -> Planned:
    request = dataclasses.replace(knowledge.request(circumstances), alternatives=compared)
    return Planned(make_plan(request, _wall), request, circumstances)


def _wall(plan: Plan) -> float:
    return simulate(plan).wall


def _spawns(config: Config, suite: CollectedSuite) -> bool:
    start = config.workers.start
    return start == "spawn" or (start == AUTO and bool(suite.unsafe))
