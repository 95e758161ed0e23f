"""Batching: the batches that a partition of the tests becomes, with isolation, reset and reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.evidence import Source
from dbsafe_runner.domain.footprint import Classification
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.isolation import Isolation, NamespaceKind, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.planning.grouping import (
    Groups,
    is_independent,
    leaves_nothing,
    members,
    stands_by_itself,
    strongest,
)
from dbsafe_runner.planning.request import Grouping, PlanRequest
from dbsafe_runner.planning.strategies import isolation_of

#: Shared fixtures that together take longer than this to build are dear, in seconds.
DEAR_SECONDS = 0.05
#: What takes less than this to build does not count as set-up at all, in seconds.
NOTICED_SECONDS = 0.01


#: The one thing that sessions of a database have in common of which no test does anything unseen.
_LOCKS = frozenset({"advisory locks"})


@dataclasses.dataclass(slots=True)
class Draft:
    """A batch in the making: positions of its tests, in collection order."""

    numbers: list[int]
    splittable: bool
    reasons: list[str]


def runs_alone(request: PlanRequest, kind: Classification) -> bool:
    """Whether nothing may run beside the test.

    What only changes the cluster is private on a server of one's own, unless the user said otherwise.
    """
    if kind.exclusive:
        return True
    if kind.level is not Level.SEQUENTIAL_ONLY:
        return False
    if kind.footprint.alone or strongest(kind) in {Source.MARKER, Source.RULE}:
        return True
    if kind.footprint.signals and not kind.footprint.cluster:
        # Those that take advisory locks disturb each other alone, and the level's cap keeps them apart.
        # What is notified may come from anywhere: a trigger on a table that any test may write to.
        return kind.footprint.signals != _LOCKS
    return request.namespace_kind is not NamespaceKind.SERVER or request.strategy.keep_caps


def draft(request: PlanRequest, groups: Groups, apart: frozenset[int]) -> list[Draft]:
    """The drafts, by their first test; free tests `apart` get one each, the others share by file."""
    caps = request.strategy.caps(request.workers, request.namespace_kind)
    drafts: list[Draft] = []
    shared: dict[tuple[object, ...], Draft] = {}
    for root, numbers in members(groups).items():
        if len(numbers) > 1 or not groups.free[root]:
            drafts.append(Draft(numbers, False, groups.clusters.reasons(root)))
            continue
        test, kind = groups.tests[root], groups.kinds[root]
        if request.grouping is Grouping.TEST or root in apart or runs_alone(request, kind):
            drafts.append(Draft(numbers, False, ["it may run anywhere"]))
            continue
        rule = request.strategy.levels[kind.level]
        key = (test.file, caps.get(kind.level), rule.fresh, is_independent(request, test))
        if key not in shared:
            shared[key] = Draft([], True, [])
            drafts.append(shared[key])
        shared[key].numbers.append(root)
    return sorted(drafts, key=lambda item: item.numbers[0])


class Builder:
    """Makes batches from drafts.

    `share` is one worker's part of all the predicted work, with each fixture of less than session scope
    built once, in seconds.
    """

    def __init__(self, request: PlanRequest, groups: Groups) -> None:
        self.request = request
        self.groups = groups
        self.forecasts = [request.forecast(test) for test in groups.tests]
        self._caps = request.strategy.caps(request.workers, request.namespace_kind)
        self.share = self.work(range(len(groups.tests))) / max(request.workers, 1)
        #: Name -> seconds of the dear fixtures that a whole session shares, of the batches built so far.
        self.session_setup: dict[str, float] = {}
        #: Tests whose durations are known, of the batches built so far of which not all are.
        self.known: set[int] = set()

    def work(self, numbers: Iterable[int]) -> float:
        """Predicted seconds of these tests, in one batch."""
        chosen = list(numbers)
        tests = sum(self.forecasts[number].seconds for number in chosen)
        return tests + sum(self.instances(chosen).values())

    def instances(self, numbers: Iterable[int]) -> dict[str, float]:
        """Instance -> seconds of the dear fixtures of these tests that are less than session-scoped."""
        result: dict[str, float] = {}
        for number in numbers:
            setup, test = self.forecasts[number].setup, self.groups.tests[number]
            for fixture in test.fixtures if setup else ():
                cost = setup.get(fixture.name, 0.0)
                if fixture.scope in {"module", "class", "package"} and cost > NOTICED_SECONDS:
                    owner = test.nodeid.rpartition("::")[0] if fixture.scope == "class" else test.file
                    name = _instance(fixture.name, fixture.scope, owner)
                    result[name] = max(cost, result.get(name, 0.0))
        return result

    def rule_of(self, item: Draft) -> tuple[int | None, bool]:
        """The cap that a draft's batch is under, and whether it starts in a fresh process."""
        level = max(self.groups.kinds[number].level for number in item.numbers)
        rule = self.request.strategy.levels[level]
        return self._caps.get(level), rule.fresh or rule.isolation is Isolation.PROCESS

    def build(self, number: int, item: Draft) -> Batch:
        """One batch, with `number` as its id."""
        tests = [self.groups.tests[n] for n in item.numbers]
        kinds = [self.groups.kinds[n] for n in item.numbers]
        forecasts = [self.forecasts[n] for n in item.numbers]
        level = max(kind.level for kind in kinds)
        rule = self.request.strategy.levels[level]
        dear = self._dear(item.numbers)
        setup = sum(cost for cost, scope in dear.values() if scope != "session")
        for name, (cost, scope) in dear.items():
            if scope == "session":
                self.session_setup[name] = max(cost, self.session_setup.get(name, 0.0))
        seconds = tuple(forecast.seconds for forecast in forecasts)
        known = {test.index for test, one in zip(tests, forecasts, strict=True) if one.known}
        self.known |= known if len(known) < len(tests) else set()
        splittable = item.splittable and len(tests) > 1
        pays = setup < DEAR_SECONDS or sum(seconds) + setup > self.share
        return Batch(
            id=number,
            tests=tuple(test.index for test in tests),
            seconds=seconds,
            level=level,
            isolation=isolation_of(rule, self.request.namespace_kind),
            reset=self._reset(item, level),
            exclusive=any(runs_alone(self.request, kind) for kind in kinds),
            fresh=rule.fresh or rule.isolation is Isolation.PROCESS,
            splittable=splittable and pays,
            affinity=frozenset(dear),
            setup_seconds=setup,
            connections=max(_connections(kind) for kind in kinds),
            durations_known=len(known) == len(tests),
            why=self._why(item, kinds, splittable, pays, dear),
        )

    def _dear(self, numbers: Sequence[int]) -> dict[str, tuple[float, str]]:
        """Name -> (seconds, scope) of the shared fixtures of these tests that are dear to build."""
        result: dict[str, tuple[float, str]] = {}
        for number in numbers:
            forecast: Forecast = self.forecasts[number]
            if not forecast.setup:
                continue
            for fixture in self.groups.tests[number].fixtures:
                cost = forecast.setup.get(fixture.name, 0.0)
                if fixture.scope != "function" and cost > NOTICED_SECONDS:
                    name = _instance(fixture.name, fixture.scope, self.groups.tests[number].file)
                    result[name] = (max(cost, result.get(name, (0.0, ""))[0]), fixture.scope)
        return dict(sorted(result.items()))

    def _reset(self, item: Draft, level: Level) -> ResetPolicy:
        """After each test where that cannot take away what a later one needs."""
        independent = len(item.numbers) == 1 or all(
            n not in self.groups.bound
            and (
                stands_by_itself(self.request, self.groups.tests[n], self.groups.kinds[n])
                or is_independent(self.request, self.groups.tests[n])
            )
            for n in item.numbers
        )
        presumed = item.splittable and self.request.grouping is not Grouping.DEPENDENCY
        wanted = self.request.strategy.levels[level].reset
        if wanted is ResetPolicy.EACH_TEST or item.splittable or level >= Level.SHARED_WRITES:
            return ResetPolicy.EACH_TEST if independent or presumed else ResetPolicy.AFTER_BATCH
        return wanted

    def _why(
        self,
        item: Draft,
        kinds: Sequence[Classification],
        splittable: bool,
        pays: bool,
        dear: dict[str, tuple[float, str]],
    ) -> str:
        tests = [self.groups.tests[n] for n in item.numbers]
        if splittable and not pays:
            counting = [name for name, (_, scope) in dear.items() if scope != "session"]
            return f"together, because building {fixture_words(counting)} again costs more than it gains"
        if splittable:
            if all(is_independent(self.request, test) for test in tests):
                return "may be split: its tests are known not to need each other"
            if all(leaves_nothing(kind) for kind in kinds):
                return "may be split: its tests leave nothing behind"
            return f"may be split: grouping {self.request.grouping.value}"
        if len(item.numbers) == 1:
            return item.reasons[0] if item.reasons else "a single test"
        reasons = item.reasons[:3]
        if len(item.reasons) > 3:
            more = len(item.reasons) - 3
            reasons.append("1 more reason" if more == 1 else f"{more} more reasons")
        return f"together: {'; '.join(reasons)}"


def fixture_words(instances: Iterable[str]) -> str:
    """Fixtures by their names, without the files and classes that they belong to."""
    return ", ".join(dict.fromkeys(name.rpartition("::")[2] for name in instances))


def _instance(name: str, scope: str, file: str) -> str:
    """What tells one instance of a fixture from another: wider than a module it is just the name."""
    return name if scope in {"session", "package"} else f"{file}::{name}"


def _connections(kind: Classification) -> int:
    if kind.level is Level.NONE and not kind.footprint.connects:
        return 0
    return max(kind.footprint.connections + kind.footprint.processes, 1)
