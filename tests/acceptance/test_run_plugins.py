"""Plugins that many suites use do under dbsafe what they do under plain pytest."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from fakes.projects import Project

import dbsafe_runner


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


SLEEPY = """
    import time, pytest
    def test_before(): pass
    @pytest.mark.timeout(0.5)
    def test_hangs(): time.sleep(60)
    def test_after(): pass
"""


def test_timeout_by_signal(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins=("pytest_timeout",)).write(test_one=SLEEPY)
    serial, parallel = project.same()
    assert serial.outcomes["test_one.py::test_hangs"] == "failed"
    assert "Timeout (>0.5s) from pytest-timeout" in parallel.out


def test_timeout_by_thread_ends_the_worker_and_not_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins=("pytest_timeout",)).write(test_one=SLEEPY)
    run = project.dbsafe("-o", "timeout_method=thread", "--no-confirm")
    assert run.outcomes == {
        "test_one.py::test_before": "passed",
        "test_one.py::test_hangs": "failed",
        "test_one.py::test_after": "passed",
    }
    assert "exited with status 1" in run.test("test_hangs")["text"]
    assert "Timeout" in run.out
    assert "time.sleep(60)" in run.out


def test_asyncio(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins=("pytest_asyncio",)).write(
        test_one="""
            import asyncio, pytest, pytest_asyncio
            @pytest_asyncio.fixture(loop_scope="module", scope="module")
            async def shared():
                yield asyncio.get_running_loop()
            @pytest.mark.asyncio(loop_scope="module")
            async def test_1(shared): assert shared is asyncio.get_running_loop()
            @pytest.mark.asyncio(loop_scope="module")
            async def test_2(shared): await asyncio.sleep(0.01)
            @pytest.mark.asyncio
            async def test_3(): assert await asyncio.sleep(0, 1) == 2
        """
    )
    project.same("-W", "error")


MEASURED = {
    "shop/__init__.py": "",
    "shop/prices.py": """
        import os
        def price(n):
            if n > 10:
                return n * 0.9
            if n < 0:
                raise ValueError(n)
            return n
        def only_in_child(): return os.getpid()
        def only_in_program(): return 1
        def never(): return None
    """,
    "test_a.py": """
        from shop.prices import price
        def test_small(): assert price(1) == 1
    """,
    "test_b.py": """
        import os, subprocess, sys
        from shop.prices import only_in_child, price
        def test_large(): assert price(20) == 18
        def test_program():
            program = "import shop.prices as p; p.only_in_program()"
            subprocess.run([sys.executable, "-c", program], check=True)
    """,
    "test_c.py": """
        import pytest
        from shop.prices import price
        @pytest.fixture(scope="session", autouse=True)
        def late():
            yield
            import shop.late
        def test_negative():
            with pytest.raises(ValueError): price(-1)
    """,
    "shop/late.py": "LATE = 1\n",
    ".coveragerc": "[run]\nbranch = true\nsource = shop\npatch = subprocess\nparallel = true\n",
}


def lines_covered(project: Project, name: str) -> dict[str, object]:
    data = json.loads((project.root / name).read_text())
    return {
        file: (info["executed_lines"], info["missing_lines"], info.get("executed_branches"))
        for file, info in data["files"].items()
    }


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_coverage_is_that_of_a_serial_run(tmp_path: Path, start: str) -> None:
    project = Project(tmp_path, plugins=("pytest_cov",))
    for name, text in MEASURED.items():
        project.file(name, text)
    options = ["--cov", "--cov-report=term-missing"]
    serial = project.pytest(*options, "--cov-report=json:serial.json")
    parallel = project.dbsafe(*options, "--cov-report=json:parallel.json", "--start", start)
    assert parallel.code == serial.code == 0, parallel.out
    assert lines_covered(project, "parallel.json") == lines_covered(project, "serial.json")
    total = next(line for line in serial.out.splitlines() if line.startswith("TOTAL"))
    assert total in parallel.out
    left = [path.name for path in tmp_path.glob(".coverage.*")]
    assert left == []


@pytest.mark.long
def test_coverage_run_by_coverage_itself(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, text in MEASURED.items():
        project.file(name, text)
    project.variables["COVERAGE_PROCESS_START"] = str(tmp_path / ".coveragerc")
    assert project.dbsafe("--cov-fail-under=1", "-p", "pytest_cov", "--cov").code == 0
    assert project.dbsafe("-p", "pytest_cov", "--cov", "--cov-fail-under=99").code == 1


@pytest.mark.parametrize(
    "options",
    [
        "-n auto",
        pytest.param("--numprocesses=3 --dist loadfile", marks=pytest.mark.long),
        pytest.param("-n2 --dist=loadgroup --maxprocesses=2", marks=pytest.mark.long),
        pytest.param("--dist loadscope --tx 2*popen", marks=pytest.mark.long),
    ],
)
def test_what_the_suite_asks_of_xdist_does_not_interfere(tmp_path: Path, options: str) -> None:
    project = Project(tmp_path, plugins=("xdist",)).file(
        "pytest.ini", f"[pytest]\naddopts = {options}\n"
    )
    project.write(
        conftest="""
            def pytest_configure(config):
                import os
                open(f"seen-{os.getpid()}", "w").write(str(getattr(config.option, "numprocesses", "")))
        """,
        test_one="""
            import os, pytest
            @pytest.mark.xdist_group("g")
            def test_one(worker_id, testrun_uid):
                assert worker_id == os.environ["PYTEST_XDIST_WORKER"] and worker_id.startswith("gw")
                assert testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"]
                assert int(os.environ["PYTEST_XDIST_WORKER_COUNT"]) >= 1
            def test_two(request):
                import xdist
                assert xdist.is_xdist_worker(request)
                assert request.config.workerinput["workerid"].startswith("gw")
        """,
    )
    run = project.dbsafe()
    assert run.code == 0, run.out
    assert set(run.outcomes) == {"test_one.py::test_one", "test_one.py::test_two"}
    assert len(list(tmp_path.glob("seen-*"))) == 1


def test_xdist_groups_stay_together(tmp_path: Path) -> None:
    text = """
        import os, pytest, time
        @pytest.mark.xdist_group(name="one-server")
        def test_grouped():
            time.sleep(0.1)
            open("pids", "a").write(f"{os.getpid()}\\n")
    """
    project = Project(tmp_path).write(**{f"test_{n}": text for n in range(4)})
    assert project.dbsafe("-p", "xdist", workers=4).code == 0
    assert len(set((tmp_path / "pids").read_text().split())) == 1


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that finds everything that this one does, save pytest-xdist."""
    home = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(home, symlinks=True)
    site = next(home.glob("lib/python*/site-packages"))
    for entry in Path(pytest.__file__).parent.parent.iterdir():
        if not entry.name.lower().startswith(("xdist", "pytest_xdist", "__editable__", "pip", "dbsafe")):
            (site / entry.name).symlink_to(entry)
    (site / "here.pth").write_text(str(Path(dbsafe_runner.__file__).parent.parent))
    return home / "bin" / "python"


def test_xdist_names_work_where_it_is_not_installed(tmp_path: Path, bare_python: Path) -> None:
    project = Project(tmp_path).write(
        test_one="""
            import importlib.util, os, pytest
            @pytest.mark.xdist_group("g")
            def test_one(worker_id, testrun_uid, request):
                assert importlib.util.find_spec("xdist") is None
                assert worker_id == os.environ["PYTEST_XDIST_WORKER"] and worker_id.startswith("gw")
                assert testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"]
                assert request.config.workerinput["workercount"] >= 1
        """
    )
    project.python = str(bare_python)
    run = project.dbsafe("--strict-markers", "-W", "error")
    assert run.code == 0, run.out
    assert run.outcomes == {"test_one.py::test_one": "passed"}


@pytest.fixture(scope="session")
def extra_plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plugins that are not among our own dependencies."""
    folder = tmp_path_factory.mktemp("plugins")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*command, "pytest-rerunfailures", "pytest-randomly"], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no package index within reach")
    return folder


def test_rerunfailures(tmp_path: Path, extra_plugins: Path) -> None:
    project = Project(tmp_path, plugins=("pytest_rerunfailures",)).write(
        test_one="""
            from pathlib import Path
            def test_second_time_lucky():
                first = not Path("seen").exists(); Path("seen").touch()
                assert not first
            def test_never(): assert 0
            def test_fine(): pass
        """
    )
    project.variables["PYTHONPATH"] = str(extra_plugins)
    run = project.dbsafe("--reruns", "2", "--no-confirm")
    assert run.outcomes == {
        "test_one.py::test_second_time_lucky": "passed",
        "test_one.py::test_never": "failed",
        "test_one.py::test_fine": "passed",
    }
    assert "1 failed, 2 passed, 3 rerun" in run.out


@pytest.mark.long
def test_rerunfailures_beside_xdist_does_not_keep_workers_from_being_forked(
    tmp_path: Path, extra_plugins: Path
) -> None:
    project = Project(tmp_path, plugins=("xdist", "pytest_rerunfailures")).write(
        conftest="""
            import os
            def pytest_collection_finish(session):
                with open("collected", "a") as file:
                    print(os.getpid(), file=file)
        """,
        test_one="""
            from pathlib import Path
            runs = []
            def test_second_time_lucky():
                runs.append(1)
                assert len(runs) > 1
            def test_never(): assert 0
            def test_fine(): pass
        """,
        test_two="def test_two(): pass",
    )
    project.variables["PYTHONPATH"] = str(extra_plugins)
    serial = project.pytest("--reruns", "2", "-W", "error")
    (tmp_path / "collected").unlink()
    run = project.dbsafe("--reruns", "2", "--no-confirm", "-W", "error")
    assert run.outcomes == serial.outcomes
    assert run.outcomes["test_one.py::test_second_time_lucky"] == "passed"
    assert run.code == serial.code == 1
    assert "workers-are-spawned" not in run.notices()
    assert len((tmp_path / "collected").read_text().split()) == 1
    assert "1 failed, 3 passed, 3 rerun" in run.out


def test_randomly(tmp_path: Path, extra_plugins: Path) -> None:
    text = "import random\ndef test_1(): pass\ndef test_2(): print(random.random())\ndef test_3(): pass"
    project = Project(tmp_path, plugins=("pytest_randomly",))
    project.write(**{f"test_{n}": text for n in range(3)})
    project.variables["PYTHONPATH"] = str(extra_plugins)
    for start in ("fork", "spawn"):
        run = project.dbsafe("--start", start)
        assert run.code == 0, run.out
        assert len(run.outcomes) == 9


@pytest.mark.long
def test_faulthandler_of_pytest(project: Project) -> None:
    project.write(test_one="import time\ndef test_one(): time.sleep(1.2)")
    run = project.dbsafe("-o", "faulthandler_timeout=0.3")
    assert run.code == 0
    assert "Timeout (0:00:00.3" in run.out or "most recent call first" in run.out


def test_a_test_that_a_plugin_runs_without_a_report_has_no_outcome(tmp_path: Path) -> None:
    project = Project(tmp_path).write(
        conftest="""
            def pytest_runtest_protocol(item):
                return True if "quiet" in item.name else None
        """,
        test_one="def test_first(): pass\ndef test_quiet(): pass\ndef test_last(): pass",
    )
    serial, parallel = project.pytest(), project.dbsafe()
    assert parallel.code == serial.code == 0
    assert serial.outcomes == {"test_one.py::test_first": "passed", "test_one.py::test_last": "passed"}
    assert parallel.outcomes == {**serial.outcomes, "test_one.py::test_quiet": "not-run"}
    assert "2 passed, 1 not run" in parallel.out


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_what_plugins_keep_in_workers_reaches_them(tmp_path: Path, start: str) -> None:
    """As with pytest-xdist: by `workeroutput` in each worker to `pytest_testnodedown`."""
    text = "def test_one(keep): pass\ndef test_two(keep): pass"
    project = Project(tmp_path, plugins=("xdist",)).write(
        conftest="""
            import pytest
            kept, gathered = [], []
            @pytest.fixture
            def keep(request): kept.append(request.node.nodeid)
            def pytest_sessionfinish(session):
                if hasattr(session.config, "workeroutput"):
                    session.config.workeroutput["kept"] = kept
            @pytest.hookimpl(optionalhook=True)
            def pytest_testnodedown(node, error): gathered.extend(node.workeroutput["kept"])
            def pytest_terminal_summary(terminalreporter):
                terminalreporter.write_line(f"gathered {sorted(gathered)}")
        """,
        test_a=text,
        test_b=text,
    )
    run = project.dbsafe("--start", start)
    everything = sorted(f"test_{file}.py::test_{name}" for file in "ab" for name in ("one", "two"))
    assert f"gathered {everything}" in run.out


@pytest.mark.parametrize("others", [(), ("xdist",)])
def test_snapshots_of_syrupy_are_written_and_used(tmp_path: Path, others: tuple[str, ...]) -> None:
    text = (
        "def test_one(snapshot): assert [1, 2] == snapshot\ndef test_two(snapshot): assert 3 == snapshot"
    )
    project = Project(tmp_path, plugins=("syrupy", *others)).write(test_a=text, test_b=text)
    updated = project.dbsafe("--snapshot-update")
    assert "4 snapshots generated" in updated.out
    again = project.dbsafe()
    assert "4 snapshots passed" in again.out
    assert again.code == project.pytest().code == 0
    assert "deleted" not in project.dbsafe("--snapshot-update").out
