"""What a run remembers, and what the next one makes of it, as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

SUITE = """
    import psycopg
    import pytest

    URL = "postgresql://shop@localhost/shop"

    @pytest.fixture(scope="module", autouse=True)
    def tables():
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id serial PRIMARY KEY)")
            yield
            connection.execute("DROP TABLE orders")

    @pytest.fixture
    def connection():
        with psycopg.connect(URL) as connection:
            yield connection
            connection.rollback()

    def execute(connection, *words):
        getattr(connection, "exe" + "cute")(" ".join(words))

    def test_pure():
        assert True

    def test_reads(connection):
        execute(connection, "SELECT", "* FROM orders")

    def test_rolls_back(connection):
        execute(connection, "INSERT", "INTO orders DEFAULT VALUES")

    def test_leaves_a_row(connection):
        execute(connection, "INSERT", "INTO orders DEFAULT VALUES")
        connection.commit()

    def test_changes_the_schema(connection):
        execute(connection, "CREATE", "TABLE extra ()")
        connection.commit()
"""

LEVELS = {
    "test_pure": 0,
    "test_reads": 1,
    "test_rolls_back": 2,
    "test_leaves_a_row": 3,
    "test_changes_the_schema": 4,
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path).write(test_shop=SUITE)


def plan(project: Project):
    done = subprocess.run(
        [*DBSAFE, "plan", "--json"],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_every_test_gets_the_level_that_was_seen(project):
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    found = plan(project)
    assert {test["nodeid"].partition("::")[2]: test["level"] for test in found["tests"]} == LEVELS
    assert {test["source"] for test in found["tests"]} == {"observed"}
    again = project.dbsafe()
    assert again.code == 0, again.out
    assert {t["nodeid"].partition("::")[2]: t["level"] for t in again.results["tests"]} == LEVELS
    assert again.results["run"]["levels_corrected"] == 0
    # What a module's fixture creates and drops is followed without losing the namespace.
    assert "namespace-lost" not in [*ran.notices(), *again.notices()]


def test_a_marker_that_says_too_little_is_told_and_still_holds(project):
    text = SUITE.replace(
        "    def test_leaves", '    @pytest.mark.dbsafe(level="NONE")\n    def test_leaves'
    )
    project.write(test_shop=text)
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    assert "level-too-low" in ran.notices()
    (test,) = [test for test in plan(project)["tests"] if test["nodeid"].endswith("a_row")]
    assert (test["level"], test["source"]) == (0, "marker")


@pytest.mark.long
def test_a_process_is_not_told_as_a_connection(tmp_path):
    project = Project(tmp_path).write(
        test_one="""
            import os, subprocess
            import psycopg
            def test_forks():
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
                os.waitpid(pid, 0)
            def test_starts_a_program(): subprocess.run(["true"], check=True)
        """
    )
    ran = project.dbsafe("--source", "postgresql://shop@localhost/shop")
    assert ran.code == 0, ran.out
    found = {test["nodeid"]: test for test in plan(project)["tests"]}
    # Whether it has connected is not seen, so it is taken for one that has.
    assert {test["level"] for test in found.values()} == {1}
    assert {test["cost"]["processes"] for test in found.values()} == {1}
    assert {test["cost"]["connections"] for test in found.values()} == {0}
    told = [one["message"] for one in ran.results["notices"] if one["code"] == "level-too-low"]
    assert all("starts 1 process, which may have connected" in text for text in told), told
    assert len(told) == 2


def test_a_damaged_history_costs_a_warning(project):
    folder = project.root / ".dbsafe"
    folder.mkdir()
    (folder / "history.db").write_bytes(b"not a database" * 100)
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    assert "history-set-aside" in ran.notices()
    assert (folder / "history.db.damaged").exists()
    assert plan(project)["known_durations"] == len(LEVELS)


def test_an_interrupted_run_is_remembered_as_far_as_it_got(tmp_path):
    project = Project(tmp_path).write(
        test_slow="""
            import pathlib, time
            def test_first(): pass
            def test_second():
                pathlib.Path("started").write_text("")
                time.sleep(60)
        """
    )
    process = subprocess.Popen(
        project.command(1),
        cwd=tmp_path,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 2
    connection = sqlite3.connect(tmp_path / ".dbsafe" / "history.db")
    kept = connection.execute(
        "select nodeid, outcome from result join test on test.id = test"
    ).fetchall()
    (interrupted,) = connection.execute("select interrupted from run").fetchone()
    connection.close()
    assert ("test_slow.py::test_first", "passed") in kept
    assert interrupted == 1


CLASS_WIDE = """
    import psycopg
    import pytest

    URL = "postgresql://shop@localhost/shop"

    @pytest.fixture(scope="session", autouse=True)
    def tables():
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id int)")

    @pytest.fixture(scope="class")
    def connection():
        with psycopg.connect(URL) as connection:
            connection.execute("INSERT INTO orders VALUES (1)")
            yield connection
            connection.rollback()

    class TestReads:
        def test_a(self, connection): assert connection.execute("SELECT * FROM orders").rowcount == 1
        def test_b(self, connection): connection.execute("SELECT 1")
        def test_c(self, connection): connection.execute("SELECT 1")

    class TestWrites:
        def test_d(self, connection): connection.execute("INSERT INTO orders VALUES (2)")
        def test_e(self, connection): assert connection.execute("SELECT * FROM orders").rowcount == 2
"""


@pytest.mark.long
def test_what_a_class_has_set_up_in_an_open_transaction_is_no_tests_doing(tmp_path):
    project = Project(tmp_path).write(test_classes=CLASS_WIDE)
    done = project.dbsafe(workers=2)
    assert done.code == 0, done.out
    assert "TestReads" not in done.out
    seen = {
        test["nodeid"].rpartition("::")[2]: test["observed_level"] for test in plan(project)["tests"]
    }
    assert seen == {"test_a": 1, "test_b": 1, "test_c": 1, "test_d": 3, "test_e": 1}


def test_outside_a_class_what_a_fixture_of_class_scope_writes_is_the_tests_doing(tmp_path):
    outside = """
    def test_f(connection): assert connection.execute("SELECT * FROM orders").rowcount == 1
"""
    project = Project(tmp_path).write(test_classes=CLASS_WIDE + outside)
    done = project.dbsafe(workers=2)
    assert done.code == 0, done.out
    seen = {
        test["nodeid"].rpartition("::")[2]: test["observed_level"] for test in plan(project)["tests"]
    }
    # It is rolled back with the test.
    assert (seen["test_f"], seen["test_a"]) == (2, 1)
