"""Whole runs on a user's server, and `dbsafe db`, as a user meets them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import pytest
from fakes.own_server import DBSAFE, ONE_VERSION, dbsafe, environment

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


def test_a_server_like_production_is_refused(project):
    done = dbsafe(project, "", "run", "--database", "postgresql://u:s3cret@db.prod.example.org/app")
    assert done.returncode == 64
    assert "error[server-denied]" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_kinds_that_need_a_server_say_so(project):
    done = dbsafe(project, "", "run", "--namespace", "schema")
    assert done.returncode == 64
    assert "error[namespace-needs-server]" in done.stderr


@ONE_VERSION
def test_psql_opens_the_standing_server_also_where_a_server_is_configured(user_server, project):
    url = user_server.url("postgres", "maker")
    (project / "runner.toml").write_text(f'[database]\nserver = "{url}"\n')
    path = f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}"
    started = dbsafe(project, url, "db", "start")
    try:
        assert started.returncode == 0, started.stderr
        asked = subprocess.run(
            [DBSAFE, "db", "psql"],
            input="select 'port ' || setting from pg_settings where name = 'port';\n",
            cwd=project,
            env={**environment(project, url), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        port = re.search(r":(\d+)/", started.stdout)
        assert port is not None
        assert f"port {port[1]}" in asked.stdout, asked.stderr
        named = dbsafe(project, url, "db", "psql", "gw0")
        assert "error[no-such-namespace]" in named.stderr
    finally:
        dbsafe(project, url, "db", "stop")


WHO = """
import os
import subprocess
import psycopg

URL = os.environ["SHOP_URL"]

def test_who():
    with psycopg.connect(URL) as connection:
        assert connection.execute("select current_user, current_setting('lock_timeout')").fetchone() == (
            "maker", "33s")

def test_programs():
    code = "import os, psycopg; print(psycopg.connect(os.environ['SHOP_URL']).info.user)"
    done = subprocess.run(["python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "maker\\n"
"""


@ONE_VERSION
def test_a_suite_that_is_another_role_than_the_servers_url_stays_that_role(
    user_server, source, tmp_path, monkeypatch
):
    user_server.do(f"alter role maker in database {source} set lock_timeout = '33s'")
    (tmp_path / "test_who.py").write_text(WHO)
    monkeypatch.setenv("SHOP_URL", user_server.url(source, "maker"))
    url = user_server.url(source)
    done = dbsafe(tmp_path, url, "run", "--database", url)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "login-replaced" not in done.stdout


@ONE_VERSION
def test_a_role_that_cannot_stay_what_it_is_is_told(user_server, project, monkeypatch):
    for name in "abc":
        (project / f"test_{name}.py").unlink()
    (project / "test_who.py").write_text(WHO)
    monkeypatch.setenv("SHOP_URL", user_server.url("postgres", "maker"))
    url = user_server.url("postgres")
    done = dbsafe(project, url, "run", "--database", url, "--no-confirm", "-k", "test_who")
    assert done.stdout.count("login-replaced") == 1, done.stdout + done.stderr
    assert "Connections of the suite as maker are made as postgres." in done.stdout
