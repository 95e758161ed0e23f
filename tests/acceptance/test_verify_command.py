"""`dbsafe verify` compares what can be compared, and says why where it cannot."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from fakes.projects import Project

#: Stands in for pytest-randomly: its option, its way to choose a seed, and an order that hangs on it.
SHUFFLING = """
    import random
    def pytest_addoption(parser):
        parser.addoption("--randomly-seed", dest="randomly_seed", default="default")
    def pytest_configure(config):
        if config.option.randomly_seed == "default":
            config.option.randomly_seed = random.Random().getrandbits(32)
    def pytest_collection_modifyitems(config, items):
        random.Random(int(config.option.randomly_seed)).shuffle(items)
"""


def verify(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dbsafe verify` as a user would."""
    return project.other("verify", "--no-confirm", *arguments)


def test_both_runs_have_one_order_where_a_plugin_shuffles(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins=("shuffling",)).write(
        shuffling=SHUFFLING,
        test_one="""
            import pytest
            ran = []
            @pytest.mark.parametrize("number", range(8))
            def test_one(number):
                ran.append(number)
                assert ran == sorted(ran)
        """,
    )
    project.variables["PYTHONPATH"] = str(tmp_path)
    done = verify(project)
    assert done.returncode == 0, done.stdout
    assert "8 tests ended the same" in done.stdout


def test_a_serial_run_learns_what_the_run_with_dbsafe_did_not(tmp_path: Path) -> None:
    project = Project(tmp_path).write(
        test_one="""
            import os
            import psycopg
            def test_connects():
                if "PYTEST_XDIST_WORKER" not in os.environ:
                    with psycopg.connect("postgresql://me@localhost/mydb") as connection:
                        found = connection.execute("select current_user, current_database()").fetchone()
                        assert found == ("me", "mydb")
        """,
    )
    done = verify(project)
    assert done.returncode == 0, done.stdout
    assert "1 test ended the same" in done.stdout


def test_a_serial_failure_is_told_with_its_reason(tmp_path: Path) -> None:
    project = Project(tmp_path).write(
        test_one="""
            import os
            def test_one(): assert "PYTEST_XDIST_WORKER" in os.environ, "no worker"
        """,
    )
    done = verify(project)
    assert done.returncode == 68, done.stdout
    assert "test_one.py::test_one: serially failed, with dbsafe passed\n" in done.stdout
    assert "  serially: AssertionError: no worker\n" in done.stdout


def test_only_what_ran_in_both_is_compared_where_one_ended_early(tmp_path: Path) -> None:
    project = Project(tmp_path).write(
        test_one="""
            import os
            def test_1(): pass
            def test_2(): assert "PYTEST_XDIST_WORKER" not in os.environ
            def test_3(): pass
        """,
    )
    done = verify(project, "-x")
    assert done.returncode == 68, done.stdout
    assert "test_3" not in done.stdout
    assert "-x or --maxfail ends early cannot be compared in full" in done.stdout
    assert "1 of 2 tests differs." in done.stdout


@pytest.mark.long
def test_runs_that_end_early_alike_agree(tmp_path: Path) -> None:
    project = Project(tmp_path).write(test_one="def test_1(): pass\ndef test_2(): assert 0")
    done = verify(project, "-x")
    assert done.returncode == 0, done.stdout
    assert "cannot be compared in full" in done.stdout


def test_a_run_that_cannot_begin_is_not_compared(tmp_path: Path) -> None:
    project = Project(tmp_path).write(test_one="def test_1(): pass")
    done = verify(project, "--no-such-option")
    assert done.returncode == 4, done.stdout
    assert "Running the suite serially" not in done.stdout
    assert "times as fast" not in done.stdout


@pytest.mark.long
def test_nothing_is_said_of_speed_where_nothing_ran(tmp_path: Path) -> None:
    project = Project(tmp_path).write(test_one="import no_such_module")
    done = verify(project)
    assert done.returncode == 2, done.stdout
    assert "both runs ended with exit code 2" in done.stdout
    assert "times as fast" not in done.stdout


#: With dbsafe it is quick; serially the second test says that it runs, and hangs.
HANGS = """
    import os, pathlib, time
    def test_1(): pass
    def test_2():
        if "PYTEST_XDIST_WORKER" not in os.environ:
            pathlib.Path("started").write_text("x")
            try:
                time.sleep(60)
            except BaseException as error:
                raise AssertionError("interrupted") from error
    def test_3(): pass
"""
#: Tells what the serial run is at more often than one would read it.
OFTEN = """
from dbsafe_runner.session import serial_progress
serial_progress.EVERY = 0.3
from dbsafe_runner.cli.main import main
main()
"""


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """Start `dbsafe verify`, and come back when its test has said that it runs."""
    words = ["verify" if word == "run" else word for word in project.command()]
    words[words.index("-c") + 1] = OFTEN
    process = project.start([*words, "--no-confirm", *arguments])
    deadline = time.monotonic() + 60
    while not (project.root / "started").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 2), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)],
)
def test_an_interrupted_serial_run_says_so_and_compares_what_has_ended(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start(Project(tmp_path).write(test_one=HANGS))
    time.sleep(1.0)
    process.send_signal(number)
    signalled = time.monotonic()
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - signalled < 5
    assert process.returncode == code, out
    assert "[ 33%] 1 of 3 tests serially" in out
    assert "test_one.py::test_2" in out
    assert "warning[interrupted]: Interrupted during the serial run" in out
    assert out.endswith("No difference so far: 1 test ended the same in both runs.\n")


def test_an_interrupt_of_the_run_with_dbsafe_ends_the_comparison(tmp_path: Path) -> None:
    project = Project(tmp_path).write(test_one=HANGS.replace("not in", "in"))
    process = start(project)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out
    assert "Interrupted during the run with dbsafe, so that the suite was not run serially." in out
    assert "Running the suite serially" not in out
