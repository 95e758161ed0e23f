from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from dbsafe_runner.cli import db
from dbsafe_runner.database.janitor import RunFound
from dbsafe_runner.database.occupants import Occupant, write_occupant
from dbsafe_runner.errors import UserError


def living(folder: Path, name: str) -> RunFound:
    """A run with one server, which is its first."""
    home = folder / name / "1"
    home.mkdir(parents=True)
    (home / ".s.PGSQL.5432").touch()
    return RunFound(name, (folder / name,), living=True, pid=1, started=0.0, servers=1, size=0)


def test_a_name_that_is_not_there_lists_each_once_and_says_how_a_server_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [living(tmp_path, "run-a"), living(tmp_path, "run-b")]
    monkeypatch.setattr(db, "find_runs", lambda: runs)
    monkeypatch.setattr(db, "kept_servers", list)
    with pytest.raises(UserError) as caught:
        db.psql("dbsafe_bbffec58ee80_11", None, "embedded")
    assert caught.value.code == "no-such-namespace"
    assert caught.value.cause == "server-1"
    assert "--database URL" in caught.value.hint


def test_a_worker_is_found_by_its_name_in_the_database_of_its_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = living(tmp_path, "run-a")
    spare = tmp_path / "run-a" / "2"
    spare.mkdir()
    (spare / ".s.PGSQL.5432").touch()
    write_occupant(spare, Occupant("gw1", "shop", "orders"))
    monkeypatch.setattr(db, "find_runs", lambda: [run])
    monkeypatch.setattr(db, "kept_servers", list)
    ways: list[dict[str, str]] = []

    def instead(way: dict[str, str]) -> NoReturn:
        ways.append(way)
        raise SystemExit

    monkeypatch.setattr(db, "_run_psql", instead)
    for name in ("gw1", "server-2", ""):
        with pytest.raises(SystemExit):
            db.psql(name, None, "embedded")
    assert ways == [{"host": str(spare), "port": "5432", "user": "shop", "dbname": "orders"}] * 3
    with pytest.raises(UserError) as caught:
        db.psql("gw7", None, "embedded")
    assert caught.value.cause == "server-1\nserver-2 gw1"
