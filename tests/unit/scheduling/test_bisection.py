"""The whole search: which orders are tried, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.bisection import Bisection
from dbsafe_runner.scheduling.confirmation import Finding, Kind, Trial

ALONE, RAN, OTHERS = Kind.ALONE, Kind.AS_IT_RAN, Kind.BEHIND_OTHERS


def search(bisection: Bisection, passes: Callable[[Trial], bool]) -> tuple[Finding, list[Kind]]:
    made = []
    while isinstance(step := bisection.step(), Trial):
        if step.kind is not Kind.SEARCH:
            made.append(step.kind)
        bisection.enter(step, passed=passes(step))
    return step, made


def test_a_victim_of_two_tests_in_the_serial_order() -> None:
    bisection = Bisection(50, others=tuple(range(50)))
    found = search(bisection, lambda trial: not {7, 31} <= set(trial.company))
    assert found == (Finding(Verdict.VICTIM, (7, 31)), [ALONE, OTHERS])


def test_a_brittle_test() -> None:
    bisection = Bisection(50, others=tuple(range(50)))
    found = search(bisection, lambda trial: 20 in trial.company)
    assert found == (Finding(Verdict.BRITTLE, (20,)), [ALONE, OTHERS])


def test_the_last_run_is_tried_first_and_may_be_to_blame_alone() -> None:
    bisection = Bisection(5, as_it_ran=(9, 8, 2), others=tuple(range(5)))
    found = search(bisection, lambda trial: 8 not in trial.company)
    assert found == (Finding(Verdict.VICTIM, (8,), only_out_of_order=True), [ALONE, RAN])


def test_the_same_order_is_not_tried_twice() -> None:
    bisection = Bisection(2, as_it_ran=(0, 1), others=(0, 1))
    assert search(bisection, lambda _trial: True) == (Finding(Verdict.CLEAR), [ALONE, OTHERS])


def test_a_test_that_always_fails_hangs_on_nothing() -> None:
    bisection = Bisection(3, as_it_ran=(1,), others=(0, 1, 2))
    found = search(bisection, lambda _trial: False)
    assert found == (Finding(Verdict.CONFIRMED), [ALONE, RAN, OTHERS])


def test_what_ends_its_process_is_left_out() -> None:
    bisection = Bisection(3, others=(0, 1, 2))
    bisection.enter(Trial(ALONE), passed=True)
    bisection.leave_out(1)
    assert bisection.step() == Trial(OTHERS, (0, 2))
