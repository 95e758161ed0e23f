"""How differences from a baseline have changed, in words."""

from __future__ import annotations

from dbsafe_runner.database.catalogs import news


def test_what_is_different_now_is_news_and_what_stayed_is_none() -> None:
    assert news(["a created"], ["a created", "b changed"]) == ["b changed"]


def test_a_difference_that_is_gone_was_undone_by_someone() -> None:
    before = ["table a created", "pg_class changed", "replication slot s dropped"]
    assert news(before, []) == [
        "table a dropped",
        "pg_class changed back",
        "replication slot s created",
    ]
