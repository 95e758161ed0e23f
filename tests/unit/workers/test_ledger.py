"""The ledger: how long a run took from its first test to its last."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dbsafe_runner.domain.events import RunEvent
from dbsafe_runner.domain.test import Test
from dbsafe_runner.workers.ledger import Ledger
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.settings import CollectedSuite

TESTS = tuple(Test(n, f"test_a.py::test_{n}", "test_a.py", n + 1, "", f"test_{n}") for n in range(2))
FAILED = Message(
    "done",
    {
        "test": 1,
        "outcome": "failed",
        "failures": 1,
        "seconds": {"call": 0.5},
        "started": 0.0,
        "text": "",
        "coloured": "",
        "reason": "",
        "sections": [],
        "properties": [],
    },
)


def test_trials_of_failures_are_no_part_of_the_time_from_test_to_test() -> None:
    clock = [0.0]
    told: list[RunEvent] = []
    planned: Any = SimpleNamespace(plan=SimpleNamespace(batches=()), classifications=())
    ledger = Ledger(
        CollectedSuite(TESTS, Path("/suite"), maxfail=0), planned, told.append, lambda: clock[0]
    )
    clock[0] = 2.0
    ledger.unconfirmed(FAILED, "gw0")
    clock[0] = 3.0
    ledger.passed({"test": 0, "seconds": (0.0, 1.0, 0.0), "started": 0.0}, "gw1")
    clock[0] = 20.0
    ledger.reported(FAILED, "gw0")
    assert (ledger.first, ledger.last) == (1.5, 3.0)
    assert told[-1].at == clock[0]
