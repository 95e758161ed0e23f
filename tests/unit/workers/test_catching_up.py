"""What the rest of an interrupted batch has to run again."""

from __future__ import annotations

from typing import Any

import pytest

from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.scheduling.answers import Assignment
from dbsafe_runner.workers.catching_up import CatchingUp


def part(*tests: int, reset: ResetPolicy = ResetPolicy.AFTER_BATCH) -> Assignment:
    class Batch:
        id = 3
        tests = (4, 5, 6, 7)

    batch: Any = Batch()
    batch.reset = reset
    return Assignment(batch, tests)


def test_a_batch_that_nothing_interrupted_runs_nothing_again() -> None:
    assert CatchingUp().tests_before(part(6, 7)) == ()


def test_what_came_before_is_run_again() -> None:
    catching_up = CatchingUp()
    catching_up.interrupted(part(4, 5, 6, 7))
    assert catching_up.tests_before(part(6, 7)) == (4, 5)
    assert catching_up.tests_before(part(5)) == (4,)
    assert catching_up.tests_before(part(4, 5)) == ()


@pytest.mark.parametrize("reset", [ResetPolicy.EACH_TEST])
def test_tests_with_a_reset_between_them_need_nothing_of_each_other(reset: ResetPolicy) -> None:
    catching_up = CatchingUp()
    catching_up.interrupted(part(4, reset=reset))
    catching_up.interrupted(None)
    assert catching_up.tests_before(part(6, reset=reset)) == ()


def test_what_cost_a_namespace_again_is_not_tried_twice() -> None:
    catching_up = CatchingUp()
    catching_up.interrupted(part(4, 5))
    catching_up.give_up(part(6))
    catching_up.interrupted(part(6))
    assert catching_up.tests_before(part(6)) == ()
