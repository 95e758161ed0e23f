"""Limits of time: tests that hang wherever they may, tests that are slow, runs that take too long."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from fakes.projects import Project, Run

#: Waits where no signal handler of Python runs: in libpq, for the server.
IN_LIBPQ = """
    def test_it():
        import psycopg
        with psycopg.connect("postgresql://app@localhost:5432/app") as connection:
            connection.pgconn.exec_(b"select pg_sleep(60)")
"""
IN_SETUP = """
    import pytest
    @pytest.fixture
    def stuck():
        __import__("time").sleep(60)
    def test_it(stuck): pass
"""
IN_TEARDOWN = """
    import pytest
    @pytest.fixture
    def stuck():
        yield
        __import__("time").sleep(60)
    def test_it(stuck): pass
"""
IN_MODULE_TEARDOWN = """
    import pytest
    @pytest.fixture(scope="module")
    def stuck():
        yield
        __import__("time").sleep(60)
    def test_it(stuck): pass
"""
IN_THREADS = """
    def test_it():
        import threading, time
        def waits_in_a_thread(): time.sleep(60)
        threading.Thread(target=waits_in_a_thread).start()
        time.sleep(60)
"""
WITHOUT_SIGNALS = """
    def test_it():
        import signal, time
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        time.sleep(60)
"""


HANGS = {
    "libpq": (IN_LIBPQ, "in test_it"),
    "setup": (IN_SETUP, "in stuck"),
    "teardown": (IN_TEARDOWN, "in stuck"),
    "module_teardown": (IN_MODULE_TEARDOWN, "in stuck"),
    "threads": (IN_THREADS, "in waits_in_a_thread"),
    "without_signals": (WITHOUT_SIGNALS, "There are no stacks: it blocks signals, or was stopped."),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def hung(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of a suite in which every file but one hangs in a way of its own."""
    project = Project(tmp_path_factory.mktemp("hung"))
    project.write(test_other="def test_other(): pass")
    project.write(**{f"test_{name}": body for name, (body, _) in HANGS.items()})
    return project.dbsafe("--timeout", "1.5", "--no-confirm", workers=3)


def test_hanging_tests_cost_no_others(hung: Run) -> None:
    assert hung.code == 1, hung.out
    assert hung.outcomes["test_other.py::test_other"] == "passed", hung.out
    assert hung.results["totals"]["failed"] == len(HANGS)
    assert hung.results["run"]["wall"] < 60


@pytest.mark.parametrize("name", HANGS)
def test_a_hang_anywhere_in_a_test_is_its_failure_with_stacks(hung: Run, name: str) -> None:
    found = hung.test(f"test_{name}.py::test_it")
    assert found["outcome"] == "failed"
    assert found["reason"].startswith("timeout: the test ran longer than 1.5 s")
    assert HANGS[name][1] in found["text"], found["text"]
    assert HANGS[name][1] in hung.out


def test_a_hang_in_the_teardown_of_the_session_is_charged_to_the_last_test(project: Project) -> None:
    project.write(
        conftest="""
            import pytest, time
            @pytest.fixture(scope="session", autouse=True)
            def stuck():
                yield
                time.sleep(60)
        """,
        test_one="def test_1(): pass\ndef test_2(): pass",
    )
    run = project.dbsafe("--timeout", "1", "--junitxml=junit.xml")
    assert run.outcomes["test_one.py::test_1"] == "passed"
    last = run.test("test_2")
    assert last["outcome"] == "error", run.out
    assert "teardown of session fixtures ran longer than 1 s" in last["text"]
    assert "in stuck" in last["text"]
    assert run.code == 1
    assert "teardown of session fixtures" in (project.root / "junit.xml").read_text()


def test_slow_tests_are_named_while_they_run(project: Project) -> None:
    project.write(
        test_one="import time\ndef test_slow(): time.sleep(1.6)\ndef test_quick(): pass",
    )
    run = project.dbsafe("--slow-timeout", "0.5")
    assert run.code == 0
    for limit in ("500 ms", "1.0 s"):
        assert re.search(rf"SLOW > {limit} \[gw\d] test_one.py::test_slow", run.out), run.out
    assert run.test("test_slow")["slow"] >= 2
    assert run.test("test_quick")["slow"] == 0
    assert run.results["run"]["slow_tests"] == 1
    assert "1 test ran longer than" in run.out


def test_a_run_that_takes_too_long_is_stopped_with_its_reports(project: Project) -> None:
    project.write(
        test_one="def test_first(): pass\n",
        test_two="""
            import pytest, time
            @pytest.fixture
            def tidy():
                yield
                __import__("os").mkdir("tidied")
            def test_long(tidy): time.sleep(60)
        """,
        test_deaf="""
            import time
            def test_deaf():
                for _ in range(60):
                    try: time.sleep(60)
                    except KeyboardInterrupt: pass
        """,
    )
    started = time.monotonic()
    run = project.dbsafe("--run-timeout", "5", "--junitxml=junit.xml", workers=3)
    assert time.monotonic() - started < 50, "what does not end with the run is killed"
    assert run.code == run.results["run"]["exit_code"] == 71, run.out
    assert "error[run-timeout]: The run was stopped because it took longer than 5 s." in run.out
    assert "test_two.py::test_long" in run.out
    assert run.outcomes == {"test_one.py::test_first": "passed"}
    assert run.results["totals"]["not_run"] == 2
    assert run.notices().count("run-timeout") == run.out.count("error[run-timeout]") == 1
    assert run.results["error"]["code"] == "run-timeout"
    ours = (project.root / ".dbsafe" / "results" / "junit.xml").read_text()
    assert '<testcase classname="dbsafe" name="run-timeout"' in ours
    assert (project.root / "tidied").exists()
    assert "test_first" in (project.root / "junit.xml").read_text()
    assert "2 not run" in run.out


def test_collection_counts_to_the_run(project: Project) -> None:
    project.write(test_one="import time; time.sleep(60)\ndef test_1(): pass")
    run = project.dbsafe("--run-timeout", "2")
    assert run.code == 71, run.out
    assert "had not been collected yet" in run.out


def test_set_up_counts_to_the_run(project: Project) -> None:
    project.write(
        test_one="""
            import psycopg
            def test_1(): psycopg.connect("postgresql://app@localhost:5432/app").close()
        """
    )
    started = time.monotonic()
    run = project.dbsafe(
        "--run-timeout", "3", "--setup", "sleep 61", "--source", "postgresql://app@localhost:5432/app"
    )
    assert time.monotonic() - started < 50
    assert run.code == 71, run.out
    assert run.results["totals"]["not_run"] == 1


def test_waiting_for_the_set_up_is_charged_to_no_test(project: Project) -> None:
    project.write(
        test_one="""
            import pathlib, psycopg, pytest
            pathlib.Path("collected").touch()
            URL = "postgresql://app@localhost:5432/app"
            @pytest.mark.parametrize("number", range(2))
            def test_it(number): psycopg.connect(URL).close()
        """
    )
    url = "postgresql://app@localhost:5432/app"
    setup = "until [ -e collected ]; do sleep 0.1; done; sleep 3.5"
    limits = ("--timeout", "2", "--slow-timeout", "2")
    run = project.dbsafe(*limits, "--setup", setup, "--source", url, "--fresh-template")
    assert run.code == 0, run.out
    assert "SLOW" not in run.out
