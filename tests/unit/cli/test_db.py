from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from unittest import mock

import pytest

from dbsafe_runner.cli import db
from dbsafe_runner.database.janitor import RunFound
from dbsafe_runner.database.occupants import Occupant, write_occupant
from dbsafe_runner.database.own_leftovers import Found
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


def test_leftovers_that_stay_for_now_are_not_called_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Found("dbsafe_bbffec58ee80_1", "database", "bbffec58ee80", None, living=False, ours=True)
    address = mock.Mock(shown="app@db/app")
    monkeypatch.setattr(db, "kept_servers", list)
    monkeypatch.setattr(db, "remove_leftovers", lambda **_: 0)
    monkeypatch.setattr(db, "prune_cache", lambda *_, **__: 0)
    monkeypatch.setattr(db, "_choice", lambda _config: mock.Mock())
    monkeypatch.setattr(db, "_open", lambda _choice: (address, mock.Mock(), mock.Mock()))
    monkeypatch.setattr(db, "remove_from_server", lambda *_, **__: [])
    monkeypatch.setattr(db, "list_found", lambda _sessions: [left])
    db.clean(None, None, templates=False)
    said = capsys.readouterr().out
    assert "app@db/app: 1 object left for now" in said
    assert "nothing to remove" not in said
