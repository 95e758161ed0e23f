"""What a run on a user's server protects: the password, and databases that it does not test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from fakes.own_server import DBSAFE, ONE_VERSION, dbsafe, environment

PAST = """
import subprocess
import sys

def test_connects_past_the_redirection():
    code = "import time, psycopg; c = psycopg.connect({url!r}); time.sleep(4)"
    code = "import sys; sys.path[:] = {path!r}; " + code
    subprocess.run(["/usr/bin/env", "-i", sys.executable, "-I", "-c", code], check=True)
"""


@ONE_VERSION
def test_a_connection_past_the_redirection_is_reported(user_server, tmp_path):
    url = user_server.url("plain_db")
    (tmp_path / "test_past.py").write_text(PAST.format(url=url, path=sys.path))
    done = dbsafe(tmp_path, url, "run", "--database", url)
    assert "warning[connection-past-redirection]" in done.stdout, done.stdout
    assert "connected to the database plain_db itself" in done.stdout
    assert "test_past.py::test_connects_past_the_redirection" in done.stdout
    assert done.returncode == 0


LOUD = """
import os
import subprocess
import time
import psycopg

URL = os.environ["DATABASE_URL"]

def test_fails_with_the_url_in_its_hands():
    url = URL
    connection = psycopg.connect(url)
    print("connected to", url)
    raise AssertionError(url)

def test_connects_where_nobody_is():
    port = URL.rpartition(":")[2].partition("/")[0]
    psycopg.connect(URL.replace("plain_db", "no_such_database"))

def test_takes_its_time():
    subprocess.run(["sleep", "1"], check=True)
"""


def _family(pid: int) -> list[psutil.Process]:
    """A process and what it has started; other tests that run meanwhile give passwords, too."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


@ONE_VERSION
def test_the_password_is_nowhere(user_server, tmp_path):
    """Neither in what is printed, nor in any file, nor in the list of processes, whatever fails."""
    (tmp_path / "test_loud.py").write_text(LOUD)
    url = user_server.url("plain_db")
    seen: list[str] = []
    with (tmp_path.parent / "printed.txt").open("w+") as printed:
        run = subprocess.Popen(
            [DBSAFE, "run", "-v", "--showlocals", "--database", url],
            cwd=tmp_path,
            env=environment(tmp_path, url),
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        while run.poll() is None:
            # Until it has read its arguments it cannot blank them.
            if os.fstat(printed.fileno()).st_size:
                for process in _family(run.pid):
                    with contextlib.suppress(psutil.Error):
                        seen += [part for part in process.cmdline() if "s3cret" in part]
            time.sleep(0.05)
        printed.seek(0)
        output = printed.read()
    assert run.returncode == 1, output
    assert "2 failed, 1 passed" in output
    assert "s3cret" not in output
    assert seen == []
    files = [path for path in (tmp_path / ".dbsafe").rglob("*") if path.is_file()]
    assert {"history.db", "results.json", "report.html", "junit.xml"} <= {path.name for path in files}
    for path in files:
        assert b"s3cret" not in path.read_bytes(), path


OTHERS = """
import os
import shutil
import subprocess
import psycopg
import pytest

URL = os.environ["DATABASE_URL"]
OTHER = URL.replace("plain_db", "payroll")

def test_connects_to_another_database():
    psycopg.connect(OTHER)

def test_a_program_does():
    code = "import os, psycopg; psycopg.connect(os.environ['OTHER'])"
    done = subprocess.run(
        ["python", "-c", code], capture_output=True, text=True, env={**os.environ, "OTHER": OTHER}
    )
    assert done.returncode == 1
    assert "allow_databases" in done.stderr

WAYS = [("-d", "payroll"), ("payroll",), ("--dbname=payroll",), (OTHER,)]

@pytest.mark.parametrize("arguments", WAYS)
def test_psql_does(arguments):
    command = ["psql", "-c", "delete from wages", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "closed to tests by dbsafe" in done.stderr, done.stderr

def test_psql_reaches_the_clone_by_the_name_of_the_source():
    ask = "select current_database() like 'dbsafe%'"
    done = subprocess.run(["psql", "-XAtc", ask, "plain_db"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "t"

def test_a_database_of_its_own_is_open():
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute("create database of_a_test")
        psycopg.connect(URL.replace("plain_db", "of_a_test")).close()
        connection.execute("drop database of_a_test")
"""


@ONE_VERSION
@pytest.mark.parametrize("open_", [False, pytest.param(True, marks=pytest.mark.long)])
def test_other_databases_of_the_server_are_closed_to_tests(user_server, tmp_path, open_):
    user_server.do("drop database if exists payroll", "create database payroll")
    user_server.do("create table wages as select 1 as wage", database="payroll")
    (tmp_path / "test_others.py").write_text(OTHERS)
    url = user_server.url("plain_db")
    path = (
        f"{user_server.bindir}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    option = ["--allow-databases", "pay*"] if open_ else []
    # DATABASE_URL alone names the server.
    done = subprocess.run(
        [DBSAFE, "run", "--no-confirm", "-v", *option],
        cwd=tmp_path,
        env={**environment(tmp_path, url), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    report = done.stdout + done.stderr
    assert "server-from-environment" in report, report
    if open_:
        # What expects to be refused fails.
        assert "5 failed, 3 passed" in report, report
        return
    assert "1 failed, 7 passed" in report, report
    assert "tried to connect to the database 'payroll'" in report
    assert user_server.ask("select wage from wages", "payroll") == [(1,)]
