"""Roles and databases as the suite's URLs name them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from dbsafe_runner.database.sources import Source
from dbsafe_runner.database.user_server import check_allowed
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.session.source_urls import completed, parse_source
from dbsafe_runner.workers.redirect.urls import ENVIRONMENT


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            "postgresql://app:secret@localhost:5433/shop",
            Source("app", "shop", "secret", "localhost", 5433),
        ),
        ("postgres://app@/shop", Source("app", "shop")),
        (
            "postgresql+psycopg2://app:Mk#r?s-77@127.0.0.1:5433/shop",
            Source("app", "shop", "Mk#r?s-77", "127.0.0.1", 5433),
        ),
        ("postgresql://a:1,b:2/shop?user=app", Source("app", "shop", "", "a,b", 1)),
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


def inherit(patch: pytest.MonkeyPatch, folder: Path, till: str, **variables: str) -> None:
    """Have a service "till" that says this besides its login, and these variables."""
    services = folder / "services"
    services.write_text(f"[till]\nuser=cashier\npassword=pw-1\n{till}")
    for name, value in {"PGSERVICEFILE": str(services), **variables}.items():
        patch.setenv(name, value)


def test_what_a_url_leaves_out_stands_in_the_environment_or_a_service_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inherit(monkeypatch, tmp_path, "dbname=till\nport=5433\n", PGUSER="app", PGDATABASE="shop")
    assert parse_source("postgresql://localhost") == Source("app", "shop", "", "localhost")
    assert parse_source("postgresql://localhost/stock") == Source("app", "stock", "", "localhost")
    expected = Source("cashier", "till", "pw-1", "", 5433)
    assert parse_source("service=till") == parse_source("postgresql://?service=till") == expected


def test_a_servers_url_is_completed_so_that_its_host_can_be_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    till = "host=prod-db\nsslmode=verify-full\n"
    inherit(monkeypatch, tmp_path, till, PGHOST="db-production", PGDATABASE="shop_prod")
    for url in ("postgresql://app@/shop", "postgresql://app@127.0.0.1", "postgresql://?service=till"):
        with pytest.raises(UserError) as caught:
            check_allowed(completed(url), ["prod-*", "*production", "*_prod"])
        assert caught.value.code == "server-denied"
    values = conninfo_to_dict(completed("postgresql://app@/shop?service=till"))
    assert (values["user"], values["dbname"], values["sslmode"]) == ("app", "shop", "verify-full")


def test_a_servers_url_that_nothing_completes_or_libpq_cannot_read_stays() -> None:
    for url in ("postgresql://app:s%40c@db:5433/shop", ""):
        assert conninfo_to_dict(completed(url)) == conninfo_to_dict(url)
    assert completed("postgresql://app:%zz@db/shop") == "postgresql://app:%zz@db/shop"


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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:sek/rit@localhost/shop",
        "postgresql://app:sek:rit/@[localhost/shop",
        "postgresql://app@localhost:sekrit/shop",
        "postgresql://app@localhost:123456/shop?password=sekrit",
    ],
)
def test_what_cannot_be_read_is_told_without_its_parts(url: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_source(url)
    assert not {"sek", "rit", "localhost"} & set(re.findall(r"\w+", caught.value.cause))
    assert "sek" not in caught.value.cause
