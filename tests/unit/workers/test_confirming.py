"""When a trial may run: beside what, in which kind of namespace."""

from __future__ import annotations

import collections
from types import SimpleNamespace
from typing import Any

import pytest

from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.scheduling.confirmation import Confirmation, Kind, Trial
from dbsafe_runner.workers.confirming import Confirming
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.slot import Slot, State
from dbsafe_runner.workers.suspects import Attempt, Suspect


def made_for(pool: Any) -> Confirming:
    planned: Any = SimpleNamespace(plan=SimpleNamespace(batches=()), classifications=(), found={})
    suite: Any = SimpleNamespace(tests=())
    pool.settings = getattr(pool, "settings", SimpleNamespace())
    pool.settings.confirm_budget = 20.0
    return Confirming(pool, suite, planned)


def may_run(
    kind: NamespaceKind, *, over: bool, beside_another: bool = False, trial: Kind = Kind.ALONE
) -> bool:
    pool: Any = SimpleNamespace(
        desk=SimpleNamespace(kind=kind.value), feeding=SimpleNamespace(something_left=not over)
    )
    made = made_for(pool)
    alone = Trial(Kind.ALONE)
    if beside_another:
        made._running["gw9"] = Attempt(Suspect(1, Confirmation(1)), alone, collections.deque())
    return made._may_run(0, Trial(trial))


@pytest.mark.parametrize("kind", [NamespaceKind.SERVER, NamespaceKind.DATABASE])
def test_with_a_database_of_ones_own_trials_run_beside_others(kind: NamespaceKind) -> None:
    assert may_run(kind, over=False)
    assert may_run(kind, over=True, beside_another=True)


def test_with_schemas_of_one_database_trials_run_one_by_one_when_the_run_is_over() -> None:
    assert not may_run(NamespaceKind.SCHEMA, over=False)
    assert not may_run(NamespaceKind.SCHEMA, over=True, beside_another=True)
    assert may_run(NamespaceKind.SCHEMA, over=True)


def test_a_quiet_trial_runs_with_nothing_beside_it() -> None:
    server, quiet = NamespaceKind.SERVER, Kind.QUIET
    assert not may_run(server, over=False, trial=quiet)
    assert not may_run(server, over=True, beside_another=True, trial=quiet)
    assert may_run(server, over=True, trial=quiet)


def test_what_failed_quickly_is_tried_first() -> None:
    pool: Any = SimpleNamespace(
        endings=SimpleNamespace(stopping=""),
        feeding=SimpleNamespace(something_left=False),
        desk=SimpleNamespace(kind=NamespaceKind.SERVER.value),
        settings=SimpleNamespace(trials_below=9),
        slots={},
        ledger=SimpleNamespace(seconds={}),
    )
    made, started = made_for(pool), []
    made._start = lambda suspect, _trial: started.append(suspect.test)  # type: ignore[method-assign]
    for test, seconds in enumerate((3.0, 0.1, 20.0, 0.1)):
        failure = Message("done", {"outcome": "failed", "seconds": {"call": seconds}})
        made._waiting.append(Suspect(test, Confirmation(test), failure))
    made.pump()
    assert started == [1, 3, 0, 2]


@pytest.mark.parametrize(("at_work", "room"), [(0, True), (1, True), (2, False), (4, False)])
def test_trials_leave_each_process_a_processor(at_work: int, room: bool) -> None:
    slots = {f"gw{n}": Slot(f"gw{n}", state=State.BUSY) for n in range(at_work)}
    slots["gw8"] = Slot("gw8", state=State.GONE)
    slots["gw9"] = Slot("gw9", state=State.IDLE, waiting=True)
    pool: Any = SimpleNamespace(settings=SimpleNamespace(trials_below=2), slots=slots)
    assert made_for(pool)._has_room() is room
