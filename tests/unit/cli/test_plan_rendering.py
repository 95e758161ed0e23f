"""How a plan is drawn."""

from __future__ import annotations

import types
from typing import Any

import pytest
from fakes.planned import Suite, module_fixture
from rich.console import Console

from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.cli import plan_rendering


def drawn(notes: list[Note], verbosity: int = 0) -> list[str]:
    return [line.plain for line in plan_rendering._notes(notes, verbosity)]


def test_each_note_has_its_own_hint() -> None:
    notes = [
        Note("rule-matches-nothing", "rule 1 matches no test", "Delete it."),
        Note("rule-matches-nothing", "rule 2 matches no test", "Mind the brackets."),
        Note("bad-marker", "a marker is wrong", "Correct it."),
        Note("rule-matches-nothing", "rule 3 matches no test", "Delete it."),
    ]
    assert drawn(notes) == [
        "rule-matches-nothing: rule 1 matches no test",
        "rule-matches-nothing: rule 3 matches no test",
        "  hint: Delete it.",
        "rule-matches-nothing: rule 2 matches no test",
        "  hint: Mind the brackets.",
        "bad-marker: a marker is wrong",
        "  hint: Correct it.",
    ]


def test_many_notes_of_one_kind_are_cut_short_whatever_their_hints() -> None:
    notes = [Note("bad-marker", f"number {number}", f"hint {number}") for number in range(40)]
    shown = drawn(notes)
    assert sum(line.startswith("bad-marker") for line in shown) == plan_rendering._NOTES
    assert shown[-1] == f"  and {40 - plan_rendering._NOTES} more of these; -v shows all"
    assert len(drawn(notes, verbosity=1)) == 80


def test_batches_are_in_the_order_of_the_time_that_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite: Any = Suite()
    suite.add("test_a.py", "quick", seconds=2.0)
    fixtures = module_fixture("test_b.py")
    suite.add("test_b.py", "dear", seconds=1.0, fixtures=fixtures, setup={"engine": 3.0})
    found: Any = types.SimpleNamespace(plan=suite.plan(), request=suite.request())
    for block in plan_rendering._batches(found, 0):
        Console(width=100).print(block)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "test_" in line]
    assert [row[1] for row in rows] == ["4.0", "2.0"]
