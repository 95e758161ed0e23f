"""Runs whose server cannot be had: failure, or what the configuration lets stand in for it."""

from __future__ import annotations

import html
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fakes.projects import Project

from dbsafe_runner.database.server import free_port


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.variables["DATABASE_URL"] = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/shop"
    return project.write(
        test_one="""
            import os
            import psycopg
            import pytest

            def connect():
                return psycopg.connect(os.environ["DATABASE_URL"])

            @pytest.fixture(scope="session")
            def shared():
                with connect() as connection:
                    yield connection

            def test_pure(): pass

            def test_finds_nothing():
                with connect() as connection:
                    assert connection.execute("select id from items").fetchall() == []

            def test_wants_rows():
                with connect() as connection:
                    assert connection.execute("select count(*) from items").fetchone() == (1,)

            def test_uses_what_is_shared(shared):
                shared.execute("update items set id = 1")

            def test_is_skipped():
                pytest.skip("not here")
        """
    )


def test_a_server_that_is_lost_is_a_failure(project: Project) -> None:
    run = project.dbsafe()
    assert run.code == 65
    assert "error[server-unreachable]" in run.out
    assert "--embedded" in run.out
    assert "s3cret" not in run.out


@pytest.mark.parametrize(
    ("lines", "code", "name"),
    [
        ("", 65, "server-unreachable"),
        ('setup = "echo no such thing; exit 3"', 66, "setup-failed"),
        ('postgres = "/nowhere"', 65, "postgres-not-found"),
    ],
    ids=["no-server", "set-up", "no-programs"],
)
def test_the_reports_say_which_error_ended_the_run(
    project: Project, lines: str, code: int, name: str
) -> None:
    if lines:
        project.variables.clear()
        project.file("runner.toml", f'[database]\nsource = "postgresql://me@localhost/shop"\n{lines}')
    run = project.dbsafe()
    assert run.code == code
    assert f"error[{name}]" in run.out
    ended = run.results["run"]
    assert (ended["exit_code"], ended["interrupted"]) == (code, False)
    (error,) = [notice for notice in run.results["notices"] if notice["kind"] == "error"]
    assert error == run.results["error"]
    assert error["code"] == name
    assert all(line in run.out for line in error["cause"].splitlines())
    reports = project.root / ".dbsafe" / "results"
    cases = ElementTree.parse(reports / "junit.xml").getroot().findall(".//testcase[error]")
    assert [(case.get("classname"), case.get("name")) for case in cases] == [("dbsafe", name)]
    page = (reports / "report.html").read_text()
    assert "Ended by an error" in page
    assert error["message"] in html.unescape(page)
    assert not any("s3cret" in path.read_text() for path in reports.iterdir())


def test_the_password_of_a_lost_server_is_not_shown_by_its_stand_in(project: Project) -> None:
    project.write(test_one="import os\ndef test_fails(): raise ValueError(os.environ['DATABASE_URL'])")
    run = project.dbsafe("--fallback", "mock")
    assert "ValueError: postgresql://me:***@127.0.0.1" in run.out
    assert "s3cret" not in run.out + str(run.results)


def test_what_ran_against_a_stand_in_is_mocked(project: Project) -> None:
    run = project.dbsafe("--fallback", "mock", "-v")
    assert run.code == 69, run.out
    assert {name.split("::")[1]: outcome for name, outcome in run.outcomes.items()} == {
        "test_pure": "passed",
        "test_finds_nothing": "mocked",
        "test_wants_rows": "mocked",
        "test_uses_what_is_shared": "mocked",
        "test_is_skipped": "skipped",
    }
    assert "warning[server-stood-in-for]" in run.out
    assert "1 passed, 1 skipped, 3 mocked" in run.out
    assert run.results["totals"]["mocked"] == 3
    wanting = run.test("test_wants_rows")
    assert wanting["reason"].startswith("failed against a stand-in")
    assert "select count(*) from items" in wanting["sections"][-1]["text"]
    suite = ElementTree.parse(project.root / ".dbsafe/results/junit.xml").getroot()[0]
    assert (suite.get("errors"), suite.get("failures")) == ("3", "0")
    assert "3 tests mocked" in (project.root / ".dbsafe/results/report.html").read_text()
    # Nothing of it is remembered.
    assert "s3cret" not in run.out


def test_servers_of_our_own_stand_in_where_that_is_allowed(project: Project) -> None:
    run = project.dbsafe("--fallback", "embedded mock", "-k", "pure or shared")
    assert run.outcomes["test_one.py::test_pure"] == "passed"
    assert run.outcomes["test_one.py::test_uses_what_is_shared"] in {"failed", "error"}
    assert "server-stood-in-for" in run.notices()
    assert run.code == 1


def test_the_option_goes_past_the_environment(project: Project) -> None:
    run = project.dbsafe("--embedded", "-k", "pure or shared")
    assert run.code == 1
    assert "server-from-environment" not in run.notices()
