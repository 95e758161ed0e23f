"""dbsafe ended from outside: an orderly end for the first signal, nothing left behind by any."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fakes.projects import Project

# Files are closed by name, not by the garbage collector: CPython looks for signals while a file object
# is flushed, and a KeyboardInterrupt that is raised in a finaliser is lost.
TESTS = """
    import os, pathlib, pytest, time

    @pytest.fixture(scope="session", autouse=True)
    def whole():
        yield
        open(f"session-down-{os.getpid()}", "w").close()

    @pytest.fixture
    def slow():
        yield
        open("test-down", "w").close()

    def test_quick(): pass
    def test_long(slow):
        pathlib.Path("started").write_text("x")
        time.sleep(40)
    def test_never(): pass
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files with a name that leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.fixture
def project(tmp_path: Path, temporary: Path) -> Project:
    project = Project(tmp_path)
    project.variables["TMPDIR"] = str(temporary)
    project.write(test_one=TESTS)
    return project


def launch(project: Project, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return project.start([*project.command(), *arguments], **options)


def start(project: Project, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    process = launch(project, "--grouping", "file", *arguments, **options)
    wait_for(project.root / "started", process)
    return process


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 40
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come that far"
        time.sleep(0.02)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process], seconds: float = 5.0) -> None:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 2),
        (signal.SIGTERM, 128 + 15),
        pytest.param(signal.SIGHUP, 128 + 1, marks=pytest.mark.long),
    ],
    ids=["int", "term", "hup"],
)
def test_the_first_signal_ends_the_run_in_order(
    project: Project, temporary: Path, number: signal.Signals, code: int
) -> None:
    process = start(project, "--junitxml=junit.xml")
    children = family(process)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == code, out
    assert "Traceback" not in out
    outcomes, results = project.read_results()
    assert outcomes == {"test_one.py::test_quick": "passed"}, out
    assert results["run"]["interrupted"]
    assert results["totals"]["not_run"] == 2
    assert results["run"]["exit_code"] == code
    assert (project.root / "test-down").exists()
    assert list(project.root.glob("session-down-*"))
    assert (project.root / ".dbsafe/results/report.html").exists()
    assert "test_quick" in (project.root / "junit.xml").read_text()
    assert f"Interrupted by {number.name}" in out
    assert "warning[interrupted]: Interrupted: what runs is torn down" in out
    assert_gone(children)
    assert not list(temporary.glob("dbsafe-*"))


def test_the_second_signal_ends_it_now(project: Project) -> None:
    project.write(
        test_one="""
            import pathlib, time
            def test_long():
                told = pathlib.Path("started")
                while True:
                    try:
                        told.write_text("x")
                        time.sleep(40)
                    except KeyboardInterrupt: told = pathlib.Path("asked")
        """
    )
    process = start(project)
    children = family(process)
    process.send_signal(signal.SIGINT)
    wait_for(project.root / "asked", process)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert time.monotonic() - begun < 3
    assert process.returncode == 2, out
    assert "Traceback" not in out
    assert project.read_results()[1]["run"]["interrupted"]
    assert_gone(children)


@pytest.mark.long
def test_a_test_that_ignores_the_signal_is_ended_after_a_while(project: Project) -> None:
    project.write(
        test_one="""
            import pathlib, time
            def test_long():
                while True:
                    try:
                        pathlib.Path("started").write_text("x")
                        time.sleep(40)
                    except KeyboardInterrupt: pass
        """
    )
    process = start(project)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 2, out


def test_killed_outright_nothing_goes_on(project: Project, temporary: Path) -> None:
    process = start(project)
    children = family(process)
    assert len(children) >= 2
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    assert_gone(children)
    assert list(temporary.glob("dbsafe-run-*"))
    project.write(test_one="def test_one(): pass")
    assert project.dbsafe().code == 0
    assert not list(temporary.glob("dbsafe-run-*"))


def test_interrupted_while_collecting(project: Project) -> None:
    project.write(
        test_one="import pathlib, time\npathlib.Path('started').write_text('x')\ntime.sleep(40)"
    )
    process = start(project)
    children = family(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 2, out
    assert "KeyboardInterrupt" in out
    assert_gone(children)


def test_ctrl_c_in_a_terminal_reaches_the_whole_group_once(project: Project) -> None:
    process = start(project, process_group=0)
    children = family(process)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 2, out
    assert project.read_results()[0] == {"test_one.py::test_quick": "passed"}
    assert_gone(children)


#: In place of `cp`: takes its time, and lets it be known.
SLOW_CP = """#!/bin/sh
echo x >{folder}/started
sleep 2
exec {cp} "$@"
"""


def test_helpers_that_a_signal_would_end_too_are_no_failure(project: Project, temporary: Path) -> None:
    # Servers' accounts use it as well.
    temporary.chmod(0o777)
    slow = temporary / "bin" / "cp"
    slow.parent.mkdir()
    slow.write_text(SLOW_CP.format(folder=temporary, cp=shutil.which("cp")))
    slow.chmod(0o755)
    project.variables["PATH"] = f"{slow.parent}{os.pathsep}{os.environ['PATH']}"
    project.write(
        test_one="""
            import psycopg
            def test_connects():
                psycopg.connect("postgresql://shop@localhost:5432/shop").close()
        """
    )
    process = launch(project, process_group=0)
    wait_for(temporary / "started", process)
    os.killpg(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 128 + 15, out
    assert "warning[interrupted]" in out
    assert "error[" not in out
    assert "Traceback" not in out


#: Stops whatever imports it for a while, once a certain process does.
SLOW_IMPORT = """
    import pathlib, sys, time
    if {word!r} in " ".join(sys.orig_argv):
        pathlib.Path({started!r}).write_text("x")
        time.sleep({seconds})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("module", "word", "seconds", "arguments"),
    [
        pytest.param("sitecustomize", "workers.zygote", 2, (), id="python-starts"),
        pytest.param("slow_plugin", "zygote", 40, ("-p", "slow_plugin"), id="plugins-are-loaded"),
        pytest.param("typer", "cli", 2, (), id="dbsafe-starts"),
    ],
)
def test_interrupted_before_anything_is_collected(
    project: Project, number: int, module: str, word: str, seconds: int, arguments: tuple[str, ...]
) -> None:
    started = project.root / "started"
    text = SLOW_IMPORT.format(word=word, started=str(started), seconds=seconds)
    project.write(**{module: text})
    project.variables["PYTHONPATH"] = str(project.root)
    # What a shell starts in the background ignores SIGINT, and so do its children.
    process = launch(project, *arguments, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    wait_for(started, process)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert "Traceback" not in out
    expected = {2} if number == signal.SIGINT else {128 + 15, -signal.SIGTERM}
    assert process.returncode in expected, out


def test_what_a_teardown_raises_after_the_interrupt_is_no_error_of_a_test(project: Project) -> None:
    project.write(
        conftest="""
            import pytest
            @pytest.fixture(scope="session", autouse=True)
            def half():
                yield
                raise RuntimeError("half done")
        """
    )
    process = start(project, "--junitxml=junit.xml")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 2, out
    outcomes, results = project.read_results()
    assert outcomes == {"test_one.py::test_quick": "passed"}, out
    assert results["totals"]["not_run"] == 2
    assert "ERROR" not in out
    assert "warning[teardown-cut-short]: What worker gw" in out
    assert "tore down at the end raised: RuntimeError: half done" in out
