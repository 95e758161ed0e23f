"""Ordering: which batches wait for which, from declared order and from conflicts.

Conflicts are resolved here: by isolation where each worker's own namespace keeps the two apart, by
batching where both are in one batch anyway or are free tests of one file, else by order, in the
direction that the conflict asks for or else that is there already. Every resolution is told in a note.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from dbsafe_runner.planning.batching import Draft
from dbsafe_runner.planning.grouping import Groups
from dbsafe_runner.planning.request import Conflict, PlanRequest


def meet(request: PlanRequest, groups: Groups) -> tuple[list[Conflict], frozenset[int]]:
    """The conflicts that isolation and batching leave open, and the free tests among them.

    Free tests of one file that conflict are joined into one batch.
    """
    numbers = {test.nodeid: number for number, test in enumerate(groups.tests)}
    left: list[Conflict] = []
    apart: set[int] = set()
    for conflict in request.conflicts:
        pair = [numbers.get(conflict.first), numbers.get(conflict.second)]
        first, second = pair
        if first is None or second is None or first == second:
            continue
        about = f" over {conflict.about}" if conflict.about else ""
        what = f"conflict{about} between {conflict.first} and {conflict.second}"
        if conflict.private:
            kind = request.namespace_kind.value
            groups.notes.append(f"{what}: resolved by isolation, each worker has a {kind} of its own")
            continue
        same_file = groups.tests[first].file == groups.tests[second].file
        if same_file and groups.free[first] and groups.free[second]:
            groups.clusters.join(first, second, f"conflict{about}")
        if groups.clusters.root(first) == groups.clusters.root(second):
            groups.notes.append(f"{what}: resolved by batching, they run one after the other")
            continue
        groups.notes.append(f"{what}: resolved by order, the second waits for the first")
        apart.update((first, second))
        if conflict.ordered:
            groups.declared.precedes.append((first, second))
        else:
            left.append(conflict)
    return left, frozenset(apart)


def waits(
    groups: Groups, drafts: Sequence[Draft], order: Iterable[tuple[int, int]], open_: Sequence[Conflict]
) -> dict[int, set[int]]:
    """Draft -> drafts that it waits for; never a circle.

    Args:
        groups: the tests.
        drafts: the drafts, in the order of their numbers.
        order: (earlier, later) pairs of tests whose clusters have a declared order without circles.
        open_: conflicts that order has to resolve.
    """
    place = {number: index for index, item in enumerate(drafts) for number in item.numbers}
    result: dict[int, set[int]] = {}
    for earlier, later in order:
        before, after = place[earlier], place[later]
        # Tests that stay together for another reason may turn a chain of tests into a circle of drafts.
        if before != after and not _waits_for(result, before, after):
            result.setdefault(after, set()).add(before)
    _put_first_and_last(groups, place, len(drafts), result)
    if open_:
        rank = _ranks(len(drafts), result)
        numbers = {test.nodeid: number for number, test in enumerate(groups.tests)}
        for conflict in open_:
            pair = {place[numbers[conflict.first]], place[numbers[conflict.second]]}
            if len(pair) == 2:
                earlier, later = sorted(pair, key=lambda index: rank[index])
                result.setdefault(later, set()).add(earlier)
    return result


def _waits_for(waiting: Mapping[int, set[int]], batch: int, goal: int) -> bool:
    """Whether a batch waits for another, directly or through others."""
    seen, open_ = {batch}, [batch]
    while open_:
        for earlier in waiting.get(open_.pop(), ()):
            if earlier == goal:
                return True
            if earlier not in seen:
                seen.add(earlier)
                open_.append(earlier)
    return False


def _put_first_and_last(
    groups: Groups, place: Mapping[int, int], count: int, result: dict[int, set[int]]
) -> None:
    """Let the batches marked first precede all others, and those marked last follow them."""
    first = {place[number] for number in groups.declared.first}
    last = {place[number] for number in groups.declared.last} - first
    for batches, word in ((first, "first"), (last, "last")):
        if len(batches) > 1:
            groups.notes.append(
                f"tests in several batches are marked {word}: they precede in collection order"
            )
    everything = set(range(count))
    if any(earlier not in first for batch in first for earlier in result.get(batch, ())):
        groups.notes.append("a test marked first has to wait for others; the mark is ignored")
        first = set()
    if any(earlier in last for later in everything - last for earlier in result.get(later, ())):
        groups.notes.append("other tests have to wait for one marked last; the mark is ignored")
        last = set()
    if first:
        for batch in everything - first:
            result.setdefault(batch, set()).update(first)
    for batch in last:
        result.setdefault(batch, set()).update(everything - first - last)


def _ranks(count: int, waiting: Mapping[int, set[int]]) -> dict[int, int]:
    """A topological order: batch -> rank, the smallest number first where there is a choice."""
    following: dict[int, list[int]] = {}
    missing = {}
    for later, earlier in waiting.items():
        missing[later] = len(earlier)
        for batch in sorted(earlier):
            following.setdefault(batch, []).append(later)
    free = [batch for batch in range(count) if not missing.get(batch)]
    ranks: dict[int, int] = {}
    while free:
        batch = heapq.heappop(free)
        ranks[batch] = len(ranks)
        for later in following.get(batch, ()):
            missing[later] -= 1
            if not missing[later]:
                heapq.heappush(free, later)
    return ranks
