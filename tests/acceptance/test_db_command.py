"""`dbsafe db start` and `stop`: a server that stays, beside runs and what cleans up after them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from fakes.projects import DBSAFE, Project

SETUP = """
    import psycopg

    def main():
        with psycopg.connect("postgresql://shop:secret@localhost:5432/shop") as connection:
            connection.execute("create table items as select 1 as n")
"""
TEST = """
    import psycopg
    def test_items():
        with psycopg.connect("postgresql://shop:secret@localhost:5432/shop") as connection:
            assert connection.execute("select count(*) from items").fetchone() == (1,)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(made=SETUP, test_one=TEST)
    source = 'source = "postgresql://shop:secret@localhost:5432/shop"'
    project.file("runner.toml", f'[database]\n{source}\nsetup = "made:main"\ninputs = ["made.py"]\n')
    return project


def db(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *DBSAFE[1:], "db", *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_server_is_there_until_it_is_stopped(project: Project) -> None:
    started = db(project, "start")
    assert started.returncode == 0, started.stderr
    url = started.stdout.strip()
    try:
        assert "secret" not in started.stdout + started.stderr
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("insert into items values (2)")
            pid = connection.execute(
                "select pid from pg_stat_activity where backend_type = 'checkpointer'"
            ).fetchone()
        assert pid is not None
        server = psutil.Process(pid[0]).parent()
        assert server is not None

        assert db(project, "start").stdout.strip() == url
        assert db(project, "clean").returncode == 0
        run = project.dbsafe()
        assert run.outcomes == {"test_one.py::test_items": "passed"}, run.out
        assert url in db(project, "status").stdout
        with psycopg.connect(url) as connection:
            assert connection.execute("select count(*) from items").fetchone() == (2,)
    finally:
        stopped = db(project, "stop")
    assert stopped.stdout == f"{url}: ended, and its data removed\n"
    # Where nobody collects orphans it stays as a zombie.
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert url not in db(project, "status").stdout
    assert db(project, "stop").stdout == "no server to end\n"


@pytest.mark.long
def test_a_server_that_was_killed_is_started_again(project: Project) -> None:
    first = db(project, "start").stdout.strip()
    try:
        with psycopg.connect(first) as connection:
            (path,) = connection.execute("show data_directory").fetchone() or ("",)
        psutil.Process(int(Path(path, "postmaster.pid").read_text().split()[0])).kill()
        shown = db(project, "status").stdout
        assert "not running: `dbsafe db start` starts it again" in shown
        second = db(project, "start").stdout.strip()
        with psycopg.connect(second) as connection:
            assert connection.execute("select count(*) from items").fetchone() == (1,)
    finally:
        db(project, "stop")
