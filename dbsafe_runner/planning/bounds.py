"""Bounds: how short the run could be at best, and what keeps it from being shorter.

Exclusive batches run alone, so their seconds come on top of whatever the rest needs. The rest cannot
be shorter than its longest chain, than its work divided by the workers, than the work of a capped level
divided by the cap, than its connection-seconds divided by the budget; and of the W + 1 longest batches
that cannot be split two must share one of W workers, of the 2 W + 1 longest three.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Sequence

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.domain.precedence import indivisible_seconds, successors, tails


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """No schedule is shorter than `seconds`, because of `words`."""

    seconds: float
    words: str


def lower_bound(plan: Plan) -> Bound:
    """The strongest lower bound of a plan; the first in a fixed order among equals.

    It does not count the fixtures of the session. Where fresh processes build them over and over, so
    that they take longer than all else, that is what limits the run, and is said.
    """
    bound = _of_batches(plan)
    fresh = [batch for batch in plan.batches if batch.fresh]
    again = sum(plan.session_setup.get(name, 0.0) for batch in fresh for name in batch.affinity)
    if again <= sum(_work(batch) for batch in plan.batches):
        return bound
    words = f"session fixtures, which each of {len(fresh)} fresh processes builds ({again:.1f} s in all)"
    return Bound(bound.seconds, f"{words}; without them by {bound.words}")


def _of_batches(plan: Plan) -> Bound:
    alone = [batch for batch in plan.batches if batch.exclusive]
    rest = [batch for batch in plan.batches if not batch.exclusive]
    exclusive = sum(_work(batch) for batch in alone)
    bounds = [Bound(0.0, "nothing to run")] if not plan.batches else []
    if rest:
        bounds += [_total(plan, rest), _chain(plan), *_packing(plan, rest)]
        bounds += [*_caps(plan, rest), *_connections(plan, rest)]
    best = max(bounds, key=lambda bound: bound.seconds, default=Bound(0.0, ""))
    if not alone:
        return best
    what = "batch that runs" if len(alone) == 1 else "batches that run"
    words = f"{len(alone)} exclusive {what} alone ({exclusive:.1f} s)"
    if exclusive >= best.seconds:
        return Bound(exclusive + best.seconds, words)
    return Bound(exclusive + best.seconds, f"{best.words}, and {words}")


def _work(batch: Batch) -> float:
    return batch.total_seconds + batch.setup_seconds


def _total(plan: Plan, rest: Sequence[Batch]) -> Bound:
    total = sum(_work(batch) for batch in rest)
    workers = max(plan.workers, 1)
    return Bound(total / workers, f"the number of workers ({workers} for {total:.1f} s of tests)")


def _chain(plan: Plan) -> Bound:
    """The longest chain of batches that are not exclusive."""
    following = successors(plan.batches)
    behind = tails(plan.batches, following, plan.workers, skip_exclusive=True)
    best, longest = 0.0, plan.batches[0]
    for batch in plan.batches:
        length = behind.get(batch.id, 0.0)
        length += 0.0 if batch.exclusive else indivisible_seconds(batch, plan.workers)
        if length > best:
            best, longest = length, batch
    if behind.get(longest.id):
        return Bound(best, f"the longest chain of batches, which starts with batch {longest.id}")
    return Bound(best, _longest_words(longest, plan.workers))


def _longest_words(batch: Batch, workers: int) -> str:
    """What keeps the longest batch from being shorter: of one that may be split, its longest test."""
    if not batch.splittable or not batch.seconds:
        return f"the longest batch that cannot be split (batch {batch.id}: {batch.why})"
    if max(batch.seconds) < batch.total_seconds / max(workers, 1):
        return f"the fixtures of batch {batch.id}, which every part of it has to build"
    fixtures = " and the fixtures that it needs" if batch.setup_seconds else ""
    return f"the longest test{fixtures} (in batch {batch.id})"


def _packing(plan: Plan, rest: Sequence[Batch]) -> list[Bound]:
    """Two of the W + 1 longest, and three of the 2 W + 1 longest, are on the same worker."""
    workers = max(plan.workers, 1)
    fixed = [_work(batch) for batch in rest if not batch.splittable]
    longest = heapq.nlargest(2 * workers + 1, fixed)
    return [
        Bound(
            sum(longest[share * workers - share : share * workers + 1]),
            "long batches that cannot be split evenly",
        )
        for share in (1, 2)
        if len(longest) > share * workers
    ]


def _caps(plan: Plan, rest: Sequence[Batch]) -> list[Bound]:
    bounds = []
    for level, cap in sorted(plan.caps.items()):
        total = sum(_work(batch) for batch in rest if batch.level == level)
        bounds.append(Bound(total / max(cap, 1), f"the cap of {cap} {level.name} batches at a time"))
    return bounds


def _connections(plan: Plan, rest: Sequence[Batch]) -> list[Bound]:
    if not plan.connections:
        return []
    used = sum(_work(batch) * min(batch.connections, plan.connections) for batch in rest)
    return [Bound(used / plan.connections, f"the {plan.connections} connections that may be open")]
