"""Failures that hang on another test: victims and brittle tests are told with it, and it is kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from fakes.projects import Project, project_with_table, verdict


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_with_table(tmp_path)


def assert_a_serial_run_agrees(project: Project) -> None:
    done = project.other("verify")
    assert done.returncode == 0, done.stdout


def kept_dependencies(project: Project) -> set[tuple[str, str, str]]:
    with sqlite3.connect(project.root / ".dbsafe/history.db") as connection:
        return set(
            connection.execute(
                "select a.nodeid, b.nodeid, verdict from dependency"
                " join test a on a.id = test join test b on b.id = other"
            )
        )


POLLUTED = {
    "module state": (
        "import sys\ndef state(): return vars(sys).setdefault('_state', [])",
        "state().append(1)",
        "assert state() == []",
    ),
    "database rows": (
        "from dbhelp import run",
        'run("insert into item values (1)")',
        'assert run("select n from item") == []',
    ),
}


@pytest.mark.parametrize("kind", ["database rows", pytest.param("module state", marks=pytest.mark.long)])
def test_a_victim_of_a_test_in_its_file(project: Project, kind: str) -> None:
    head, pollutes, suffers = POLLUTED[kind]
    more = "\n".join(f"def test_{i}(): pass" for i in range(9))
    # Not by Python, where the analysis would see a file that the test writes.
    noted = '__import__("subprocess").run(["sh", "-c", "printf x >> tried"])'
    project.file(
        "test_one.py",
        f"{head}\n{more}\ndef test_polluter(): {pollutes}\ndef test_between(): pass\n"
        f"def test_victim():\n    {noted}\n    {suffers}\n",
    )
    run = project.dbsafe()
    assert verdict(run, "test_victim") == ("failed", "victim", "test_one.py::test_polluter"), run.out
    first = len((project.root / "tried").read_text())
    assert run.code == 1
    assert_a_serial_run_agrees(project)
    assert "test_one.py::test_polluter, which breaks it" in run.out
    assert kept_dependencies(project) == {
        ("test_one.py::test_victim", "test_one.py::test_polluter", "victim")
    }
    (project.root / "tried").unlink()
    again = project.dbsafe()
    assert verdict(again, "test_victim") == verdict(run, "test_victim")
    # In the run, alone, behind all before it, and behind the one that is known to break it.
    assert len((project.root / "tried").read_text()) == 4 < first


def test_a_brittle_test_whose_helper_is_in_its_file(project: Project) -> None:
    project.write(
        test_one="""
            from dbhelp import run
            def test_first(): pass
            def test_helper(): run("insert into item values (1)")
            def test_between(): pass
            def test_brittle(): assert run("select n from item") == [(1,)]
        """
    )
    run = project.dbsafe("--grouping", "test")
    assert verdict(run, "test_brittle") == ("passed", "brittle", "test_one.py::test_helper"), run.out
    assert run.code == 0
    assert "brittle-test" in run.notices()
    again = project.dbsafe("--grouping", "dependency")
    assert again.code == 0
    assert verdict(again, "test_brittle") == ("passed", "clear", "")


@pytest.mark.long
def test_a_brittle_test_that_needs_rows_of_another_file(project: Project) -> None:
    project.write(
        test_a="from dbhelp import run\ndef test_helper(): run('insert into item values (1)')",
        test_b="from dbhelp import run\ndef test_brittle(): assert run('select n from item') == [(1,)]",
        test_c="def test_other(): pass",
    )
    run = project.dbsafe()
    assert verdict(run, "test_brittle") == ("passed", "brittle", "test_a.py::test_helper"), run.out
    assert_a_serial_run_agrees(project)
    assert kept_dependencies(project) == {
        ("test_b.py::test_brittle", "test_a.py::test_helper", "brittle")
    }
    again = project.dbsafe()
    assert again.code == 0
    assert verdict(again, "test_brittle") == ("passed", "clear", ""), again.out


def test_a_victim_of_another_file_that_shares_its_process(project: Project) -> None:
    # With nothing known of them, the file with more tests goes first.
    project.write(
        shared="state = []",
        test_a="import shared\ndef test_polluter(): shared.state.append(1)\ndef test_2(): pass",
        test_b="import shared\ndef test_victim(): assert shared.state == []",
    )
    run = project.dbsafe(workers=1)
    assert verdict(run, "test_victim") == ("failed", "victim", "test_a.py::test_polluter"), run.out
    assert_a_serial_run_agrees(project)


def test_a_test_that_only_a_later_one_can_break_counts_as_passed(project: Project) -> None:
    project.write(
        shared="state = []",
        test_a="import shared\ndef test_victim(): assert shared.state == []",
        test_b="import shared\ndef test_polluter(): shared.state.append(1)\ndef test_2(): pass",
    )
    run = project.dbsafe(workers=1)
    assert verdict(run, "test_victim") == ("passed", "victim", "test_b.py::test_polluter"), run.out
    assert run.code == 0
    again = project.dbsafe(workers=1)
    assert verdict(again, "test_victim") == ("passed", "clear", "")
