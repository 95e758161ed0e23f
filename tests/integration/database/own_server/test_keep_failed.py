"""`--keep-failed` on a user's server: the database or schema stays, and goes with `dbsafe db clean`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PASSWORD = "s3cret word/@:"
DBSAFE = Path(sys.executable).parent / "dbsafe"

SETUP = """
import os
import psycopg

def main():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create table items (name text)")
"""
TESTS = """
import os
import psycopg

def test_fails():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("insert into items values ('left')")
    assert 0
"""


@pytest.mark.long
@pytest.mark.parametrize(("user", "kind"), [("maker", "database"), ("plain", "schema")])
def test_what_a_failed_test_left_can_be_looked_at(user_server, tmp_path, user, kind):
    url = user_server.url("postgres" if user == "maker" else "plain_db", user)
    (tmp_path / "made.py").write_text(SETUP)
    (tmp_path / "test_one.py").write_text(TESTS)
    (tmp_path / "runner.toml").write_text('[database]\nsetup = "made:main"\ninputs = ["made.py"]\n')
    path = f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBSAFE"))}
    path = f"{DBSAFE.parent}{os.pathsep}{path}"
    # Of the same server, and not the same text: then no variable can be named in its place.
    suite = url if user == "maker" else f"{url}?application_name=suite"
    environment = {**kept, "PATH": path, "DATABASE_URL": suite, "NO_COLOR": "1", "COLUMNS": "200"}

    def shell(command: str, stdin: str = "", **more: str) -> str:
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env={**environment, **more},
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return done.stdout

    def dbsafe(*arguments: str) -> str:
        return shell(shlex.join(["dbsafe", *arguments, "--database", url]))

    out = dbsafe("run", "--keep-failed")
    pattern = (
        rf"the {kind} (\S+) on .*\n? +hint: `(dbsafe db psql \1 .*)` opens it, `(dbsafe db clean .*)`"
    )
    found = re.search(pattern, out)
    assert found, out
    assert ('--database "$DATABASE_URL"' in found[2]) == (user == "maker")
    assert "s3cret" not in out
    assert f"{found[1]}  kept for test_one.py::test_fails" in dbsafe("db", "status")
    dbsafe("run", "--co")
    # The commands work as they were printed, but for the password.
    rows = shell(found[2], "select name from items;\n", PGPASSWORD=PASSWORD)
    assert " left" in rows, rows
    assert f"{found[1]}, removed" in shell(found[3], PGPASSWORD=PASSWORD)
    assert found[1] not in dbsafe("db", "status")
    assert user_server.ours() == []
