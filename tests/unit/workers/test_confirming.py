"""When a trial may run: beside what, in which kind of namespace."""

from __future__ import annotations

import collections
from types import SimpleNamespace
from typing import Any

import pytest

from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.scheduling.confirmation import Confirmation, Kind, Trial
from dbsafe_runner.workers.confirming import Confirming
from dbsafe_runner.workers.suspects import Attempt, Suspect


def may_run(kind: NamespaceKind, *, over: bool, beside_another: bool = False) -> bool:
    pool: Any = SimpleNamespace(
        desk=SimpleNamespace(kind=kind.value), feeding=SimpleNamespace(something_left=not over)
    )
    planned: Any = SimpleNamespace(
        plan=SimpleNamespace(batches=()), classifications=(), stands_alone=frozenset()
    )
    suite: Any = SimpleNamespace(tests=())
    made = Confirming(pool, suite, planned)
    alone = Trial(Kind.ALONE)
    if beside_another:
        made._running["gw9"] = Attempt(Suspect(1, Confirmation(1)), alone, collections.deque())
    return made._may_run(0, alone)


@pytest.mark.parametrize("kind", [NamespaceKind.SERVER, NamespaceKind.DATABASE])
def test_with_a_database_of_ones_own_trials_run_beside_others(kind: NamespaceKind) -> None:
    assert may_run(kind, over=False)
    assert may_run(kind, over=True, beside_another=True)


def test_with_schemas_of_one_database_trials_run_one_by_one_when_the_run_is_over() -> None:
    assert not may_run(NamespaceKind.SCHEMA, over=False)
    assert not may_run(NamespaceKind.SCHEMA, over=True, beside_another=True)
    assert may_run(NamespaceKind.SCHEMA, over=True)
