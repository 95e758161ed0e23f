"""The brake on guessing passwords. Windows are short here, but the time that passes is real."""

import time

import pytest
from psycopg import errors

from shop import db
from shop.throttle import Throttle, TooManyAttemptsError

WINDOW = 0.5


@pytest.fixture
def throttle():
    return Throttle(limit=3, window=WINDOW)


def fail(throttle, connection, times, email="ada@example.org"):
    for _ in range(times):
        throttle.record_failure(connection, email)


def test_no_failures_at_first(autocommit, throttle):
    throttle.check(autocommit, "ada@example.org")
    assert throttle.failures(autocommit, "ada@example.org") == 0


def test_under_the_limit(autocommit):
    throttle = Throttle(limit=3)
    fail(throttle, autocommit, 2)
    throttle.check(autocommit, "ada@example.org")


@pytest.mark.parametrize("failures", [3, 4, 10])
def test_over_the_limit(autocommit, failures):
    throttle = Throttle(limit=3)
    fail(throttle, autocommit, failures)
    with pytest.raises(TooManyAttemptsError, match="ada@example.org"):
        throttle.check(autocommit, "ada@example.org")


def test_the_case_of_the_address_does_not_help(autocommit):
    throttle = Throttle(limit=2)
    fail(throttle, autocommit, 1, "Ada@Example.org")
    fail(throttle, autocommit, 1, "ada@example.org")
    with pytest.raises(TooManyAttemptsError):
        throttle.check(autocommit, "ADA@EXAMPLE.ORG")


def test_addresses_are_counted_apart(autocommit):
    throttle = Throttle(limit=2)
    fail(throttle, autocommit, 5, "bob@example.org")
    throttle.check(autocommit, "ada@example.org")


def test_free_again_when_the_window_has_passed(autocommit, throttle):
    fail(throttle, autocommit, 3)
    time.sleep(WINDOW + 0.05)
    throttle.check(autocommit, "ada@example.org")


def test_success_wipes_the_slate(autocommit):
    throttle = Throttle(limit=3)
    fail(throttle, autocommit, 3)
    throttle.forget(autocommit, "ada@example.org")
    throttle.check(autocommit, "ada@example.org")


def test_sweep_deletes_what_is_old(autocommit, throttle):
    fail(throttle, autocommit, 4)
    time.sleep(WINDOW + 0.05)
    fail(Throttle(), autocommit, 1, "bob@example.org")
    assert throttle.sweep(autocommit) == 4
    assert autocommit.execute("SELECT count(*) AS n FROM login_attempts").fetchone()["n"] == 1


def test_a_failure_counts_even_if_the_login_is_rolled_back(autocommit):
    throttle = Throttle(limit=1)
    with db.connect() as login:
        login.execute("UPDATE customers SET name = name")
        throttle.record_failure(autocommit, "ada@example.org")
        login.rollback()
    with pytest.raises(TooManyAttemptsError):
        throttle.check(autocommit, "ada@example.org")


def test_the_table_takes_no_address_of_nobody(autocommit):
    with pytest.raises(errors.NotNullViolation):
        Throttle().record_failure(autocommit, None)
