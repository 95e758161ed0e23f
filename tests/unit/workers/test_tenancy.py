"""What is told of a suite whose database is not configured."""

from __future__ import annotations

import pytest

from dbsafe_runner.workers import tenancy


@pytest.mark.parametrize(
    ("reason", "absent"),
    [
        (
            'psycopg.OperationalError: connection failed: FATAL:  role "ledger" does not exist',
            'role "ledger"',
        ),
        ('OperationalError: FATAL:  database "ledger" does not exist', 'database "ledger"'),
        (
            'asyncpg.exceptions.InvalidAuthorizationSpecificationError: role "ledger" does not exist',
            'role "ledger"',
        ),
        ('psycopg.errors.UndefinedObject: role "ledger" does not exist', ""),
        ('OperationalError: FATAL:  too many connections for role "ledger"', ""),
    ],
)
def test_a_login_that_failed_is_told_from_a_statement_that_did(reason: str, absent: str) -> None:
    assert tenancy.absent_at_login(reason) == absent
