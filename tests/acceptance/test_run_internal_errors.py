"""Hooks of a suite that raise: told once, as pytest does, with the exit code that pytest has."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project

TESTS = """
    import pytest
    @pytest.mark.parametrize("number", range(4))
    def test_one(number): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path).write(test_a=TESTS, test_b=TESTS)


@pytest.mark.parametrize(
    ("hook", "start"),
    [
        ("pytest_runtest_protocol(item)", "fork"),
        pytest.param("pytest_runtest_protocol(item)", "spawn", marks=pytest.mark.long),
        pytest.param("pytest_runtest_makereport(item, call)", "fork", marks=pytest.mark.long),
        pytest.param("pytest_runtest_logreport(report)", "fork", marks=pytest.mark.long),
    ],
)
def test_a_hook_that_raises_in_workers_is_one_internal_error(
    project: Project, hook: str, start: str
) -> None:
    project.write(conftest=f"def {hook}: raise RuntimeError('no such thing')")
    serial, parallel = project.pytest(), project.dbsafe("--start", start)
    assert parallel.code == serial.code == 3, parallel.out
    lines = parallel.out.splitlines()
    assert lines.count("INTERNALERROR> Traceback (most recent call last):") == 1
    assert lines.count("INTERNALERROR> RuntimeError: no such thing") == 1
    assert [line for line in lines if "Traceback" in line and "INTERNALERROR" not in line] == []
    assert "zygote.py" not in parallel.out
    assert "conftest.py" in parallel.out
    assert "exited with status" not in parallel.out
    assert "failed" not in parallel.outcomes.values()
    assert parallel.results["run"]["exit_code"] == 3


def test_so_is_one_that_raises_where_reports_are_put_together(project: Project) -> None:
    project.write(
        conftest="""
            def pytest_configure(config): config.pluginmanager.register(Listener(config))
            class Listener:
                def __init__(self, config): self.config = config
                def pytest_runtest_logreport(self, report):
                    if not hasattr(self.config, "workerinput"): raise RuntimeError("no such thing")
        """
    )
    run = project.dbsafe()
    assert run.code == 3, run.out
    assert run.out.splitlines().count("INTERNALERROR> RuntimeError: no such thing") == 1
    assert run.results["run"]["exit_code"] == 3


def test_an_internal_error_is_given_to_the_hook_for_it_once(project: Project) -> None:
    project.write(
        conftest="""
            def pytest_runtest_protocol(item): raise RuntimeError("no such thing")
            def pytest_internalerror(excrepr, excinfo):
                print("told:", str(excrepr).splitlines()[-1], flush=True)
                return True
        """
    )
    run = project.dbsafe("-p", "no:terminal")
    assert run.code == 3, run.out
    assert run.out.splitlines().count("told: RuntimeError: no such thing") == 1


@pytest.mark.parametrize(
    "hook",
    [
        "sessionfinish",
        pytest.param("terminal_summary", marks=pytest.mark.long),
        pytest.param("unconfigure", marks=pytest.mark.long),
    ],
)
def test_a_hook_that_raises_at_the_end_ends_as_in_pytest(project: Project, hook: str) -> None:
    project.write(conftest=f"def pytest_{hook}(): raise RuntimeError('no such thing')")
    serial, parallel = project.pytest(), project.dbsafe()
    assert parallel.code == serial.code == 1, parallel.out
    assert parallel.out.splitlines().count("RuntimeError: no such thing") == 1
    assert parallel.out.count("Traceback (most recent call last)") == 1
    assert "zygote" not in parallel.out
    assert len(parallel.outcomes) == 8
    assert parallel.results["run"]["exit_code"] == 1


@pytest.mark.parametrize(
    ("value", "code"), [("5", 5), pytest.param("'enough'", 1, marks=pytest.mark.long)]
)
def test_a_suite_that_leaves_python_at_the_end_decides_on_the_exit_code(
    project: Project, value: str, code: int
) -> None:
    project.write(conftest=f"import sys\ndef pytest_unconfigure(): sys.exit({value})")
    assert project.dbsafe().code == project.pytest().code == code


def test_subtests_of_unittest_without_the_plugin_for_subtests(tmp_path: Path) -> None:
    project = Project(tmp_path).write(
        test_one="""
            import unittest
            class TestOne(unittest.TestCase):
                def test_fail(self): self.fail()
                def test_sub(self):
                    with self.subTest(i=1): pass
                def test_bad_sub(self):
                    with self.subTest(i=1): self.fail("for this reason")
        """
    )
    serial, parallel = project.pytest("-p", "no:subtests"), project.dbsafe("-p", "no:subtests")
    assert parallel.code == serial.code == 1, parallel.out
    assert "2 failed, 3 passed in" in serial.out
    assert "2 failed, 3 passed in" in parallel.out
