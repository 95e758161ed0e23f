"""`dbsafe bisect` as a user sees it: what it finds, the command that shows it, and its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project
from syrupy.assertion import SnapshotAssertion


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(
        shared="state = set()",
        test_a="""
            import shared
            def test_1(): pass
            def test_polluter(): shared.state.add("a")
            def test_2(): pass
        """,
        test_b="""
            import os, pytest, shared
            @pytest.mark.parametrize("n", range(20))
            def test_many(n): shared.state.add(n)
            def test_victim(): assert "a" not in shared.state
            def test_victim_of_two(): assert not {3, 11} <= shared.state
            def test_brittle(): assert {"a", 7} <= shared.state
            def test_fails(): assert 0
            def test_passes(): pass
            def test_ends_its_process(): os._exit(3)
            def test_behind_it(): assert "a" not in shared.state
        """,
    )
    return project


def bisect(project: Project, *arguments: str) -> str:
    done = project.other("bisect", *arguments)
    return f"{done.stdout}exit code {done.returncode}\n"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("test_b.py::test_victim", marks=pytest.mark.long),
        pytest.param("test_victim_of_two", marks=pytest.mark.long),
        "test_brittle",
        "test_fails",
        pytest.param("test_passes", marks=pytest.mark.long),
        "test_behind_it",
        pytest.param("test_victims", marks=pytest.mark.long),
        pytest.param("test_many", marks=pytest.mark.long),
    ],
)
def test_what_is_found(project: Project, name: str, snapshot: SnapshotAssertion) -> None:
    assert bisect(project, name) == snapshot


def test_the_command_that_it_prints_shows_it(project: Project) -> None:
    out = bisect(project, "test_victim_of_two")
    (line,) = (line for line in out.splitlines() if line.startswith("  python -m pytest "))
    run = project.pytest(*(word.strip("'") for word in line.split()[3:]))
    assert run.outcomes["test_b.py::test_victim_of_two"] == "failed"
    assert len(run.outcomes) == 3


@pytest.mark.long
def test_the_order_of_the_last_run_counts(project: Project) -> None:
    # With nothing known of them, the file with more tests goes first.
    project.write(
        test_a="import shared\ndef test_early(): assert not shared.state",
        test_b="import shared\ndef test_1(): pass\ndef test_late(): shared.state.add(1)",
    )
    project.dbsafe("--no-confirm", workers=1)
    out = bisect(project, "test_early")
    assert "failed behind 2 tests" in out
    assert "python -m pytest test_b.py::test_late test_a.py::test_early" in out


def test_a_test_of_the_database(project: Project) -> None:
    url = "postgresql://shop:secret@localhost:5432/shop"
    project.file("runner.toml", f'[database]\nsource = "{url}"\n')
    project.write(
        dbhelp=f"""
            import psycopg
            def run(sql):
                with psycopg.connect({url!r}, autocommit=True) as c:
                    found = c.execute(sql)
                    return found.fetchall() if found.description else []
        """,
        test_a="from dbhelp import run\ndef test_makes(): run('create table t (n int)')",
        test_b="from dbhelp import run\ndef test_needs(): assert run('select n from t') == []",
    )
    out = bisect(project, "test_needs")
    assert "python -m pytest test_a.py::test_makes test_b.py::test_needs" in out
    assert "brittle" in out


def test_without_a_test(project: Project, snapshot: SnapshotAssertion) -> None:
    assert bisect(project) == snapshot
