"""What tests leave behind beside rows is told with their names; what wider fixtures hold is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project, Run

URL = "postgresql://app@localhost:5432/app"

LEAKY = """
    import subprocess, tempfile, threading, time
    import psycopg
    URL = "postgresql://app@localhost:5432/app"
    HELD = []

    def waits(): time.sleep(30)

    def test_thread(): threading.Thread(target=waits, daemon=True).start()
    def test_process(): HELD.append(subprocess.Popen(["sleep", "30"]))
    def test_file(): tempfile.NamedTemporaryFile(prefix="left", delete=False).close()
    def test_folder(): tempfile.mkdtemp(prefix="left")
    def test_connection():
        HELD.append(psycopg.connect(URL, autocommit=True))
    def test_transaction():
        HELD.append(psycopg.connect(URL))
        HELD[-1].execute("select 1")
    def test_tidy(): pass
"""

TIDY = """
    import concurrent.futures, subprocess, tempfile, threading, time
    import psycopg, pytest
    URL = "postgresql://app@localhost:5432/app"
    POOL = concurrent.futures.ThreadPoolExecutor(1)

    @pytest.fixture(scope="module")
    def wide():
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        process = subprocess.Popen(["sleep", "30"])
        folder = tempfile.mkdtemp()
        with psycopg.connect(URL) as connection:
            connection.execute("select 1")
            yield connection
        __import__("os").rmdir(folder)
        process.kill(); process.wait()
        stop.set(); thread.join()

    @pytest.fixture
    def narrow():
        with psycopg.connect(URL) as connection:
            yield connection
            connection.rollback()

    def test_uses_both(wide, narrow):
        wide.execute("select 1"); narrow.execute("select 1")
    def test_uses_them_again(wide, narrow):
        wide.execute("select 2"); narrow.execute("select 2")
    def test_closes_within_a_transaction():
        connection = psycopg.connect(URL)
        connection.execute("select 1")
        connection.close()
    def test_writes():
        with psycopg.connect(URL) as connection:
            connection.execute("create table if not exists things (id int)")
            connection.execute("insert into things values (1)")
    def test_uses_a_pool(): assert POOL.submit(int, "3").result() == 3
    def test_tidies_up(tmp_path):
        with tempfile.TemporaryDirectory(), tempfile.NamedTemporaryFile(): pass
        (tmp_path / "x").write_text("x")
        subprocess.run(["true"]); threading.Thread(target=int).start()
    def test_tells_a_thread_to_stop():
        stop = threading.Event()
        threading.Thread(target=stop.wait).start()
        stop.set()
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "temporary").mkdir()
    project = Project(tmp_path)
    project.variables["TMPDIR"] = str(tmp_path / "temporary")
    return project


def leaks(run: Run) -> dict[str, list[str]]:
    return {test["nodeid"].partition("::")[2]: test["leaks"] for test in run.results["tests"]}


def test_what_tests_leave_behind_is_told_with_their_names(project: Project) -> None:
    project.write(test_leaky=LEAKY)
    run = project.dbsafe("--source", URL, "-v", workers=1)
    assert run.code == 0, run.out
    found = leaks(run)
    assert len(found["test_thread"]) == 1
    assert found["test_thread"][0].startswith("thread Thread-"), found
    assert "test_leaky.py:" in found["test_thread"][0]
    assert [leak.partition(": ")[2] for leak in found["test_process"]] == ["sleep 30"], found
    folder = str(project.root / "temporary" / "left")
    assert [leak[: len(folder) + 5] for leak in found["test_file"]] == [f"file {folder}"], found
    assert [leak[: len(folder) + 5] for leak in found["test_folder"]] == [f"file {folder}"], found
    assert found["test_connection"] == ["connection to PostgreSQL, 1 left open"]
    assert "transaction, 1 left open" in found["test_transaction"]
    assert found["test_tidy"] == []
    assert "6 tests left something behind" in run.out, run.out
    assert "test_leaky.py::test_process: process " in run.out, run.out
    report = (project.root / ".dbsafe" / "results" / "report.html").read_text()
    assert "connection to PostgreSQL, 1 left open" in report


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_forked_child_that_is_left_does_not_delay_the_end(project: Project, start: str) -> None:
    project.write(
        test_one="""
            import os, time
            def test_leaves_a_child():
                if os.fork() == 0:
                    time.sleep(120); os._exit(0)
            def test_after(): pass
        """
    )
    run = project.dbsafe("--start", start, workers=1)
    assert run.code == 0, run.out
    assert list(run.outcomes.values()) == ["passed", "passed"]
    assert len(leaks(run)["test_leaves_a_child"]) == 1
    assert run.results["run"]["wall"] < 25, "it waited for the child"


def test_what_is_tidied_up_or_held_by_wider_fixtures_is_no_leak(project: Project) -> None:
    project.write(test_tidy=TIDY)
    run = project.dbsafe("--source", URL, workers=1)
    assert run.code == 0, run.out
    assert {name: found for name, found in leaks(run).items() if found} == {}, run.out
    assert "left something behind" not in run.out
