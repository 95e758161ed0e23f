"""Runs of suites that use PostgreSQL: leases, servers that die, and what is left of them."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import psutil
import pytest
from fakes.projects import Project

URL = "postgresql://shop:secret@localhost:5432/shop"
CONNECT = f"""
    import psycopg
    def connect(): return psycopg.connect({URL!r}, autocommit=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(dbhelp=CONNECT)
    project.file("runner.toml", f'[database]\nsource = ["{URL}"]\n')
    return project


def servers_of(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in process.children(recursive=True):
        # A server's helpers come and go between the listing and the look at their names.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "postgres" in child.name():
                found.append(child)
    return found


#: Ends the worker's own server by its postmaster, as a crash would.
KILLS = """
    import os, signal
    from pathlib import Path
    from dbhelp import connect

    def test_before():
        with connect() as c: c.execute("create table if not exists t (n int)")

    def test_kills():
        with connect() as c:
            data = c.execute("show data_directory").fetchone()[0]
        if Path("{mark}").exists(): return
        Path("{mark}").touch()
        pid = int(Path(data, "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        import time; time.sleep(0.2)
        connect()

    def test_after():
        with connect() as c: assert c.execute("select 1").fetchone() == (1,)
"""


def test_a_test_whose_server_dies_is_run_again(project: Project) -> None:
    project.write(test_one=KILLS.replace("{mark}", "killed"))
    run = project.dbsafe("--no-confirm")
    assert run.outcomes == {
        "test_one.py::test_before": "passed",
        "test_one.py::test_kills": "passed",
        "test_one.py::test_after": "passed",
    }, run.out
    assert run.code == 0
    (note,) = [one for one in run.results["notices"] if one["code"] == "namespace-lost"]
    assert "The test is run again" in run.out
    assert "\n" not in note["message"]
    assert not note["message"].endswith("..")


def test_what_a_lost_server_held_is_brought_about_again(project: Project) -> None:
    kills = KILLS.replace("{mark}", "killed").replace(
        "create table if not exists t (n int)",
        "create table if not exists t (n int); insert into t values (1)",
    )
    kills += """
    def test_fails_serially_too():
        with connect() as c: assert c.execute("select count(*) from t").fetchone() == (0,)
    """
    project.write(test_one=kills)
    run = project.dbsafe("--no-confirm")
    assert "namespace-lost" in run.notices()
    assert run.outcomes == {
        "test_one.py::test_before": "passed",
        "test_one.py::test_kills": "passed",
        "test_one.py::test_after": "passed",
        "test_one.py::test_fails_serially_too": "failed",
    }, run.out
    assert "(1,) == (0,)" in run.out


def test_a_test_that_kills_its_server_each_time_fails(project: Project) -> None:
    text = KILLS.replace('if Path("{mark}").exists(): return', "").replace("{mark}", "killed")
    project.write(test_one=text)
    run = project.dbsafe("--no-confirm")
    assert run.outcomes["test_one.py::test_kills"] == "failed", run.out
    assert run.outcomes["test_one.py::test_after"] == "passed"
    assert run.code == 1


def test_a_crashed_worker_is_replaced_server_included(project: Project) -> None:
    project.write(
        test_one="""
            import os
            from dbhelp import connect
            def note():
                with connect() as c: where = c.execute("show data_directory").fetchone()[0]
                open("servers", "a").write(where + "\\n")
            def test_before(): note()
            def test_crashes(): os._exit(1)
            def test_after(): note()
        """
    )
    run = project.dbsafe("--no-confirm", "--grouping", "file")
    assert run.outcomes["test_one.py::test_after"] == "passed", run.out
    before, after = (project.root / "servers").read_text().split()
    assert before != after


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGKILL], ids=["int", "kill"]
)
def test_no_server_outlives_a_run_that_is_ended(project: Project, number: signal.Signals) -> None:
    project.write(
        test_one="""
            import time
            from dbhelp import connect
            def test_long():
                with connect() as c: c.execute("select 1")
                open("started", "w").write("x")
                time.sleep(40)
        """
    )
    process = project.start(project.command())
    deadline = time.monotonic() + 60
    while not (project.root / "started").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert servers_of(psutil.Process(process.pid))
    process.send_signal(number)
    process.communicate(timeout=20)
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


@pytest.mark.long
def test_a_program_that_closes_nothing_and_a_pool_of_threads(project: Project) -> None:
    project.write(
        test_one="""
            import threading
            from dbhelp import connect
            def test_threads():
                seen = []
                def work():
                    with connect() as c: seen.append(c.execute("select 1").fetchone()[0])
                threads = [threading.Thread(target=work) for _ in range(8)]
                [t.start() for t in threads]; [t.join() for t in threads]
                assert seen == [1] * 8
            def test_forked_child_connects():
                import os
                pid = os.fork()
                if pid == 0:
                    with connect() as c: c.execute("select 1")
                    os._exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        """
    )
    project.dbsafe()
    run = project.dbsafe()
    assert run.code == 0, run.out


def test_a_test_whose_session_was_ended_is_run_again_once(project: Project) -> None:
    project.write(
        test_one="""
            import os, signal
            from pathlib import Path
            from dbhelp import connect

            def ended(mark):
                with connect() as c:
                    if not (mark and Path(mark).exists()):
                        if mark: Path(mark).touch()
                        pid = c.info.backend_pid
                        with connect() as other: other.execute(f"select pg_terminate_backend({pid})")
                    c.execute("select 1")

            def test_once(): ended("once")
            def test_each_time(): ended("")
            def test_after(): ended("once")
        """
    )
    run = project.dbsafe(workers=1)
    assert run.outcomes == {
        "test_one.py::test_once": "passed",
        "test_one.py::test_each_time": "failed",
        "test_one.py::test_after": "passed",
    }, run.out
    assert run.notices().count("test-hit") == 2
    assert "The test is run again: its session was ended." in run.out
    assert run.test("test_each_time")["verdict"] == "failed"


def test_what_a_test_that_was_hit_leaves_is_there_for_those_behind_it(project: Project) -> None:
    project.write(
        test_one="""
            from pathlib import Path
            from dbhelp import connect

            def test_makes_a_table():
                with connect() as c: c.execute("create table t (n int)")

            def test_inserts():
                with connect() as c:
                    if not Path("once").exists():
                        Path("once").touch()
                        pid = c.info.backend_pid
                        with connect() as other: other.execute(f"select pg_terminate_backend({pid})")
                    c.execute("insert into t values (1)")

            def test_needs_it():
                with connect() as c: assert c.execute("select count(*) from t").fetchone() == (1,)

            def test_goes_on():
                with connect() as c: c.execute("insert into t values (1)")

            def test_fails_serially_too():
                with connect() as c: assert c.execute("select count(*) from t").fetchone() == (1,)
        """
    )
    run = project.dbsafe(workers=1)
    assert run.outcomes == {
        "test_one.py::test_makes_a_table": "passed",
        "test_one.py::test_inserts": "passed",
        "test_one.py::test_needs_it": "passed",
        "test_one.py::test_goes_on": "passed",
        "test_one.py::test_fails_serially_too": "failed",
    }, run.out
    assert run.notices().count("test-hit") == 1


TWO_URLS = """
    import time
    import psycopg

    def test_connects():
        time.sleep(0.3)
        with psycopg.connect("postgresql://{0}@localhost/{0}db") as connection:
            assert connection.info.dbname == "{0}db"
"""


def test_all_workers_take_the_same_url_for_the_suites_database(tmp_path):
    project = Project(tmp_path).write(test_a=TWO_URLS.format("app"), test_b=TWO_URLS.format("other"))
    ran = project.dbsafe("--workers", "2")
    assert ran.code == 1
    assert sorted(ran.outcomes.values()) == ["failed", "passed"]
    (failed,) = [test for test in ran.results["tests"] if test["outcome"] == "failed"]
    assert failed["verdict"] == "failed"
    assert {"source-learned", "several-sources"} <= set(ran.notices())
    (hint,) = [note["hint"] for note in ran.results["notices"] if note["code"] == "several-sources"]
    project.file(
        "runner.toml", hint.partition("runner.toml: ")[2].replace("[database] ", "[database]\n")
    )
    again = project.dbsafe("--workers", "2")
    assert again.code == 0, again.out


def test_a_login_that_fails_as_no_source_is_configured_is_explained(tmp_path):
    second = TWO_URLS.replace("test_connects", "test_connects_as_another")
    project = Project(tmp_path).write(test_a=TWO_URLS.format("app") + second.format("other"))
    ran = project.dbsafe("--workers", "1")
    assert ran.outcomes == {
        "test_a.py::test_connects": "passed",
        "test_a.py::test_connects_as_another": "failed",
    }
    (note,) = [note for note in ran.results["notices"] if note["code"] == "several-sources"]
    assert 'role "other" does not exist' in note["message"]
    assert 'source = ["postgresql://app@localhost:5432/appdb", …]' in note["hint"]


#: Waits until its run has another namespace beside its own, or for some time.
LOOKS_BESIDE = """
    import time
    from pathlib import Path
    from dbhelp import connect

    def test_beside():
        with connect() as c:
            c.execute("create table changed (n int)")
            own = Path(c.execute("show data_directory").fetchone()[0]).parent
        until = time.monotonic() + ({expected} and 10) + 1
        others = []
        while not others and time.monotonic() < until:
            others = [one for one in own.parent.iterdir() if one.is_dir() and one.name.isdigit()]
            others = [one for one in others if one != own]
            time.sleep(0.01)
        print(f"{{len(others)}} others")
        assert bool(others) is {expected}
"""


def test_where_each_batch_spends_its_namespace_the_next_is_made_ahead(project: Project) -> None:
    files = {"test_1": True, "test_2": True, "test_3": False}
    project.write(**{name: LOOKS_BESIDE.format(expected=there) for name, there in files.items()})
    ran = project.dbsafe("--isolation", "conservative", "--no-confirm", workers=1)
    assert ran.code == 0, ran.out
    assert len(ran.results["namespaces"]) == len(files)
