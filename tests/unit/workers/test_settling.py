"""Which failures share a run of their file in serial order, and which need none."""

from __future__ import annotations

from dbsafe_runner.scheduling.bisection import Bisection
from dbsafe_runner.scheduling.confirmation import Confirmation, Kind, Trial
from dbsafe_runner.workers.settling import Settling
from dbsafe_runner.workers.suspects import Suspect


def suspect(test: int, first: int, *, span_from: int | None = None) -> Suspect:
    span = tuple(range(span_from, test)) if span_from is not None else ()
    return Suspect(test, Confirmation(test, tuple(range(first, test)), span=span))


def numbers(suspects: list[Suspect]) -> list[int]:
    return [suspect.test for suspect in suspects]


def test_the_failures_of_a_file_go_together_the_last_at_the_end() -> None:
    settling = Settling()
    for test, first in ((7, 5), (2, 0), (5, 5), (6, 5), (0, 0)):
        assert settling.takes(suspect(test, first))
    assert numbers(settling.together()) == [5, 6, 7]
    assert numbers(settling.take()) == [5, 6, 7]
    assert numbers(settling.take()) == [0, 2]
    assert not settling.busy


def test_what_a_package_shares_is_tried_apart_from_what_a_file_does() -> None:
    settling = Settling()
    assert settling.takes(suspect(3, 0))
    assert settling.takes(suspect(4, 2, span_from=0))
    assert numbers(settling.take()) == [3]
    assert numbers(settling.take()) == [4]


def test_what_failed_in_serial_order_stands() -> None:
    in_order = suspect(3, 0)
    assert isinstance(in_order.inquiry, Confirmation)
    in_order.inquiry.in_order = True
    assert not Settling().takes(in_order)


def test_what_was_tried_in_serial_order_stands() -> None:
    for kind in (Kind.BEHIND_FILE, Kind.SERIAL):
        tried = suspect(3, 0)
        tried.inquiry.enter(Trial(kind, (0, 1, 2)), passed=False)
        assert not Settling().takes(tried)


def test_a_trial_that_never_comes_to_a_test_is_given_up() -> None:
    settling, ended = Settling(), suspect(3, 0)
    ended.repeats = 3
    assert not settling.takes(ended)


def test_a_search_that_the_user_asked_for_is_no_failure() -> None:
    assert not Settling().takes(Suspect(3, Bisection(3)))


def test_a_run_that_is_stopped_leaves_none() -> None:
    settling = Settling()
    settling.takes(suspect(3, 0))
    assert numbers(settling.give_up()) == [3]
    assert not settling.busy
