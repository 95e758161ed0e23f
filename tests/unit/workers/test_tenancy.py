"""Namespaces: what getting to know one costs, and what is told where no database is configured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dbsafe_runner.workers import tenancy
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.slot import Slot


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


def test_getting_to_know_a_namespace_is_charged_to_no_test() -> None:
    slot = Slot("gw0", since=90.0)
    settings = SimpleNamespace(sources=(), prepare_early=False)
    pool: Any = SimpleNamespace(settings=settings, slots={"gw0": slot}, now=lambda: 95.0)
    told = tenancy.Tenancy(pool)
    told.request("gw0", Message("begun", {}), lambda *_: None)
    told.request("gone", Message("begun", {}), lambda *_: None)
    assert slot.seconds(97.0) == 2.0
