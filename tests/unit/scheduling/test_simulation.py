from __future__ import annotations

import itertools
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.scheduling.simulation import Costs, simulate


def batch(number, seconds, first=None, **given):
    values = {"reset": ResetPolicy.EACH_TEST, "durations_known": True} | given
    start = number if first is None else first
    tests = tuple(range(start, start + len(seconds)))
    return Batch(number, tests, tuple(seconds), Level.NONE, Isolation.NONE, **values)


def plan_of(*batches, workers=2, **given):
    return Plan(batches, workers, "balanced", {}, **given)


def jobs(seconds, workers):
    return plan_of(*(batch(n, [s]) for n, s in enumerate(seconds)), workers=workers)


def shortest(seconds, workers):
    """The optimum, by trying everything."""
    best = sum(seconds)
    for owners in itertools.product(range(workers), repeat=len(seconds)):
        loads = [0.0] * workers
        for owner, length in zip(owners, seconds, strict=True):
            loads[owner] += length
        best = min(best, max(loads))
    return best


def test_longest_first_on_two_workers():
    result = simulate(jobs([1.0, 2.0, 3.0], 2))
    assert result.wall == 3.0
    assert result.busy == {"gw0": 3.0, "gw1": 3.0}
    assert result.utilisation == 1.0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=7), st.integers(1, 3))
def test_never_more_than_a_third_above_the_optimum(seconds, workers):
    """Graham 1969: longest first is within 4/3 - 1/(3 m) of the shortest schedule."""
    wall = simulate(jobs([float(s) for s in seconds], workers)).wall
    assert wall <= shortest(seconds, workers) * (4 / 3 - 1 / (3 * workers)) + 1e-9


def random_instances(count):
    chance = random.Random(11)
    for _ in range(count):
        workers = chance.randint(2, 16)
        sigma = chance.uniform(0.3, 1.6)
        tests = chance.randint(4 * workers, 60 * workers)
        yield [chance.lognormvariate(-2, sigma) for _ in range(tests)], workers


def test_known_durations_are_within_a_twentieth_of_the_lower_bound_on_average():
    ratios = []
    for seconds, workers in random_instances(100):
        bound = max(*seconds, sum(seconds) / workers)
        ratios.append(simulate(jobs(seconds, workers)).wall / bound)
    assert max(ratios) <= 4 / 3
    assert statistics.fmean(ratios) <= 1.05


def test_one_file_that_may_be_split_keeps_all_workers_busy():
    for seconds, workers in random_instances(40):
        plan = plan_of(batch(0, seconds, splittable=True), workers=workers)
        bound = max(*seconds, sum(seconds) / workers)
        assert simulate(plan).wall <= bound * 1.15


def test_unknown_durations_are_no_worse_than_handing_out_test_by_test_in_order():
    """What pytest-xdist's `load` could do at best: the next test to the next idle worker."""
    ours, theirs = 0.0, 0.0
    for actual, workers in random_instances(60):
        seconds = [0.05] * len(actual)
        plan = plan_of(batch(0, seconds, splittable=True, durations_known=False), workers=workers)
        ours += simulate(plan, actual=actual).wall
        loads = [0.0] * workers
        for length in actual:
            loads[loads.index(min(loads))] += length
        theirs += max(loads)
    assert ours <= theirs * 1.02


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0.001, 5), min_size=1, max_size=30), min_size=1, max_size=12),
    st.integers(1, 6),
    st.floats(0, 1),
)
def test_splitting_never_makes_a_run_longer_than_one_fixture_more(files, workers, setup):
    first, batches = 0, []
    for number, seconds in enumerate(files):
        batches.append(batch(number, seconds, first, splittable=True, setup_seconds=setup))
        first += len(seconds)
    whole = [
        Batch(b.id, b.tests, b.seconds, b.level, b.isolation, b.reset, setup_seconds=setup)
        for b in batches
    ]
    split_wall = simulate(plan_of(*batches, workers=workers)).wall
    assert split_wall <= simulate(plan_of(*whole, workers=workers)).wall * 4 / 3 + 2 * setup


def test_costs_are_counted():
    plan = plan_of(batch(0, [1.0, 1.0], fresh=True, setup_seconds=2.0), workers=1)
    costs = Costs(test=0.01, reset=0.1, worker_start=5.0, fresh=0.5)
    assert simulate(plan, costs).wall == pytest.approx(5 + 0.5 + 2 + 2 * (1 + 0.01 + 0.1))
    assert simulate(plan, costs).busy["gw0"] == pytest.approx(0.5 + 2 + 2 * (1 + 0.01 + 0.1))


def test_a_reset_after_the_batch_is_counted_once():
    plan = plan_of(batch(0, [1.0, 1.0], reset=ResetPolicy.AFTER_BATCH), workers=1)
    assert simulate(plan, Costs(reset=0.1)).wall == pytest.approx(2.1)


def test_fixtures_of_a_batch_in_chunks_are_built_once_per_worker():
    plan = plan_of(batch(0, [0.01] * 100, splittable=True, setup_seconds=0.2), workers=1)
    assert simulate(plan).wall == pytest.approx(1.2)


@pytest.mark.parametrize(("fresh", "wall"), [(False, 3 + 2), (True, 2 * 3 + 2)])
def test_fixtures_of_the_session_are_built_once_per_process(fresh, wall):
    needs = {"affinity": frozenset({"server", "test_a.py::engine"}), "fresh": fresh}
    batches = [batch(n, [1.0], first=n, **needs) for n in range(2)]
    costs = {"server": 3.0, "browser": 50.0}
    assert simulate(plan_of(*batches, workers=1, session_setup=costs)).wall == pytest.approx(wall)
    assert simulate(plan_of(*batches, workers=2, session_setup=costs)).wall == pytest.approx(4.0)


def test_equal_plans_have_equal_simulations():
    for seconds, workers in random_instances(5):
        plan = plan_of(batch(0, seconds, splittable=True), workers=workers)
        assert simulate(plan) == simulate(plan)


def test_an_empty_plan_takes_no_time():
    assert simulate(plan_of()).wall == 0.0
