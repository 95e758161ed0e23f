"""`--keep-failed`: what a failed test left in its database can be looked at after the run."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fakes.projects import Project

URL = "postgresql://shop:secret@localhost:5432/shop"


@pytest.fixture
def servers() -> Iterator[Path]:
    """A folder for servers with a name that leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def project(tmp_path: Path, servers: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    project.variables["DBSAFE_SERVERS_DIR"] = str(servers)
    project.write(
        dbhelp=f"""
            import psycopg
            def run(sql):
                with psycopg.connect({URL!r}, autocommit=True) as c:
                    found = c.execute(sql)
                    return found.fetchall() if found.description else []
        """,
        prepare="from dbhelp import run\nrun('create table item (n int)')",
        test_one="""
            import os, pytest
            from dbhelp import run

            @pytest.fixture(scope="session", autouse=True)
            def everything():
                yield
                run("drop table item")

            def test_before(): run("insert into item values (1)")
            def test_fails(): run("insert into item values (2)"); assert 0
            def test_crashes(): run("insert into item values (3)"); os._exit(3)
            def test_after(): run("insert into item values (4)")
        """,
    )
    project.file(
        "runner.toml",
        f'[database]\nsource = "{URL}"\nsetup = "python prepare.py"\ninputs = ["prepare.py"]\n',
    )
    yield project
    dbsafe(project, "db", "clean")
    assert not servers.exists() or list(servers.iterdir()) == []
    assert servers_below(servers) == []


def dbsafe(project: Project, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        [*project.command()[:-3], *arguments],
        cwd=project.root,
        env=project.environment(),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def servers_below(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd().startswith(str(folder)):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def kept(out: str) -> dict[str, str]:
    """Test -> name, as the run has printed them."""
    found = re.findall(
        r"namespace-kept\]: .*? \((\S+)\)\s+hint: `dbsafe db psql (kept-\w+)`", out, re.DOTALL
    )
    return {nodeid.rpartition("::")[2]: name for nodeid, name in found}


def rows(project: Project, name: str) -> list[str]:
    shown = dbsafe(project, "db", "psql", name, stdin="\\pset tuples_only\nselect n from item;\n")
    return re.findall(r"^ +(\d+)$", shown, re.MULTILINE)


@pytest.mark.long
def test_each_failed_test_keeps_its_own_rows(project: Project, servers: Path) -> None:
    run = project.dbsafe("--keep-failed")
    names = kept(run.out)
    assert set(names) == {"test_fails", "test_crashes"}, run.out
    assert rows(project, names["test_fails"]) == ["2"]
    assert rows(project, names["test_crashes"]) == ["3"]
    assert run.outcomes["test_one.py::test_after"] == "passed"
    status = dbsafe(project, "db", "status")
    assert f"{names['test_fails']}  for test_one.py::test_fails" in status
    # A later run leaves them alone.
    project.dbsafe("-k", "before")
    assert rows(project, names["test_fails"]) == ["2"]
    assert len(servers_below(servers)) > 0


@pytest.mark.parametrize("how", ["-x", pytest.param("--no-confirm", marks=pytest.mark.long)])
def test_without_trials_the_worker_leaves_its_own(project: Project, how: str) -> None:
    run = project.dbsafe("--keep-failed", how, "-k", "before or fails", workers=1)
    names = kept(run.out)
    assert set(names) == {"test_fails"}, run.out


def test_without_trials_a_file_goes_on_behind_every_failure(project: Project) -> None:
    failing = "".join(
        f"""
            def test_fails_{number}():
                run("insert into item values ({number})"); assert 0
        """
        for number in range(6)
    )
    project.write(
        test_one=f"""
            from dbhelp import run
            {failing}
            def test_after(): assert run("select count(*) from item") == [(6,)]
        """
    )
    run = project.dbsafe("--keep-failed", "--no-confirm", "--run-timeout", "90", workers=1)
    assert run.outcomes == {
        **{f"test_one.py::test_fails_{number}": "failed" for number in range(6)},
        "test_one.py::test_after": "passed",
    }
    assert len(kept(run.out)) == 5, run.out
    assert rows(project, kept(run.out)["test_fails_2"]) == ["0", "1", "2"]


@pytest.mark.parametrize("how", ["--confirm", pytest.param("--no-confirm", marks=pytest.mark.long)])
def test_a_database_that_the_run_has_learned_is_the_one_opened(project: Project, how: str) -> None:
    project.file("runner.toml", "")
    project.write(
        test_one="""
            from dbhelp import run
            def test_fails():
                run("create table item (n int)"); run("insert into item values (2)"); assert 0
        """
    )
    names = kept(project.dbsafe("--keep-failed", how, workers=1).out)
    assert rows(project, names["test_fails"]) == ["2"]


def test_nothing_is_kept_without_the_option(project: Project, servers: Path) -> None:
    assert kept(project.dbsafe("-k", "fails").out) == {}
    assert servers_below(servers) == []
