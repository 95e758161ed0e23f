"""Forecasts: how long each test will take, from how long tests took before. Pure: no store, no clock.

**A test that has run before** is expected to take the weighted median of its runs, the latest weighing
most (each run back counts `DECAY` times as much). A median does not move for a single outlier: a cold
cache, a machine that slept.

**A test that has not** is predicted from its file and its fixtures by a shrinkage estimate (James and
Stein 1961; the empirical Bayes form of Efron and Morris 1975). On the logarithm of seconds, since
durations are skewed, with mu the mean over all known tests:

    effect of a group with n known tests  =  n / (n + s2 / t2)  *  mean residual of the group
    prediction  =  exp(mu + effect of its set of fixtures + effect of its file)  *  smearing

s2 is the variance within groups, t2 the variance between their true means (method of moments, at
least 0: where groups do not differ more than chance, all effects are 0). Fixtures come first, the file
explains what they leave. For a set of fixtures that no known test has, the one fixture with the
strongest effect counts: closures nest, and adding up would count the same seconds twice. Smearing
(Duan 1983) is the mean of the known tests' actual / predicted: without it, exp(mean of logarithms) is
the median, and sums of predictions come out too low.

**Building a shared fixture** (wider than one test) costs the median of what it took when a run had to
build it. A test's own seconds do not have that in them: which test of a file builds depends on the plan.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.test import Test

#: What each run back in time counts, relative to the one after it.
DECAY = 0.7
#: Runs of a test that are looked at, the latest ones.
RUNS = 10
#: A test is expected to take this long where nothing is known of any test, in seconds.
NOTHING_KNOWN_SECONDS = 0.05
#: Durations below this are taken as this much, so that logarithms make sense, in seconds.
SHORTEST_SECONDS = 0.0001


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """How long one run of a test took, in seconds by phase."""

    setup: float
    call: float
    teardown: float
    #: Fixtures wider than the test that its set-up had to build, by name, and the seconds it took.
    built: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def own_seconds(self) -> float:
        """All phases together, without building what it shares with other tests."""
        return max(self.setup - sum(self.built.values()), 0.0) + self.call + self.teardown


def forecast(tests: Sequence[Test], history: Mapping[str, Sequence[Timing]]) -> dict[str, Forecast]:
    """Node id -> forecast, for all `tests`.

    Args:
        tests: the tests of this run.
        history: node id -> its runs, the latest first; also of tests that are not in this run.
    """
    known = {
        nodeid: max(weighted_median([run.own_seconds for run in runs]), SHORTEST_SECONDS)
        for nodeid, runs in history.items()
        if runs
    }
    costs = fixture_costs(history)
    unknown = any(test.nodeid not in known for test in tests)
    basis = [(test, known[test.nodeid]) for test in tests if test.nodeid in known]
    model = _Model(basis if unknown else [])
    result = {}
    for test in tests:
        seconds = known.get(test.nodeid)
        wide = {
            fixture.name: costs[fixture.name]
            for fixture in test.fixtures
            if fixture.scope != "function" and fixture.name in costs
        }
        predicted = model.predict(test) if seconds is None else seconds
        result[test.nodeid] = Forecast(predicted, seconds is not None, wide)
    return result


def weighted_median(values: Sequence[float]) -> float:
    """The median of values given latest first, each counting `DECAY` times as much as the one before."""
    weighted = sorted((value, DECAY**age) for age, value in enumerate(values[:RUNS]))
    half = sum(weight for _, weight in weighted) / 2
    reached = 0.0
    for value, weight in weighted:
        reached += weight
        if reached >= half:
            return value
    return weighted[-1][0]


def fixture_costs(history: Mapping[str, Sequence[Timing]]) -> dict[str, float]:
    """Fixture name -> median seconds that building it takes, over the latest runs of all tests."""
    seen: dict[str, list[float]] = {}
    for runs in history.values():
        for run in runs[:RUNS]:
            for name, seconds in run.built.items():
                seen.setdefault(name, []).append(seconds)
    return {name: statistics.median(values) for name, values in sorted(seen.items())}


class _Model:
    """The shrinkage estimate, fitted to the known tests."""

    def __init__(self, known: Sequence[tuple[Test, float]]) -> None:
        logs = [math.log(seconds) for _, seconds in known]
        self._mean = statistics.fmean(logs) if logs else math.log(NOTHING_KNOWN_SECONDS)
        rest = [value - self._mean for value in logs]
        self._fixtures = shrunken_effects(
            (name, value)
            for (test, _), value in zip(known, rest, strict=True)
            for name in _fixture_names(test)
        )
        self._sets = shrunken_effects(
            (",".join(_fixture_names(test)), value) for (test, _), value in zip(known, rest, strict=True)
        )
        rest = [v - self._fixture_effect(test) for (test, _), v in zip(known, rest, strict=True)]
        self._files = shrunken_effects(
            (test.file, value) for (test, _), value in zip(known, rest, strict=True)
        )
        # A single wild value must not scale all predictions, so the ratios are trimmed.
        ratios = sorted(
            math.exp(value - self._files.get(test.file, 0.0))
            for (test, _), value in zip(known, rest, strict=True)
        )
        trimmed = ratios[: max(len(ratios) - len(ratios) // 100, 1)]
        self._smearing = statistics.fmean(trimmed) if trimmed else 1.0

    def _fixture_effect(self, test: Test) -> float:
        names = _fixture_names(test)
        of_the_set = self._sets.get(",".join(names))
        if of_the_set is not None:
            return of_the_set
        return max((self._fixtures.get(name, 0.0) for name in names), key=abs, default=0.0)

    def predict(self, test: Test) -> float:
        """Expected seconds of a test that has not run before."""
        effect = self._fixture_effect(test) + self._files.get(test.file, 0.0)
        return math.exp(self._mean + effect) * self._smearing


def _fixture_names(test: Test) -> list[str]:
    return sorted({fixture.name for fixture in test.fixtures if fixture.file})


def shrunken_effects(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Group -> its mean, drawn towards 0 the more, the less it rests on.

    `values` are (group, residual) pairs with a mean of about 0.
    """
    groups: dict[str, list[float]] = {}
    for name, value in values:
        groups.setdefault(name, []).append(value)
    count = sum(len(members) for members in groups.values())
    if count <= len(groups):
        # With one value per group, nothing tells the groups' differences from chance.
        return {}
    means = {name: statistics.fmean(members) for name, members in groups.items()}
    within = sum((v - means[name]) ** 2 for name, vs in groups.items() for v in vs)
    within /= count - len(groups)
    # E[sum n m^2] = t2 * sum n + s2 * (number of groups), for means around 0.
    between = sum(len(vs) * means[name] ** 2 for name, vs in groups.items()) - len(groups) * within
    between = max(between / count, 0.0)
    if not between:
        return {}
    return {name: len(vs) / (len(vs) + within / between) * means[name] for name, vs in groups.items()}
