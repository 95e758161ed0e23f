"""Trying again."""

from itertools import islice

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, IntegrityError

from shop.retry import is_passing, pauses, with_retries


class Flaky:
    """Fails with the given errors, then answers."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def test_success_needs_no_pause():
    slept = []
    assert with_retries(Flaky(), sleep=slept.append) == "done"
    assert slept == []


def test_passing_errors_are_tried_again():
    action = Flaky(errors.SerializationFailure(), errors.DeadlockDetected(), errors.LockNotAvailable())
    slept = []
    assert with_retries(action, sleep=slept.append, jitter=lambda: 1.0) == "done"
    assert slept == [0.02, 0.04, 0.08]


def test_jitter_halves_at_most():
    slept = []
    with_retries(Flaky(errors.DeadlockDetected()), sleep=slept.append, jitter=lambda: 0.0)
    assert slept == [0.01]


def test_gives_up():
    action = Flaky(*[errors.DeadlockDetected() for _ in range(9)])
    with pytest.raises(errors.DeadlockDetected):
        with_retries(action, attempts=3, sleep=lambda _: None)
    assert action.calls == 3


def test_lasting_errors_are_not_tried_again():
    action = Flaky(errors.UniqueViolation("duplicate"))
    with pytest.raises(errors.UniqueViolation):
        with_retries(action, sleep=lambda _: None)
    assert action.calls == 1


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError):
        with_retries(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (errors.DeadlockDetected(), True),
        (DBAPIError("SELECT 1", {}, errors.SerializationFailure()), True),
        (IntegrityError("INSERT", {}, errors.UniqueViolation()), False),
        (psycopg.OperationalError("server closed the connection"), False),
    ],
)
def test_is_passing(error, passing):
    assert is_passing(error) is passing


def test_pauses_grow_up_to_a_limit():
    assert list(islice(pauses(0.1, 2, 0.5), 5)) == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_real_pauses_are_short():
    # Two real sleeps of at most 20 and 40 ms.
    assert with_retries(Flaky(errors.DeadlockDetected(), errors.DeadlockDetected())) == "done"
