"""The fixtures of dbsafe_runner.testing, as a suite uses them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

SUITE = """
    import psycopg
    import pytest

    def test_nothing_is_there_at_first(db):
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (1,)

    def test_writes_are_rolled_back(db):
        db.execute("INSERT INTO orders VALUES (2)")
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (2,)

    def test_nothing_is_there_again(db):
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (1,)

    def test_a_commit_slips_through(db):
        db.execute("INSERT INTO orders VALUES (3)")
        db.commit()

    def test_locked_rows_are_waited_for(db, lock_rows):
        db.execute("SET lock_timeout = '10ms'")
        with lock_rows("orders", id=1), pytest.raises(psycopg.errors.LockNotAvailable):
            db.execute("UPDATE orders SET id = 4 WHERE id = 1")
        db.rollback()
        db.execute("UPDATE orders SET id = 4 WHERE id = 1")
"""
LEVELS = {
    "test_nothing_is_there_at_first": "READ_ONLY",
    "test_writes_are_rolled_back": "ISOLATED_WRITES",
    "test_a_commit_slips_through": "SHARED_WRITES",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path).write(test_orders=SUITE)
    project.write(conftest='pytest_plugins = ["dbsafe_runner.testing"]')
    project.file("schema.py", 'import os, psycopg\n\ndef make():\n    with psycopg.connect(URL) as c:\n'
                 '        c.execute("CREATE TABLE orders (id int)")\n'
                 '        c.execute("INSERT INTO orders VALUES (1)")\n\n'
                 'URL = "postgresql://shop@localhost/shop"\n')  # fmt: skip
    return project.file(
        "runner.toml",
        '[database]\nsource = "postgresql+psycopg://shop@localhost/shop"\nsetup = "schema:make"\n',
    )


def test_they_roll_back_and_levels_follow(project: Project) -> None:
    done = subprocess.run(
        [*DBSAFE, "plan", "--json"],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    planned = {test["nodeid"].partition("::")[2]: test for test in json.loads(done.stdout)["tests"]}
    names = ("NONE", "READ_ONLY", "ISOLATED_WRITES", "SHARED_WRITES", "SCHEMA_CHANGES")
    assert {name: names[planned[name]["level"]] for name in LEVELS} == LEVELS
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    assert set(ran.outcomes.values()) == {"passed"}
    observed = {name: ran.test(name)["level"] for name in LEVELS}
    assert {name: names[level] for name, level in observed.items()} == LEVELS


def test_without_a_database_they_say_what_they_need(project: Project) -> None:
    (project.root / "runner.toml").unlink()
    ran = project.pytest("-k", "at_first")
    assert "The fixture db needs a database: set DATABASE_URL" in ran.out
    assert set(ran.outcomes.values()) == {"error"}
