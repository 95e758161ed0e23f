"""Selecting tests, stopping early and exit codes: as plain pytest does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


MIXED = """
    import pytest

    def test_passes(): pass
    def test_fails(): assert 1 == 2
    @pytest.mark.slow
    def test_marked(): pass
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_numbers(n): assert n < 3
"""
MARKERS = """
    def pytest_configure(config):
        config.addinivalue_line("markers", "slow: takes long")
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-k", "passes or numbers"],
        pytest.param(["-k", "passes"], marks=pytest.mark.long),
        pytest.param(["-m", "slow"], marks=pytest.mark.long),
        pytest.param(["-m", "not slow", "-k", "not fails"], marks=pytest.mark.long),
        pytest.param(["test_one.py::test_numbers[2]"], marks=pytest.mark.long),
        pytest.param(["test_one.py::test_fails", "test_two.py"], marks=pytest.mark.long),
        pytest.param(["-k", "absent"], marks=pytest.mark.long),
        ["test_absent.py"],
        pytest.param(["test_one.py::test_absent"], marks=pytest.mark.long),
        ["--no-such-option"],
        ["--deselect", "test_one.py::test_fails", "-q"],
        pytest.param(["--strict-markers", "-o", "xfail_strict=true"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_the_same_tests_run_with_the_same_end(project: Project, arguments: list[str]) -> None:
    project.write(test_one=MIXED, test_two=MIXED, conftest=MARKERS)
    serial, parallel = project.same(*arguments)
    for line in serial.out.splitlines():
        if line.startswith(("FAILED", "ERROR", "collected")) and "usage:" not in line:
            assert line in parallel.out


@pytest.mark.long
def test_last_failed_first_and_new_first(project: Project) -> None:
    project.write(test_one=MIXED, test_two=MIXED, test_zoo="def test_last(): assert 0", conftest=MARKERS)
    project.same()
    cache = project.root / ".pytest_cache" / "v" / "cache" / "lastfailed"
    assert len(cache.read_text().splitlines()) == 7
    serial, parallel = project.same("--lf")
    assert set(serial.outcomes.values()) == {"failed"}
    assert "run-last-failure: rerun previous 5 failures" in parallel.out
    project.write(test_new="def test_new(): pass")
    project.same("--nf", "--collect-only")


@pytest.mark.long
def test_failed_first_runs_failed_tests_first(project: Project) -> None:
    project.write(
        test_a="def test_a1(): pass\ndef test_a2(): pass\ndef test_a3(): pass\ndef test_a4(): pass",
        test_b="def test_b(): pass",
        test_c="def test_c1(): pass\ndef test_c2(): assert 0\ndef test_c3(): pass",
    )

    def first_of(*arguments: str) -> str:
        return next(iter(project.dbsafe("--no-confirm", *arguments, workers=1).outcomes))

    assert first_of() == "test_a.py::test_a1"
    assert first_of("--ff") == "test_c.py::test_c2"
    project.write(test_d="def test_d(): pass")
    assert first_of("--nf") == "test_d.py::test_d"


def test_stopping_at_the_first_failure(project: Project) -> None:
    slow = "import time\ndef test_1(): time.sleep(0.3)\ndef test_2(): time.sleep(30)"
    project.write(
        test_a="import time\ndef test_1(): time.sleep(0.4); assert 0", test_b=slow, test_c=slow
    )
    run = project.dbsafe("-x", workers=3)
    assert run.code == 1
    assert run.outcomes["test_a.py::test_1"] == "failed"
    assert "stopping after 1 failures" in run.out
    # What pytest says at the end comes behind all that is told of tests.
    assert run.out.index("test_a.py F") < run.out.index("stopping after 1 failures")
    assert run.results["run"]["wall"] < 15
    assert run.results["totals"]["not_run"] >= 2


def test_maxfail(project: Project) -> None:
    project.write(**{f"test_{n}": "def test_1(): assert 0\ndef test_2(): assert 0" for n in range(6)})
    serial = project.pytest("--maxfail=3")
    run = project.dbsafe("--maxfail=3")
    assert run.code == serial.code == 1
    assert "stopping after 3 failures" in run.out
    assert 3 <= run.results["totals"]["failed"] <= 4


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--collect-only"], marks=pytest.mark.long),
        ["--collect-only", "-q"],
        pytest.param(["--fixtures"], marks=pytest.mark.long),
        pytest.param(["--markers"], marks=pytest.mark.long),
        pytest.param(["--version"], marks=pytest.mark.long),
        pytest.param(["--co"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_what_runs_nothing_shows_what_pytest_shows(project: Project, arguments: list[str]) -> None:
    project.write(test_one=MIXED, conftest=MARKERS)
    serial, parallel = project.same(*arguments)
    assert parallel.outcomes == {}
    missing = [line for line in serial.out.splitlines() if line not in parallel.out]
    assert all(" in " in line for line in missing), missing


def test_setup_plan_runs_no_test(project: Project) -> None:
    project.write(test_one="import pytest\n@pytest.fixture\ndef f(): 1/0\ndef test_one(f): 1/0")
    run = project.dbsafe("--setup-plan")
    assert run.code == project.pytest("--setup-plan").code == 0
    assert "SETUP    F f" in run.out


def test_setup_show(project: Project) -> None:
    project.write(test_one="import pytest\n@pytest.fixture\ndef f(): pass\ndef test_one(f): pass")
    _, parallel = project.same("--setup-show")
    assert "SETUP    F f" in parallel.out
    assert "test_one.py::test_one (fixtures used: f)" in parallel.out
    assert "TEARDOWN F f" in parallel.out


def test_a_conftest_that_raises(project: Project) -> None:
    project.write(test_one=MIXED, conftest="raise RuntimeError('broken on purpose')")
    serial, parallel = project.same()
    assert serial.code == 4
    assert "broken on purpose" in parallel.out


def test_collection_errors_stop_the_run(project: Project) -> None:
    project.write(test_one="import absent_module", test_two=MIXED, conftest=MARKERS)
    serial, parallel = project.same()
    assert serial.code == 2
    assert "Interrupted: 1 error during collection" in parallel.out
    assert "No module named 'absent_module'" in parallel.out
    [error] = parallel.results["collection_errors"]
    assert error["nodeid"] == "test_one.py"
    assert error["reason"] == "ModuleNotFoundError: No module named 'absent_module'"
    assert "import absent_module" in error["text"]


def test_going_on_after_collection_errors(project: Project) -> None:
    project.write(test_one="import absent_module", test_two=MIXED, conftest=MARKERS)
    project.file("runner.toml", '[[rules]]\nnodeid = "test_one.py::*"\nlevel = 3\n')
    serial, parallel = project.same("--continue-on-collection-errors")
    # The rule is about a file that could not be collected.
    assert "rule-matches-nothing" not in parallel.notices()
    assert serial.code == 1
    assert "1 error" in parallel.out.splitlines()[-1] or "1 error" in parallel.out
    assert "1 collection error in " in parallel.out
    assert parallel.out.count("ERROR collecting test_one.py") == 1
    assert "No module named 'absent_module'" in parallel.out
    assert parallel.out.count("= ERRORS =") == 1
    assert [error["nodeid"] for error in parallel.results["collection_errors"]] == ["test_one.py"]


def test_no_tests_at_all(project: Project) -> None:
    serial, parallel = project.same()
    assert serial.code == 5
    assert "no tests ran" in parallel.out


def test_reports_name_the_line_of_each_test(project):
    project.write(test_one="def test_passes(): pass\n\n\ndef test_fails(): assert False\n")
    ran = project.dbsafe("--no-confirm")
    assert {test["nodeid"]: test["line"] for test in ran.results["tests"]} == {
        "test_one.py::test_passes": 1,
        "test_one.py::test_fails": 4,
    }


@pytest.mark.parametrize("option", ["--pdb", pytest.param("--trace", marks=pytest.mark.long)])
def test_the_debugger_is_refused(project, option):
    project.write(test_one="def test_fails(): assert False")
    ran = project.dbsafe(option)
    assert ran.code == 4
    assert f"{option} needs the terminal" in ran.out
    assert not ran.outcomes
