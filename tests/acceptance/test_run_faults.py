"""Tests that break their process, hang or fork: the others' outcomes stand, nothing is left."""

from __future__ import annotations

import pytest
from fakes.projects import Project, wait_until_none_is_left

AROUND = """
    def test_before(): pass
{body}
    def test_after(): pass
"""


def around(body: str) -> str:
    return AROUND.replace("{body}", body)


@pytest.mark.parametrize(
    ("start", "body", "cause"),
    [
        pytest.param(
            "fork",
            "    def test_it(): import os; os._exit(0)",
            "exited with status 0",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "fork",
            "    def test_it(): import os; os._exit(7)",
            "exited with status 7",
            marks=pytest.mark.long,
        ),
        ("fork", "    def test_it(): import ctypes; ctypes.string_at(0)", "was killed by SIGSEGV"),
        pytest.param(
            "fork",
            "    def test_it(): import os; os.abort()",
            "was killed by SIGABRT",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "fork",
            "    def test_it(): import os; os.kill(os.getpid(), 9)",
            "was killed by SIGKILL",
            marks=pytest.mark.long,
        ),
        ("fork", "    def test_it(): import os; os.kill(os.getpid(), 15)", "was killed by SIGTERM"),
        pytest.param(
            "spawn",
            "    def test_it(): import os; os._exit(7)",
            "exited with status 7",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "spawn",
            "    def test_it(): import ctypes; ctypes.string_at(0)",
            "was killed by SIGSEGV",
            marks=pytest.mark.long,
        ),
    ],
    ids=["exit-0", "exit-7", "segfault", "abort", "kill", "term", "spawned-exit", "spawned-segfault"],
)
def test_a_test_that_ends_its_process_fails_alone(
    project: Project, start: str, body: str, cause: str
) -> None:
    project.write(test_one=around(body), test_two="def test_other(): pass")
    run = project.dbsafe("--start", start, "--junitxml=junit.xml")
    assert run.code == 1
    assert run.outcomes == {
        "test_one.py::test_before": "passed",
        "test_one.py::test_it": "failed",
        "test_one.py::test_after": "passed",
        "test_two.py::test_other": "passed",
    }
    assert cause in run.test("test_it")["text"], run.out
    assert "while it ran this test" in run.out
    assert f"was lost during test_one.py::test_it: {cause.removeprefix('was ')}\n" in run.out
    assert f"\n{' test_one.py::test_it ':_^80}\n" in run.out
    assert "FAILED test_one.py::test_it" in run.out
    assert "test_it" in (project.root / "junit.xml").read_text()
    wait_until_none_is_left(project)


def test_the_stacks_of_a_crash_are_shown(project: Project) -> None:
    project.write(test_one="def test_it():\n    import ctypes\n    ctypes.string_at(0)\n")
    text = project.dbsafe("--no-confirm").test("test_it")["text"]
    assert "Fatal Python error: Segmentation fault" in text
    assert "test_one.py" in text


@pytest.mark.parametrize(
    "sleep",
    [
        "import time; time.sleep(60)",
        "import ctypes; ctypes.CDLL(None).sleep(60)",
        pytest.param(
            "from signal import *; pthread_sigmask(SIG_BLOCK, [15]); __import__('time').sleep(60)",
            marks=pytest.mark.long,
        ),
        pytest.param("import subprocess; subprocess.run(['sleep', '60'])", marks=pytest.mark.long),
    ],
    ids=["python", "c", "c-without-term", "program"],
)
def test_a_test_that_hangs_is_ended_with_its_stacks(project: Project, sleep: str) -> None:
    project.write(test_one=around(f"    def test_it(): {sleep}"))
    run = project.dbsafe("--timeout", "0.7", "--no-confirm")
    assert run.outcomes["test_one.py::test_it"] == "failed"
    assert run.outcomes["test_one.py::test_after"] == "passed"
    text = run.test("test_it")["text"]
    assert "ran longer than 0.7 s" in text
    assert "most recent call first" in text
    assert "in test_it" in text
    assert run.results["run"]["wall"] < 15
    wait_until_none_is_left(project)


FORKS = """
    import os, pytest
    def test_falls_through():
        if os.fork() == 0:
            return
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    def test_child_raises():
        if os.fork() == 0:
            raise RuntimeError("in the child")
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
    def test_child_exits():
        if os.fork() == 0:
            raise SystemExit(3)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
    def test_child_ends_its_session():
        if os.fork() == 0:
            pytest.exit("in the child", returncode=5)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 5
    def test_multiprocessing():
        import multiprocessing
        process = multiprocessing.get_context("fork").Process(target=print, args=("x",))
        process.start(); process.join(); assert process.exitcode == 0
    def test_after(): pass
"""


def test_forked_children_that_fall_through_run_nothing_twice(project: Project) -> None:
    project.write(
        test_one=FORKS,
        test_two="def test_once(): open('ran', 'a').write('x')",
        conftest="""
            import pytest
            @pytest.fixture(scope="session", autouse=True)
            def closing():
                yield
                open("closed", "a").write("x")
        """,
    )
    run = project.dbsafe(workers=1)
    assert set(run.outcomes.values()) == {"passed"}, run.out
    assert len(run.results["tests"]) == 7
    assert (project.root / "ran").read_text() == "x"
    assert (project.root / "closed").read_text() == "x" * len(run.results["workers"])
    wait_until_none_is_left(project)


@pytest.mark.parametrize(
    "body",
    [
        "    def test_it(): import os; os.close(1); os.close(2)",
        pytest.param(
            "    def test_it(): import sys; sys.stdout.close(); sys.stderr.close()",
            marks=pytest.mark.long,
        ),
        "    def test_it(): import os; os.close(0)",
    ],
    ids=["descriptors-1-2", "streams", "descriptor-0"],
)
def test_closed_standard_streams_do_not_end_the_run(project: Project, body: str) -> None:
    project.write(test_one=around(body), test_two="def test_other(): print('x')")
    run = project.dbsafe("--no-confirm")
    assert run.outcomes["test_one.py::test_before"] == "passed"
    assert run.outcomes["test_two.py::test_other"] == "passed"
    assert len(run.outcomes) == 4, run.out
    assert run.code in {0, 1}


def test_closing_every_descriptor_costs_that_test_alone(project: Project) -> None:
    project.write(
        test_one=around("    def test_it(): import os; os.closerange(3, 256)"),
        test_two="def test_other(): pass",
    )
    run = project.dbsafe("--no-confirm")
    assert run.outcomes["test_one.py::test_before"] == "passed"
    assert run.outcomes["test_one.py::test_it"] == "failed"
    assert run.outcomes["test_one.py::test_after"] == "passed"
    assert run.outcomes["test_two.py::test_other"] == "passed"
    assert "exited" in run.test("test_it")["text"] or "closed" in run.test("test_it")["text"]


def test_a_changed_directory_stays_as_in_a_serial_run(project: Project) -> None:
    (project.root / "elsewhere").mkdir()
    project.write(
        test_one="""
            import os
            def test_changes(): os.chdir("elsewhere")
            def test_sees_it(): assert os.getcwd().endswith("elsewhere")
            def test_removes_it(tmp_path): os.chdir(tmp_path); tmp_path.rmdir()
            def test_fails_nowhere(): assert 1 == 2
        """
    )
    project.same("--tb=short", "--junitxml=junit.xml", workers=1)
    assert (project.root / "junit.xml").exists()
    assert (project.root / ".pytest_cache").exists()


def test_a_test_that_eats_memory(project: Project) -> None:
    project.write(
        test_one=around(
            """
    def test_it():
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20, 400 * 2**20))
        hold = []
        while True: hold.append(bytearray(2**24))
"""
        )
    )
    run = project.dbsafe("--no-confirm")
    assert run.outcomes["test_one.py::test_it"] == "failed"
    assert run.outcomes["test_one.py::test_before"] == "passed"
    assert "test_one.py::test_after" in run.outcomes


def test_threads_and_daemons_left_behind_do_not_keep_the_run(project: Project) -> None:
    project.write(
        test_one="""
            import subprocess, threading, time
            def test_thread(): threading.Thread(target=time.sleep, args=(60,)).start()
            def test_daemon(): subprocess.Popen(["sleep", "60"], start_new_session=False)
            def test_after(): pass
        """
    )
    run = project.dbsafe()
    assert run.code == 0
    assert run.results["run"]["wall"] < 15
    wait_until_none_is_left(project)
