"""What is said where there is no room."""

from __future__ import annotations

from dbsafe_runner.database.space import what_lacks


def test_what_is_needed_is_more_than_what_is_free() -> None:
    said = what_lacks(32_000_000, 63_000_000)
    assert said == "99 MB are needed (32 for its data and 67 to grow), 63 MB are free."
