"""Roles and databases as the suite's URLs name them."""

from __future__ import annotations

import pytest

from dbsafe_runner.database.sources import Source, parse_source
from dbsafe_runner.errors import ExitCode, UserError


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            "postgresql://app:secret@localhost:5433/shop",
            Source("app", "shop", "secret", "localhost", 5433),
        ),
        ("postgres://app@/shop", Source("app", "shop")),
        ("postgresql+asyncpg://app:s%40cr%2Ft@db/shop", Source("app", "shop", "s@cr/t", "db")),
        ("postgresql://%61pp@localhost", Source("app", "app", "", "localhost")),
        ("postgresql://app@/shop?host=/run/pg&port=6000", Source("app", "shop", "", "/run/pg", 6000)),
        ("postgresql:///shop?user=app&password=pw", Source("app", "shop", "pw")),
        ("host=localhost port=5433 user=app dbname=shop", Source("app", "shop", "", "localhost", 5433)),
        ("user=app password='it''s'", None),
    ],
)
def test_what_a_source_names(text: str, source: Source | None) -> None:
    if source is None:
        with pytest.raises(UserError):
            parse_source(text)
    else:
        assert parse_source(text) == source


def test_missing_parts_are_completed_as_libpq_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "someone")
    assert parse_source("postgresql://localhost") == Source("someone", "someone", "", "localhost")


@pytest.mark.parametrize(
    "text", ["mysql://root@localhost/x", "nonsense", "postgresql://app@host:port/x"]
)
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_source(text)
    assert caught.value.code == "bad-source"
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_password_never_shows() -> None:
    with pytest.raises(UserError) as caught:
        parse_source("host=x password=hunter2 nonsense")
    assert "hunter2" not in f"{caught.value.message} {caught.value.cause} {caught.value.hint}"
    assert "hunter2" not in repr(parse_source("postgresql://app:hunter2@localhost/shop"))
