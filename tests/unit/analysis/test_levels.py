from __future__ import annotations

import pytest

from dbsafe_runner.analysis.levels import Privacy, derive_level
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.level import Level

SOME = frozenset({"a"})


@pytest.mark.parametrize(
    ("facts", "shared", "private"),
    [
        ({}, Level.NONE, Level.NONE),
        ({"connects": True}, Level.READ_ONLY, Level.READ_ONLY),
        ({"reads": SOME}, Level.READ_ONLY, Level.READ_ONLY),
        ({"writes": SOME}, Level.ISOLATED_WRITES, Level.ISOLATED_WRITES),
        ({"writes": SOME, "outlives": True}, Level.SHARED_WRITES, Level.SHARED_WRITES),
        ({"schema_changes": True, "outlives": True}, Level.SCHEMA_CHANGES, Level.SCHEMA_CHANGES),
        ({"cluster": SOME}, Level.SEQUENTIAL_ONLY, Level.SCHEMA_CHANGES),
        (
            {"connects": True, "cluster": SOME, "cluster_undone": True},
            Level.SEQUENTIAL_ONLY,
            Level.READ_ONLY,
        ),
        ({"alone": True}, Level.SEQUENTIAL_ONLY, Level.SEQUENTIAL_ONLY),
    ],
)
def test_levels(facts: dict[str, object], shared: Level, private: Level) -> None:
    footprint = Footprint(**facts)
    assert derive_level(footprint) is shared
    assert derive_level(footprint, Privacy.SERVER) is private


def test_what_all_sessions_of_a_database_hear_is_common_to_workers_with_schemas_of_one() -> None:
    footprint = Footprint(connects=True, signals=SOME)
    assert derive_level(footprint, Privacy.SCHEMA) is Level.SEQUENTIAL_ONLY
    assert derive_level(footprint, Privacy.DATABASE) is Level.READ_ONLY
