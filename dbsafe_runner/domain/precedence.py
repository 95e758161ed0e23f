"""Precedence: which batches wait for which, and how long the chains behind them are. No live state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbsafe_runner.domain.batch import Batch


def indivisible_seconds(batch: Batch, workers: int) -> float:
    """The least predicted seconds from a batch's start to its end with this many workers."""
    total = batch.total_seconds
    if not batch.splittable or not batch.seconds:
        return total + batch.setup_seconds
    return max(*batch.seconds, total / max(workers, 1)) + batch.setup_seconds


def successors(batches: Sequence[Batch]) -> dict[int, list[int]]:
    """Batch id -> ids of the batches that wait for it.

    Raises:
        ValueError: a batch waits for one that is not in the plan.
    """
    known = {batch.id for batch in batches}
    result: dict[int, list[int]] = {}
    for batch in batches:
        for earlier in dict.fromkeys(batch.after):
            if earlier not in known:
                raise ValueError(f"batch {batch.id} waits for batch {earlier}, which is not in the plan")
            result.setdefault(earlier, []).append(batch.id)
    return result


def tails(
    batches: Sequence[Batch],
    following: Mapping[int, list[int]],
    workers: int,
    *,
    skip_exclusive: bool = False,
) -> dict[int, float]:
    """Batch id -> seconds of the longest chain of batches that wait for it; empty when none waits.

    Args:
        batches: all batches.
        following: what `successors` returned for them.
        workers: between how many workers a batch may be split.
        skip_exclusive: count exclusive batches as taking no time.

    Raises:
        ValueError: batches wait for each other in a circle.
    """
    if not following:
        return {}
    by_id = {batch.id: batch for batch in batches}
    missing = {batch.id: len(following.get(batch.id, ())) for batch in batches}
    free = [batch.id for batch in batches if not missing[batch.id]]
    result: dict[int, float] = dict.fromkeys(by_id, 0.0)
    visited = 0
    while free:
        batch = by_id[free.pop()]
        visited += 1
        skipped = skip_exclusive and batch.exclusive
        length = result[batch.id] + (0.0 if skipped else indivisible_seconds(batch, workers))
        for earlier in dict.fromkeys(batch.after):
            result[earlier] = max(result[earlier], length)
            missing[earlier] -= 1
            if not missing[earlier]:
                free.append(earlier)
    if visited < len(by_id):
        circle = sorted(number for number, count in missing.items() if count)
        raise ValueError(f"batches wait for each other in a circle: {circle}")
    return result
