"""Tests that might leave their file stay in it where a dear fixture would be built twice for nothing."""

from __future__ import annotations

import pytest
from fakes.planned import Suite, grouped, module_fixture

from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.domain.test import FixtureDef
from dbsafe_runner.planning.request import Grouping


def _suite(levels, others=9.0, cost=3.0, scope="module", **given):
    suite = Suite()
    fixtures = (FixtureDef("books", scope, "/p/test_a.py", 1, "books"),)
    for number, level in enumerate(levels):
        suite.add("test_a.py", f"t{number}", level, fixtures=fixtures, setup={"books": cost}, **given)
    for number in range(3):
        suite.add(f"test_{number}.py", "other", 3, seconds=others / 3)
    return suite


def test_tests_that_leave_nothing_stay_with_those_that_share_a_dear_fixture():
    plan = _suite([1, 2, 3, 1]).plan(workers=3)
    assert grouped(plan) == [(0, 1, 2, 3), (4,), (5,), (6,)]
    batch = plan.batches[0]
    assert batch.why == ("together: file test_a.py; building books again costs more than it gains")
    assert batch.setup_seconds == 3.0
    assert batch.reset is ResetPolicy.AFTER_BATCH
    assert not batch.splittable


@pytest.mark.parametrize(
    ("given", "workers"),
    [
        ({"others": 0.3}, 3),  # The file does not fit into one worker's part.
        ({"cost": 0.02}, 3),  # The fixture costs next to nothing.
        ({"scope": "session"}, 3),  # Each process builds it anyway.
    ],
)
def test_where_nothing_is_gained_by_it_they_may_run_anywhere(given, workers):
    plan = _suite([1, 2, 3, 1], **given).plan(workers=workers)
    assert grouped(plan)[:2] == [(0, 1), (2, 3)]


def test_nothing_joins_a_test_that_runs_alone():
    suite = _suite([1, 2])
    suite.add("test_a.py", "port", 5, alone=True, fixtures=module_fixture("test_a.py", "books"))
    suite.forecasts["test_a.py::port"] = suite.forecasts["test_a.py::t0"]
    assert (0, 1) in grouped(suite.plan(workers=3))


def test_each_test_by_itself_where_that_is_wanted():
    plan = _suite([1, 2, 3, 1]).plan(workers=3, grouping=Grouping.TEST)
    assert all(len(batch.tests) == 1 for batch in plan.batches)


def test_a_fixture_of_a_class_is_another_one_in_each_class():
    suite = Suite()
    fixtures = (FixtureDef("books", "class", "/p/test_a.py", 1, "books"),)
    for name, level in (("A::reads", 1), ("B::writes", 3), ("B::more", 3)):
        suite.add("test_a.py", name, level, fixtures=fixtures, setup={"books": 1.0})
    suite.add("test_b.py", "other", seconds=30.0)
    assert grouped(suite.plan(workers=3)) == [(0,), (1, 2), (3,)]


def test_more_than_three_reasons_are_counted():
    suite = Suite()
    for number in range(5):
        shares = frozenset({f"test_a.py::s{max(number, 1)}", f"test_a.py::s{min(number + 1, 4)}"})
        suite.add("test_a.py", f"t{number}", 3, shares=shares)
    (batch,) = suite.plan().batches
    assert batch.why.endswith(("; 1 more reason", " more reasons"))
    assert "1 more reasons" not in batch.why
