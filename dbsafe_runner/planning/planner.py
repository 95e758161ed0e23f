"""Planner: from tests, levels and forecasts to the plan of a run.

`make_plan` composes the stages: marks -> groups -> drafts -> order -> batches -> bounds -> predictions.
It does not run or simulate anything itself: the simulation is the schedule's, and is passed in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, NamespaceKind
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.batching import Builder, Draft, draft
from dbsafe_runner.planning.bounds import lower_bound
from dbsafe_runner.planning.grouping import Groups, group, join_circles
from dbsafe_runner.planning.marks import read_marks
from dbsafe_runner.planning.ordering import meet, waits
from dbsafe_runner.planning.rejoining import rejoin
from dbsafe_runner.planning.request import PlanRequest

#: Predicted wall time of a plan, in seconds.
Simulate = Callable[[Plan], float]

#: Exclusive batches go first only if that is predicted to gain more than this share of the wall time.
LEAST_GAIN = 0.01
#: The share of the run from which on tests that run alone are worth a note.
MUCH_ALONE = 0.25


def make_plan(request: PlanRequest, simulate: Simulate | None = None) -> Plan:
    """The plan for a request. Equal requests give equal plans.

    Args:
        request: what the plan follows from.
        simulate: predicts the wall time of a plan; without it `predicted_wall` is 0 and
            `alternatives` is empty.
    """
    tests = sorted(request.tests, key=lambda test: test.index)
    groups = group(request, read_marks(tests), tests)
    open_conflicts, apart = meet(request, groups)
    order = join_circles(groups)
    apart |= _ordered_roots(order)
    builder = Builder(request, groups)
    drafts = rejoin(builder, draft(request, groups, apart), apart)
    after = waits(groups, drafts, order, open_conflicts)
    plan = Plan(
        batches=_batches(builder, drafts, after),
        workers=max(request.workers, 1),
        strategy=request.strategy.name,
        caps=request.strategy.caps(request.workers, request.namespace_kind),
        connections=request.connections,
        session_setup=dict(sorted(builder.session_setup.items())),
        known=frozenset(builder.known),
    )
    bound = lower_bound(plan)
    notes = (*groups.notes, *_notes(request, groups, plan))
    plan = dataclasses.replace(
        plan, lower_bound=bound.seconds, limited_by=bound.words, notes=tuple(dict.fromkeys(notes))
    )
    return predict(plan, request, simulate) if simulate else plan


def _ordered_roots(order: list[tuple[int, int]]) -> frozenset[int]:
    return frozenset(root for pair in order for root in pair)


def _batches(builder: Builder, drafts: list[Draft], after: dict[int, set[int]]) -> tuple[Batch, ...]:
    result = []
    for number, item in enumerate(drafts):
        batch = builder.build(number, item)
        if number in after:
            batch = dataclasses.replace(batch, after=tuple(sorted(after[number])))
        result.append(batch)
    return tuple(result)


def predict(plan: Plan, request: PlanRequest, simulate: Simulate) -> Plan:
    """The plan with its predicted wall time, also for other numbers of workers."""
    wall = _at_least(plan, simulate(plan))
    if 0 < sum(batch.exclusive for batch in plan.batches) < len(plan.batches):
        first = dataclasses.replace(plan, exclusive_first=True)
        wall_first = _at_least(first, simulate(first))
        if wall_first < wall * (1 - LEAST_GAIN):
            plan, wall = first, wall_first
    alternatives = {}
    for workers in request.alternatives:
        caps = request.strategy.caps(workers, request.namespace_kind)
        other = dataclasses.replace(plan, workers=workers, caps=caps)
        alternatives[workers] = wall if workers == plan.workers else _at_least(other, simulate(other))
    return dataclasses.replace(plan, predicted_wall=wall, alternatives=alternatives)


def _at_least(plan: Plan, wall: float) -> float:
    """A simulated wall time, which is never shown as less than the lower bound.

    Both add up the same seconds, but not in the same order, so they may differ in the last digits.
    """
    return max(wall, lower_bound(plan).seconds)


def _much_alone(plan: Plan, names: Mapping[int, str]) -> list[str]:
    """Say so where tests that nothing may run beside are a large part of the run."""
    exclusive = [batch for batch in plan.batches if batch.exclusive]
    seconds = sum(sum(batch.seconds) for batch in exclusive)
    if plan.workers < 2 or seconds <= MUCH_ALONE * sum(sum(batch.seconds) for batch in plan.batches):
        return []
    tests = sum(len(batch.tests) for batch in exclusive)
    text = (
        f"{tests} of {len(names)} tests run with nothing beside them: `dbsafe explain"
        f" {names[exclusive[0].tests[0]]}` says why, and a rule in runner.toml can say otherwise"
    )
    return [text]


def _notes(request: PlanRequest, groups: Groups, plan: Plan) -> list[str]:
    """What the user should know about the batches."""
    notes = []
    names = {test.index: test.nodeid for test in groups.tests}
    alone = {test.index for test, kind in zip(groups.tests, groups.kinds, strict=True) if kind.exclusive}
    for batch in plan.batches:
        culprits = [names[test] for test in batch.tests if test in alone]
        if batch.exclusive and culprits and len(culprits) < len(batch.tests):
            notes.append(
                f"{len(batch.tests)} tests run alone because of {culprits[0]}, with which they stay"
                f" {batch.why}"
            )
    notes += _much_alone(plan, names)
    weak = {Isolation.DATABASE, Isolation.SERVER}
    if request.namespace_kind is NamespaceKind.SCHEMA:
        levels = sorted(
            {b.level for b in plan.batches if request.strategy.levels[b.level].isolation in weak}
        )
        notes.extend(
            f"{level.name} tests should have a {request.strategy.levels[level].isolation.value} of their"
            " own, but every worker has only a schema: their cap stays"
            for level in levels
        )
    return notes
