"""Sharding: the part of a plan that one of several CI machines runs (`--shard 1/4`).

Every machine makes the whole plan and takes its part, so equal inputs are needed on all of them: the
same tests, and the same history or none. `fingerprint` lets a reader of the logs see that they had
them. Batches that wait for each other go to the same machine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
from collections.abc import Iterator

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.bounds import lower_bound

#: A batch that may be split is cut for sharding when it is more than this part of a shard.
LARGE_PART = 0.25


def shard(plan: Plan, number: int, count: int) -> Plan:
    """Part `number` (from 1) of `count` parts of about equal predicted time.

    Predictions of wall time are dropped, as they were for the whole; batches keep their order and
    get new ids.

    Raises:
        ValueError: `number` is not within 1 to `count`.
    """
    if not 1 <= number <= count:
        raise ValueError(f"there is no shard {number} of {count}")
    whole = _cut_large(plan, count)
    chosen = _parts(whole, plan.workers, count)[number - 1]
    ids = {batch.id: new for new, batch in enumerate(chosen)}
    batches = tuple(
        dataclasses.replace(batch, id=ids[batch.id], after=tuple(ids[b] for b in batch.after))
        for batch in chosen
    )
    note = f"shard {number}/{count} of plan {fingerprint(plan)}"
    part = dataclasses.replace(
        plan, batches=batches, predicted_wall=0.0, alternatives={}, notes=(*plan.notes, note)
    )
    bound = lower_bound(part)
    return dataclasses.replace(part, lower_bound=bound.seconds, limited_by=bound.words)


def fingerprint(plan: Plan) -> str:
    """Twelve hexadecimal digits that are equal for plans with equal batches."""
    digest = hashlib.sha256()
    for batch in plan.batches:
        digest.update(repr((batch.id, batch.tests, batch.seconds, batch.after)).encode())
    return digest.hexdigest()[:12]


def _weight(batch: Batch, workers: int) -> float:
    """Worker-seconds that a batch takes from a machine: an exclusive one takes all workers."""
    return (batch.total_seconds + batch.setup_seconds) * (max(workers, 1) if batch.exclusive else 1)


def _cut_large(plan: Plan, count: int) -> list[Batch]:
    """The batches, with large ones that may be split in pieces; ids stay unique."""
    limit = LARGE_PART * sum(_weight(batch, plan.workers) for batch in plan.batches) / count
    waited_for = {earlier for batch in plan.batches for earlier in batch.after}
    unused = max((batch.id for batch in plan.batches), default=0) + 1
    result: list[Batch] = []
    for batch in plan.batches:
        tied = batch.after or batch.id in waited_for
        if not batch.splittable or tied or batch.total_seconds <= max(limit, batch.setup_seconds):
            result.append(batch)
            continue
        first, *others = _runs(batch, max(limit, batch.setup_seconds))
        result.append(first)
        for other in others:
            result.append(dataclasses.replace(other, id=unused))
            unused += 1
    return result


def _runs(batch: Batch, limit: float) -> Iterator[Batch]:
    """Runs of consecutive tests of about `limit` seconds."""
    begin, total = 0, 0.0
    for position, length in enumerate(batch.seconds):
        if position > begin and total + length > limit:
            yield _run(batch, begin, position)
            begin, total = position, 0.0
        total += length
    yield _run(batch, begin, len(batch.tests))


def _run(batch: Batch, begin: int, end: int) -> Batch:
    return dataclasses.replace(batch, tests=batch.tests[begin:end], seconds=batch.seconds[begin:end])


def _parts(batches: list[Batch], workers: int, count: int) -> list[list[Batch]]:
    """The batches of each shard: chains longest first, each to the shard with least work so far."""
    weights: dict[int, float] = {}
    chains = _chains(batches)
    for batch in batches:
        root = chains[batch.id]
        weights[root] = weights.get(root, 0.0) + _weight(batch, workers)
    loads = [(0.0, 0, number) for number in range(count)]
    owner: dict[int, int] = {}
    for root in sorted(weights, key=lambda chain: (-weights[chain], chain)):
        load, chains_there, number = heapq.heappop(loads)
        owner[root] = number
        heapq.heappush(loads, (load + weights[root], chains_there + 1, number))
    parts: list[list[Batch]] = [[] for _ in range(count)]
    for batch in batches:
        parts[owner[chains[batch.id]]].append(batch)
    return parts


def _chains(batches: list[Batch]) -> dict[int, int]:
    """Batch id -> the smallest id among those that it is connected to by waiting."""
    parent = {batch.id: batch.id for batch in batches}

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for batch in batches:
        for earlier in batch.after:
            low, high = sorted((root(batch.id), root(earlier)))
            parent[high] = low
    return {batch.id: root(batch.id) for batch in batches}
