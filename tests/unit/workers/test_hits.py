"""Failures that name what hit the test, as drivers word them."""

from __future__ import annotations

import pytest

from dbsafe_runner.workers.hits import hit_by


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        ('psycopg.errors.DiskFull: could not extend file "base/1/2": No space left on device', "disk"),
        ("sqlalchemy.exc.OperationalError: (psycopg.errors.AdminShutdown) terminating", "session"),
        ("asyncpg.exceptions.CannotConnectNowError: the database system is starting up", "not ready"),
        ("psycopg2.OperationalError: server closed the connection unexpectedly", "went down"),
        ("asyncpg.exceptions.TooManyConnectionsError: sorry, too many clients already", "no connection"),
        (
            "psycopg.OperationalError: FATAL:  remaining connection slots are reserved for superusers",
            "no connection",
        ),
        (
            "psycopg.errors.CrashShutdown: terminating connection because of crash of another process",
            "went down",
        ),
    ],
)
def test_what_drivers_say(reason: str, what: str) -> None:
    assert what in hit_by(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "AssertionError: assert 1 == 2",
        "psycopg.errors.UniqueViolation: duplicate key value violates unique constraint",
        "TimeoutError: timed out",
        "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout",
    ],
)
def test_what_is_the_tests_own_doing(reason: str) -> None:
    assert hit_by(reason) == ""
