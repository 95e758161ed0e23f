"""What trials may cost: the budget of a run, and trials that are too long for what is left of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dbsafe_runner.scheduling.bisection import Bisection
from dbsafe_runner.scheduling.confirmation import Confirmation, Kind, Trial
from dbsafe_runner.workers.budget import Budget
from dbsafe_runner.workers.confirming import Confirming
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.slot import Slot
from dbsafe_runner.workers.suspects import Suspect

FAILED = Message("done", {"outcome": "failed"})


def confirming(*, busy: float, spent: float, seconds: dict[int, float]) -> Confirming:
    pool: Any = SimpleNamespace(
        slots={"gw0": Slot("gw0", busy=busy)},
        ledger=SimpleNamespace(seconds=seconds),
        settings=SimpleNamespace(confirm_budget=20.0),
        told=[],
    )
    pool.notice = lambda kind, code, message, hint: pool.told.append(code)
    suite: Any = SimpleNamespace(tests=())
    planned: Any = SimpleNamespace(plan=SimpleNamespace(batches=()), classifications=(), found={})
    made = Confirming(pool, suite, planned)
    made._budget.spent = spent
    return made


def affordable(company: tuple[int, ...], *, busy: float = 0.0, spent: float = 0.0) -> bool:
    made = confirming(busy=busy, spent=spent, seconds=dict.fromkeys(range(100), 1.0))
    suspect = Suspect(100, Confirmation(100), FAILED)
    return made._affordable(suspect, Trial(Kind.BEHIND_FILE, company))


def test_twenty_seconds_are_there_for_any_run() -> None:
    assert affordable(tuple(range(20)))
    assert not affordable(tuple(range(21)))
    assert not affordable(tuple(range(20)), spent=0.5)


def test_long_runs_have_more() -> None:
    assert affordable(tuple(range(50)), busy=60.0)
    assert not affordable(tuple(range(51)), busy=60.0)


def test_a_failure_that_stands_for_want_of_time_is_told() -> None:
    made = confirming(busy=0.0, spent=0.0, seconds={0: 21.0})
    suspect = Suspect(1, Confirmation(1), FAILED)
    assert not made._affordable(suspect, Trial(Kind.BEHIND_OTHERS, (0,)))
    assert made._pool.told == []  # type: ignore[attr-defined]
    assert not made._affordable(suspect, Trial(Kind.BEHIND_FILE, (0,)))
    assert not made._affordable(suspect, Trial(Kind.BEHIND_FILE, (0,)))
    assert made._pool.told == ["not-run-again"]  # type: ignore[attr-defined]


def test_it_is_told_once_that_nothing_is_left() -> None:
    told: list[float] = []
    budget = Budget(20.0, lambda: 4.0, told.append)
    budget.spent = 22.0
    assert not budget.is_spent
    assert told == []
    budget.spent = 22.5
    assert budget.is_spent
    assert budget.is_spent
    assert told == [22.5]


def test_no_time_at_all_can_be_asked_for() -> None:
    told: list[float] = []
    budget = Budget(0.0, lambda: 100.0, told.append)
    assert budget.is_spent
    assert not budget.affords(0.1)
    assert told == [0.0]


def test_a_search_that_the_user_asked_for_has_no_bounds() -> None:
    made = confirming(busy=0.0, spent=0.0, seconds=dict.fromkeys(range(100), 10.0))
    suspect = Suspect(100, Bisection(100))
    assert made._affordable(suspect, Trial(Kind.BEHIND_OTHERS, tuple(range(100))))


def test_trials_behind_other_files_come_last() -> None:
    quick = Suspect(5, Confirmation(5, others=(0, 1)), FAILED)
    assert not quick.wants_others
    quick.inquiry.enter(Trial(Kind.ALONE), passed=False)
    assert quick.wants_others
