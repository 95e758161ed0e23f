"""Grouping: which tests must stay together, and which may go anywhere.

The outcome is a partition of the tests into clusters, each with the reasons that hold it together;
what is made of a cluster (isolation, reset, splitting) is decided elsewhere.
"""

from __future__ import annotations

import dataclasses

from dbsafe_runner.domain.evidence import Source
from dbsafe_runner.domain.footprint import Classification
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test
from dbsafe_runner.planning.circles import components
from dbsafe_runner.planning.marks import Declared, place_of
from dbsafe_runner.planning.request import Grouping, PlanRequest

#: On whose word tests are taken out of their file. Static analysis is not among them: it cannot follow
#: all that Python allows, and what it misses would change verdicts of the very first run.
_STRONG = {Source.MARKER, Source.RULE, Source.OBSERVED}
_SAID = {Source.MARKER, Source.RULE}


class Clusters:
    """A partition that grows by joining (union-find). Members are positions in the tests."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))
        self._reasons: dict[int, dict[str, None]] = {}

    def root(self, member: int) -> int:
        """The smallest member of the cluster that this one is in."""
        parent = self._parent
        top = member
        while parent[top] != top:
            top = parent[top]
        while parent[member] != top:
            parent[member], member = top, parent[member]
        return top

    def join(self, one: int, other: int, reason: str) -> None:
        """Put two into one cluster, because of `reason`."""
        first, second = sorted((self.root(one), self.root(other)))
        if first != second:
            self._parent[second] = first
            merged = self._reasons.setdefault(first, {})
            merged.update(self._reasons.pop(second, {}))
        self._reasons.setdefault(first, {})[reason] = None

    def reasons(self, member: int) -> list[str]:
        """Why the cluster of this member is together; empty for one that was never joined."""
        return list(self._reasons.get(self.root(member), {}))


@dataclasses.dataclass(slots=True)
class Groups:
    """The tests in collection order, what they are clustered into, and what was found on the way."""

    tests: list[Test]
    kinds: list[Classification]
    clusters: Clusters
    #: Tests that nothing holds to their neighbours.
    free: list[bool]
    declared: Declared
    notes: list[str]
    #: Tests that need what another leaves, in the database or in the process.
    bound: set[int] = dataclasses.field(default_factory=set)


def group(request: PlanRequest, declared: Declared, tests: list[Test]) -> Groups:
    """Cluster the tests of a request, given in collection order."""
    kinds = [request.classification(test) for test in tests]
    clusters = Clusters(len(tests))
    groups = Groups(tests, kinds, clusters, [True] * len(tests), declared, list(declared.notes))
    _join_needs(request, groups)
    _join_shares(groups)
    _join_named(groups)
    _join_packages(request, groups)
    _join_files(request, groups)
    return groups


def strongest(kind: Classification) -> Source:
    """The source of the level in force."""
    return kind.chain[0].source if kind.chain else Source.UNKNOWN


def leaves_nothing(kind: Classification) -> bool:
    """Whether it may be relied on that the test neither changes nor needs what others leave behind."""
    return kind.level <= Level.ISOLATED_WRITES and strongest(kind) in _STRONG


def stands_by_itself(request: PlanRequest, test: Test, kind: Classification) -> bool:
    """Whether the test ends the same wherever it runs.

    What was observed of the database says nothing of the process: its word is taken where the whole file
    has run in order, so that a failure which hangs on a neighbour has been found out.
    """
    return leaves_nothing(kind) and (strongest(kind) in _SAID or test.file in request.whole)


def is_independent(request: PlanRequest, test: Test) -> bool:
    """Whether the test is known not to need the others of its file."""
    return test.file in request.independent or test.nodeid in request.independent


def _join_needs(request: PlanRequest, groups: Groups) -> None:
    """Join tests with those that they need, declared or found out."""
    graph: dict[int, list[int]] = {}
    needs = [(test, other, "needs") for test, other in groups.declared.needs]
    for test, other, how in [*needs, *_found_out(request, groups)]:
        name, needed = groups.tests[test].nodeid, groups.tests[other].nodeid
        if test == other:
            place = place_of(groups.tests[test])
            advice = ": correct its mark" if (test, other) in groups.declared.needs else ""
            groups.notes.append(f"{name} needs itself; this is ignored ({place}){advice}")
            continue
        graph.setdefault(test, []).append(other)
        groups.clusters.join(test, other, f"{_short(name)} {how} {_short(needed)}")
        groups.free[test] = groups.free[other] = False
        groups.bound |= {test, other}
    for circle in components(graph):
        tests = [groups.tests[number] for number in circle]
        names = ", ".join(f"{test.nodeid} ({place_of(test)})" for test in tests)
        groups.notes.append(
            f"these tests need each other in a circle, so the order of collection is kept: {names};"
            " where marks say so, take one of them away"
        )


def _found_out(request: PlanRequest, groups: Groups) -> list[tuple[int, int, str]]:
    """(test, test that its outcome hangs on, how), as confirmed failures have shown."""
    numbers = {test.nodeid: number for number, test in enumerate(groups.tests)}
    pairs = []
    for nodeid in sorted(request.dependencies.keys() & numbers.keys()):
        for found in request.dependencies[nodeid]:
            if found.other not in numbers:
                groups.notes.append(f"{nodeid} {found.how} {found.other}, which is not selected")
                continue
            pairs.append((numbers[nodeid], numbers[found.other], found.how))
            if nodeid != found.other:
                groups.notes.append(
                    f"{nodeid} {found.how} {found.other}, as an earlier run found out: resolved by"
                    " batching, they stay together in the order of collection"
                )
    return pairs


def _join_shares(groups: Groups) -> None:
    """Join tests that share state in the process: only in order, in one process, do they see it."""
    first: dict[str, int] = {}
    for number, kind in enumerate(groups.kinds):
        for name in sorted(kind.footprint.shares):
            groups.free[number] = False
            reason = f"they share {name.rpartition('::')[2]}"
            groups.clusters.join(first.setdefault(name, number), number, reason)


def _join_named(groups: Groups) -> None:
    """Join tests of the same xdist_group or group mark."""
    first: dict[str, int] = {}
    for number, (test, kind) in enumerate(zip(groups.tests, groups.kinds, strict=True)):
        for name in (kind.group, test.xdist_group):
            if name:
                groups.free[number] = False
                groups.clusters.join(first.setdefault(name, number), number, f"group {name}")


def _join_packages(request: PlanRequest, groups: Groups) -> None:
    """Join tests that write and share a package-scoped fixture: it is one instance for all of them."""
    if request.grouping is Grouping.FILE:
        return
    first: dict[tuple[str, str], int] = {}
    for number, (test, kind) in enumerate(zip(groups.tests, groups.kinds, strict=True)):
        if kind.level < Level.ISOLATED_WRITES or is_independent(request, test):
            continue
        for fixture in test.fixtures:
            if fixture.scope == "package" and fixture.file:
                groups.free[number] = False
                other = first.setdefault((fixture.file, fixture.name), number)
                groups.clusters.join(other, number, f"fixture {fixture.name} is shared by the package")


def _join_files(request: PlanRequest, groups: Groups) -> None:
    """Join the tests of a file that may need each other."""
    core: dict[str, int] = {}
    writers: set[str] = set()
    for number, (test, kind) in enumerate(zip(groups.tests, groups.kinds, strict=True)):
        if number not in groups.declared.ordered and _may_leave_file(request, test, kind, writers):
            continue
        groups.free[number] = False
        if not (leaves_nothing(kind) or is_independent(request, test)):
            writers.add(test.file)
        joined = core.setdefault(test.file, number)
        if joined != number:
            groups.clusters.join(joined, number, f"file {test.file}")


def _may_leave_file(request: PlanRequest, test: Test, kind: Classification, writers: set[str]) -> bool:
    """Whether the test may run away from its neighbours."""
    if request.grouping is Grouping.FILE:
        return False
    if request.grouping in {Grouping.PERFORMANCE, Grouping.TEST}:
        return True
    # A named group is what its author wants kept together, as under pytest-xdist's loadgroup.
    if kind.group or test.xdist_group or is_independent(request, test):
        return True
    # A test that only reads may read what a test before it in the file has left.
    alone = kind.level is Level.NONE or test.file not in writers
    return alone and stands_by_itself(request, test, kind)


def _short(nodeid: str) -> str:
    file, _, name = nodeid.partition("::")
    return f"{file.rpartition('/')[2]}::{name}"


def join_circles(groups: Groups) -> list[tuple[int, int]]:
    """Join clusters between which order is declared both ways; the order that is left, by roots."""
    clusters = groups.clusters
    graph: dict[int, list[int]] = {}
    for earlier, later in groups.declared.precedes:
        graph.setdefault(clusters.root(earlier), []).append(clusters.root(later))
    for circle in components(graph):
        for member in circle[1:]:
            clusters.join(circle[0], member, "declared order runs to and fro between them")
    order = {
        (clusters.root(earlier), clusters.root(later)) for earlier, later in groups.declared.precedes
    }
    return sorted(pair for pair in order if pair[0] != pair[1])


def members(groups: Groups) -> dict[int, list[int]]:
    """Root -> members in collection order."""
    result: dict[int, list[int]] = {}
    for number in range(len(groups.tests)):
        result.setdefault(groups.clusters.root(number), []).append(number)
    return result
