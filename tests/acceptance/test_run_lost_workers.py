"""Workers that die, stop or do not start: they are replaced, or the run ends and says why."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from fakes.projects import Project, wait_until_none_is_left


def started(project: Project, *arguments: str, workers: int = 2) -> subprocess.Popen[str]:
    return project.start([*project.command(workers), *arguments])


def wait_for_file(path: Path, process: subprocess.Popen[str], seconds: float = 30.0) -> str:
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come that far"
        time.sleep(0.02)
    return path.read_text()


@pytest.mark.parametrize(
    "where", ["call", *(pytest.param(where, marks=pytest.mark.long) for where in ("teardown", "idle"))]
)
def test_a_worker_killed_from_outside_is_replaced(project: Project, where: str) -> None:
    wait = "open({name!r}, 'w').write(str(os.getpid())); time.sleep(1.5)"
    bodies = {
        "call": f"def test_1(): {wait.format(name='pid')}\ndef test_2(): pass",
        "teardown": f"""
import pytest
@pytest.fixture
def slow():
    yield
    {wait.format(name="pid")}
def test_1(slow): pass
def test_2(): pass""",
        # A batch that waits for another one keeps a worker idle.
        "idle": "def test_1(): open('pid', 'w').write(str(os.getpid()))\ndef test_2(): pass",
    }
    project.file("test_one.py", f"import os, time\n{bodies[where]}\n")
    project.write(test_two="import time\ndef test_other(): time.sleep(2)")
    process = started(project, "--no-confirm")
    pid = int(wait_for_file(project.root / "pid", process))
    if where == "idle":
        time.sleep(0.5)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        assert where == "idle"
    out, _ = process.communicate(timeout=60)
    outcomes, results = project.read_results()
    killed = "passed" if where == "idle" else "failed"
    assert outcomes == {
        "test_one.py::test_1": killed,
        "test_one.py::test_2": "passed",
        "test_two.py::test_other": "passed",
    }, out
    assert process.returncode == (0 if where == "idle" else 1)
    assert results["totals"]["not_run"] == 0
    wait_until_none_is_left(project)


def test_the_zygote_killed_from_outside(project: Project) -> None:
    project.write(
        conftest="import os\nopen('zygote', 'w').write(str(os.getpid()))",
        test_one="import time\ndef test_1(): open('started', 'w').write('x'); time.sleep(30)",
    )
    process = started(project)
    wait_for_file(project.root / "started", process)
    os.kill(int((project.root / "zygote").read_text()), signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 67, out
    assert "error[zygote-died]" in out
    assert "killed by SIGKILL" in out
    wait_until_none_is_left(project)


def test_a_suite_that_ends_the_interpreter_at_import(project: Project) -> None:
    project.write(test_one="import os; os._exit(3)")
    run = project.dbsafe()
    assert run.code == 67
    assert "error[zygote-died]" in run.out
    assert "exit code 3" in run.out


def test_workers_that_do_not_live(project: Project) -> None:
    project.write(
        conftest="""
            import os
            home = os.getpid()
            os.register_at_fork(after_in_child=lambda: os._exit(9))
        """,
        test_one="def test_1(): pass",
    )
    run = project.dbsafe("--start", "fork")
    assert run.code == 67
    assert "error[workers-do-not-start]" in run.out
    assert "exited with status 9" in run.out
    wait_until_none_is_left(project)


@pytest.mark.long
def test_spawned_workers_that_do_not_live_show_what_they_printed(project: Project) -> None:
    project.write(
        conftest="""
            from pathlib import Path
            if Path("seen").exists(): raise RuntimeError("only one of us")
            Path("seen").touch()
        """,
        test_one="def test_1(): pass",
    )
    run = project.dbsafe("--start", "spawn")
    assert run.code == 67
    assert "error[workers-do-not-start]" in run.out
    assert "only one of us" in run.out


def test_a_worker_that_is_stopped_is_replaced(project: Project) -> None:
    project.write(
        test_one="""
            import os, signal
            from pathlib import Path
            def test_1():
                if not Path("stopped").exists():
                    Path("stopped").touch()
                    os.kill(os.getpid(), signal.SIGSTOP)
            def test_2(): pass
        """,
        test_two="import time\ndef test_3(): time.sleep(1)",
    )
    run = project.dbsafe("--timeout", "2", "--no-confirm")
    assert run.outcomes == {
        "test_one.py::test_1": "failed",
        "test_one.py::test_2": "passed",
        "test_two.py::test_3": "passed",
    }, run.out
    assert "ran longer than 2 s" in run.test("test_1")["text"]
    wait_until_none_is_left(project)
