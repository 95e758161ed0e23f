"""One round of what `scripts/agreement concurrent` does twenty times."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from agreeing.concurrent import play
from agreeing.place import place


def test_three_runs_at_once_do_not_meet() -> None:
    with place() as where:
        outcome = play(where, 1, print, names=("audit", "page_views"))
    assert outcome.runs == 3
    assert outcome.collisions == []
    assert outcome.left_over == []
