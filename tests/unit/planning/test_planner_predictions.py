"""What a plan says about time: the lower bound, what limits it, and what is predicted."""

from __future__ import annotations

import dataclasses

import pytest
from fakes.planned import Suite, order

from dbsafe_runner.domain.test import FixtureDef
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.scheduling.simulation import simulate


def test_fixtures_of_the_session_are_counted_for_each_worker():
    suite = Suite()
    engine = (FixtureDef("engine", "session", "/p/conftest.py", 1, "engine"),)
    for number in range(8):
        suite.add(f"test_{number}.py", "t", 0, seconds=1.0, fixtures=engine, setup={"engine": 2.0})
    plan = make_plan(suite.request(alternatives=(1, 8)), lambda plan: simulate(plan).wall)
    assert plan.session_setup == {"engine": 2.0}
    assert {batch.setup_seconds for batch in plan.batches} == {0.0}
    assert (plan.alternatives[1], plan.predicted_wall, plan.alternatives[8]) == (10.0, 4.0, 3.0)


@pytest.mark.parametrize(
    ("seconds", "given", "expected", "words"),
    [
        ([1.0] * 8, {}, 2.0, "the number of workers (4 for 8.0 s of tests)"),
        ([9.0, 1.0], {}, 9.0, "the longest batch that cannot be split (batch 0: a single test)"),
        ([2.0] * 5, {}, 4.0, "long batches that cannot be split evenly"),
        ([2.0] * 4, {"connections": 2}, 4.0, "the 2 connections that may be open"),
        (
            [1.0] * 6,
            {"strategy": "conservative"},
            3.0,
            "the cap of 2 SHARED_WRITES batches at a time",
        ),
    ],
)
def test_lower_bounds(seconds, given, expected, words):
    suite = Suite()
    for number, length in enumerate(seconds):
        suite.add(f"test_{number}.py", "t", seconds=length)
    plan = suite.plan(**given)
    assert plan.lower_bound == pytest.approx(expected)
    assert plan.limited_by == words


def test_a_prediction_is_not_less_than_the_lower_bound_for_the_order_of_a_sum():
    suite = Suite()
    suite.add("test_a.py", "a", seconds=3.2500001)
    request = suite.request(workers=2, alternatives=(1, 2, 4))
    plan = make_plan(request, lambda plan: 3.249999)
    assert plan.predicted_wall == plan.lower_bound
    assert set(plan.alternatives.values()) == {plan.lower_bound}


def test_exclusive_work_comes_on_top():
    suite = Suite()
    for number in range(4):
        suite.add(f"test_{number}.py", "t", seconds=1.0)
    suite.add("test_x.py", "alone", exclusive=True, seconds=3.0)
    plan = suite.plan()
    assert plan.lower_bound == pytest.approx(4.0)
    assert plan.limited_by == "1 exclusive batch that runs alone (3.0 s)"


def test_predictions_come_from_the_simulation_that_is_passed_in():
    suite = Suite()
    for number in range(16):
        suite.add(f"test_{number}.py", "t", seconds=1.0)
    plan = make_plan(suite.request(alternatives=(1, 4, 16)), lambda plan: simulate(plan).wall)
    assert plan.predicted_wall == 4.0
    assert plan.alternatives == {1: 16.0, 4: 4.0, 16: 1.0}


def test_exclusive_batches_go_first_when_that_is_predicted_to_be_shorter():
    suite = Suite()
    suite.add("test_a.py", "alone", level=0, exclusive=True, marks=order("1"), seconds=1.0)
    suite.add("test_b.py", "long", level=0, marks=order("2"), seconds=5.0)
    for number in range(6):
        suite.add(f"test_c{number}.py", "t", seconds=2.5)
    plan = make_plan(suite.request(), lambda plan: simulate(plan).wall)
    assert plan.exclusive_first
    assert plan.predicted_wall < 1 + 5 + 2.5
    suite.tests[0] = dataclasses.replace(suite.tests[0], marks=())
    assert not make_plan(suite.request(), lambda plan: simulate(plan).wall).exclusive_first


def test_a_plan_tells_known_durations_from_others():
    suite = Suite()
    for number, known in enumerate((True, False, True)):
        suite.add(f"test_{number // 2}.py", f"t{number}", known=known)
    plan = suite.plan()
    assert [plan.knows(batch, test) for batch in plan.batches for test in batch.tests] == [
        True,
        False,
        True,
    ]
