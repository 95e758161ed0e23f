"""What the suite was found to connect to, as the hint has it."""

from __future__ import annotations

from typing import Any

import pytest

from dbsafe_runner.workers import tenancy
from dbsafe_runner.workers.redirect.urls import Target, is_url


@pytest.mark.parametrize(
    ("target", "url"),
    [
        (["localhost", 5432, "shop", "shop_test"], "postgresql://shop@localhost:5432/shop_test"),
        (["localhost", 5432, "", "shop"], "postgresql://localhost:5432/shop"),
        (["localhost", 5432, "app user", "a/b"], "postgresql://app%20user@localhost:5432/a%2Fb"),
        (["localhost", 5432, "joe@corp", "tést"], "postgresql://joe%40corp@localhost:5432/t%C3%A9st"),
    ],
)
def test_the_url_of_a_hint_is_read_as_what_was_learned(target: list[Any], url: str) -> None:
    written = tenancy._url(target)
    assert written == url
    assert is_url(written)
    read = Target.parse(written, {"PGUSER": ""})
    assert [read.host, read.port, read.database] == [target[0], target[1], target[3]]
    assert not target[2] or read.user == target[2]


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
