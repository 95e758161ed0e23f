"""Prefixes: what is put before a failed test when it is tried again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from dbsafe_runner.workers.prefixes import Prefixes


def prefixes(*files: str, seconds: float = 0.1) -> Prefixes:
    """Of tests in these files."""
    suite: Any = SimpleNamespace(tests=[SimpleNamespace(file=file) for file in files])
    planned: Any = SimpleNamespace(classifications=[])
    ledger = SimpleNamespace(left={1}, seconds=dict.fromkeys(range(len(files)), seconds))
    return Prefixes(suite, planned, lambda: cast(Any, ledger))


def test_what_precedes_a_test_in_its_file_and_elsewhere() -> None:
    some = prefixes("a", "a", "b", "b", "b")
    assert some.in_file(3) == (2,)
    assert some.that_may_matter(3, (2,)) == (0, 1, 2)


def test_where_all_take_long_only_what_left_something_is_wanted() -> None:
    assert prefixes("a", "a", "b", "b", seconds=2.0).that_may_matter(3, (2,)) == (1, 2)
    assert prefixes("a", "a", "b", "b", seconds=12.0).that_may_matter(3, (2,)) == (2,)


def test_what_no_process_survives_is_left_out_from_the_second_time() -> None:
    some = prefixes("a", "b", "b", "b")
    some.ended_its_process(1)
    assert some.in_file(3) == (1, 2)
    some.ended_its_process(1)
    assert some.is_deadly(1)
    assert some.in_file(3) == (2,)
    assert some.that_may_matter(3, some.in_file(3)) == (0, 2)
