"""Analysis that is spread over processes: the same is found, whatever becomes of them."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest

from dbsafe_runner.analysis.analysis import analyse
from dbsafe_runner.config import RunRequest, load_config
from dbsafe_runner.session import analysis_processes
from dbsafe_runner.session.analysis_processes import spread
from dbsafe_runner.session.discovery import discover
from dbsafe_runner.session.sources import SourceFiles
from dbsafe_runner.workers.settings import CollectedSuite

TEST = """
import psycopg
from shop{n} import change
def test_changes():
    with psycopg.connect("postgresql://shop@localhost/shop") as connection: change(connection)
def test_reads():
    with psycopg.connect("postgresql://shop@localhost/shop") as connection:
        connection.execute("SELECT name FROM item_{n}")
"""
SHOP = "def change(connection): connection.execute('INSERT INTO item_{n} (name) VALUES (1)')\n"


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CollectedSuite:
    monkeypatch.setattr(analysis_processes, "_FILES_OF_A_START", 1)
    for number in range(9):
        (tmp_path / f"test_{number}.py").write_text(TEST.format(n=number % 4))
        (tmp_path / f"shop{number % 4}.py").write_text(SHOP.format(n=number % 4))
    config = load_config(tmp_path, environment={})
    request = RunRequest(tmp_path, (), verbosity=0, colour=False, fresh_template=False)
    return discover(config, request)[0]


def sources(suite: CollectedSuite) -> SourceFiles:
    return SourceFiles(suite.rootdir, suite.python_path)


def test_processes_find_what_one_finds(suite: CollectedSuite) -> None:
    here: dict[str, bytes] = {}
    there: dict[str, bytes] = {}
    alone = analyse(suite.tests, sources(suite), here)
    assert len(alone) == 18
    assert {name for one in alone.values() for name in one.writes} == {f"item_{n}" for n in range(4)}
    assert analyse(suite.tests, sources(suite), there, spread(sources(suite), cores=3)) == alone
    assert {name: json.loads(value) for name, value in there.items()} == {
        name: json.loads(value) for name, value in here.items()
    }


def test_what_processes_found_is_used_again(suite: CollectedSuite) -> None:
    cache: dict[str, bytes] = {}
    first = analyse(suite.tests, sources(suite), cache, spread(sources(suite), cores=3))

    def nothing(groups: dict[str, list[object]]) -> list[object]:
        raise AssertionError(groups)

    assert analyse(suite.tests, sources(suite), cache, nothing) == first
    Path(suite.rootdir, "shop1.py").write_text(SHOP.format(n="other"))
    asked: list[str] = []

    def some(groups):
        asked.extend(groups)
        return spread(sources(suite), cores=3)(groups)

    again = analyse(suite.tests, sources(suite), cache, some)
    assert asked == ["test_1.py", "test_5.py"]
    assert again["test_5.py::test_changes"].writes == {"item_other"}


def test_the_work_of_a_process_that_ends_is_done_here(
    suite: CollectedSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = analyse(suite.tests, sources(suite))
    for program in ("/bin/false", "/there/is/none"):
        monkeypatch.setattr(sys, "executable", program)
        assert analyse(suite.tests, sources(suite), None, spread(sources(suite), cores=3)) == alone


def test_without_room_for_files_the_work_is_done_here(
    suite: CollectedSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = analyse(suite.tests, sources(suite))
    monkeypatch.setattr(tempfile, "tempdir", "/there/is/none")
    assert analyse(suite.tests, sources(suite), None, spread(sources(suite), cores=3)) == alone
