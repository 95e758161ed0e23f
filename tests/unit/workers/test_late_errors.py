"""Errors in teardowns of what tests share: whom they are charged to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dbsafe_runner.workers.late_errors import LateErrors
from dbsafe_runner.workers.protocol import Message


class Ledger:
    """Knows which tests have ended, and keeps what is entered."""

    def __init__(self, *ended: int) -> None:
        self.failed: set[int] = set()
        self.entered: list[int] = []
        self._ended = ended

    def has_ended(self, test: int) -> bool:
        return test in self._ended

    def reported(self, message: Message, worker: str) -> None:
        del worker
        self.entered.append(message["test"])


@pytest.mark.parametrize(
    ("stopping", "entered"), [("", [1, 2]), ("interrupt", [1]), ("shouldfail", [1])]
)
def test_a_run_that_was_stopped_charges_no_test_that_did_not_run(
    stopping: str, entered: list[int]
) -> None:
    ledger = Ledger(0, 1)
    pool: Any = SimpleNamespace(
        ledger=ledger,
        confirming=SimpleNamespace(takes_late=lambda worker, message: False),
        endings=SimpleNamespace(stopping=stopping),
    )
    errors = LateErrors(pool)
    slot: Any = SimpleNamespace(name="gw0")
    for test in (1, 2):
        errors.add(slot, Message("late", {"test": test, "since": 0}))
    errors.enter()
    assert ledger.entered == entered
