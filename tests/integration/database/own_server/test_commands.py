"""Whole runs on a user's server, and `dbsafe db`, as a user meets them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

#: What is the same on all versions is tried on one.
ONE_VERSION = pytest.mark.parametrize("user_server", ["18"], indirect=True)
DBSAFE = Path(sys.executable).parent / "dbsafe"

SETUP = """
import os
import psycopg

def main():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create table items (id serial primary key, name text unique)")
        connection.execute("insert into items (name) values ('one'), ('two')")
"""
TESTS = """
import os
import subprocess
import time
import psycopg
import pytest

URL = os.environ["DATABASE_URL"]

@pytest.fixture(scope="module", autouse=True)
def restored():
    yield
    with psycopg.connect(URL) as connection:
        connection.execute("delete from items; insert into items (name) values ('one'), ('two')")

def count():
    with psycopg.connect(URL) as connection:
        return connection.execute("select count(*) from items").fetchone()[0]

@pytest.mark.parametrize("number", range(4))
def test_writes_are_undone_or_seen_in_order(number):
    assert count() == 2 + number
    with psycopg.connect(URL) as connection:
        connection.execute("insert into items (name) values (%s)", [str(number)])
        connection.execute("select pg_sleep(0.05)")

def test_the_whole_table_goes():
    with psycopg.connect(URL) as connection:
        connection.execute("delete from items")

def test_fails():
    assert count() == 2, "this fails serially, too"

def test_programs_are_led_there():
    code = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute("
    code += "'select count(*) from items').fetchone()[0])"
    done = subprocess.run(["python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\\n"
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "made.py").write_text(SETUP)
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text(TESTS)
    (tmp_path / "runner.toml").write_text(
        '[database]\nsetup = "made:main"\ninputs = ["made.py"]\n[workers]\ncount = 3\n'
    )
    return tmp_path


def environment(project: Path, url: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBSAFE"))}
    return {**kept, "PATH": path, "DATABASE_URL": url, "NO_COLOR": "1", "COLUMNS": "200"}


def dbsafe(project: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DBSAFE, *arguments],
        cwd=project,
        env=environment(project, url),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.whole_run
@pytest.mark.parametrize(
    ("user", "database", "kind"),
    [
        pytest.param("postgres", "plain_db", "database", marks=pytest.mark.long),
        pytest.param("maker", "postgres", "database", marks=pytest.mark.long),
        ("plain", "plain_db", "schema"),
    ],
)
def test_the_verdicts_are_those_of_a_serial_run(user_server, project, user, database, kind):
    url = user_server.url(database, user)
    done = dbsafe(project, url, "verify", "--database", url)
    assert "No difference: 21 tests ended the same in both runs." in done.stdout, (
        done.stdout + done.stderr
    )
    assert f"of kind {kind}" in done.stdout
    assert done.returncode == 0
    assert user_server.ours() == []
    results = (project / ".dbsafe" / "results" / "results.json").read_text()
    written = [path.read_bytes() for path in (project / ".dbsafe").rglob("*") if path.is_file()]
    for text in (done.stdout, done.stderr, results):
        assert "s3cret" not in text
    assert not any(b"s3cret" in data for data in written)


@pytest.mark.long
def test_three_runs_at_once_do_not_collide(user_server, project):
    url = user_server.url("postgres", "maker")
    runs = [
        subprocess.Popen(
            [DBSAFE, "run", "--database", url, "--output", f"out{number}", "--history", f"h{number}.db"],
            cwd=project,
            env=environment(project, url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(3)
    ]
    for run in runs:
        output, _ = run.communicate(timeout=120)
        assert re.search(r"3 failed, 18 passed", output), output
    assert user_server.ours() == []


@pytest.mark.long
def test_what_a_killed_run_left_is_shown_and_cleaned(user_server, project):
    url = user_server.url("postgres", "maker")
    (project / "test_a.py").write_text(TESTS + "\ndef test_hangs():\n    count()\n    time.sleep(100)\n")
    run = subprocess.Popen(
        [DBSAFE, "run", "--database", url, "test_a.py"],
        cwd=project,
        env=environment(project, url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    while ", gw" not in (shown := dbsafe(project, url, "db", "status", "--database", url).stdout):
        assert time.monotonic() < deadline, shown
    assert re.search(r"database +dbsafe_[0-9a-f]{12}_\d+ +of a living run, gw\d, pid \d+ on ", shown)
    asked = subprocess.run(
        [DBSAFE, "db", "psql", "--database", url],
        input="select 'in ' || current_database();\n",
        cwd=project,
        env={
            **environment(project, url),
            "PATH": f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"in dbsafe_[0-9a-f]{12}_\d+", asked.stdout)
    run.kill()
    run.wait()
    while user_server.ours():
        assert time.monotonic() < deadline
        cleaned = dbsafe(project, url, "db", "clean", "--database", url)
        assert cleaned.returncode == 0, cleaned.stderr
    assert "s3cret" not in shown
    missing = dbsafe(project, url, "db", "psql", "gw9", "--database", url)
    assert missing.returncode == 64
    assert "error[no-such-namespace]" in missing.stderr


SLOW = """
import os
import time
import psycopg
import pytest

URL = os.environ["DATABASE_URL"]

@pytest.mark.parametrize("number", range(30))
def test_writes(number):
    with psycopg.connect(URL) as connection:
        connection.execute("insert into items (name) values (%s)", [f"test {number}"])
        time.sleep(0.1)
        assert connection.execute("select max(name) from items").fetchone() == ("two",)
"""


@ONE_VERSION
def test_a_server_that_restarts_in_the_middle_costs_no_test(user_server, project):
    for name in "ab":
        (project / f"test_{name}.py").write_text(SLOW)
    (project / "test_c.py").unlink()
    url = user_server.url("postgres", "maker")
    run = subprocess.Popen(
        [DBSAFE, "run", "--database", url],
        cwd=project,
        env=environment(project, url),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    working = "select from pg_stat_activity where datname ~ '^dbsafe_[0-9a-f]{12}_' and query ~ 'items'"
    deadline = time.monotonic() + 100
    while len(user_server.ask(working)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    user_server.server.kill()
    time.sleep(1)
    user_server.server.launch()
    user_server.server.wait()
    output, _ = run.communicate(timeout=100)
    assert "60 passed" in output, output
    assert run.returncode == 0
    assert "the server answers again" in output
    results = json.loads((project / ".dbsafe" / "results" / "results.json").read_text())
    again = [notice["nodeid"] for notice in results["notices"] if notice["code"] == "namespace-lost"]
    assert again
    assert results["leases"]["recoveries"] >= 1
    assert user_server.ours() == []


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


def test_a_server_like_production_is_refused(project):
    done = dbsafe(project, "", "run", "--database", "postgresql://u:s3cret@db.prod.example.org/app")
    assert done.returncode == 64
    assert "error[server-denied]" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_kinds_that_need_a_server_say_so(project):
    done = dbsafe(project, "", "run", "--namespace", "schema")
    assert done.returncode == 64
    assert "error[namespace-needs-server]" in done.stderr
