"""Errors in the teardown of what tests share: where a serial run has them, however tests are spread."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


#: In a worker, the first of these waits until another worker has had one of the others.
SPREAD = """
    import os, pytest, subprocess, time
    from pathlib import Path

    @pytest.fixture(scope="module")
    def shared():
        seen = []
        yield seen
        {teardown}

    @pytest.mark.parametrize("number", range(4))
    def test_it(shared, number):
        shared.append(number)
        if number:
            # Not by Path.touch, which the analysis would take for state that they share.
            subprocess.run(["touch", "spread"], check=True)
        deadline = time.monotonic() + 30 * ("PYTEST_XDIST_WORKER" in os.environ)
        while not Path("spread").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
"""
#: Each test is a batch of its own, although they share a list: as if the analysis had not seen it.
APART = '[[rules]]\nnodeid = "*"\nlevel = "NONE"\n'


def spread(project: Project, teardown: str) -> None:
    project.file("runner.toml", APART)
    project.write(test_a=SPREAD.format(teardown=teardown), test_b="def test_other(): pass")


@pytest.mark.parametrize("confirm", ["--confirm", pytest.param("--no-confirm", marks=pytest.mark.long)])
def test_an_error_comes_once_at_the_last_test(project: Project, confirm: str) -> None:
    spread(project, 'raise ValueError("down")')
    serial = project.pytest()
    run = project.dbsafe("--grouping", "test", confirm)
    assert run.outcomes == serial.outcomes, run.out
    assert run.outcomes["test_a.py::test_it[3]"] == "error"
    assert "5 passed, 1 error" in run.out
    assert run.code == serial.code == 1


def test_an_error_that_another_test_causes_is_told_with_it(project: Project) -> None:
    spread(project, 'assert 0 not in seen, "broken by the first"')
    serial = project.pytest()
    run = project.dbsafe("--grouping", "test")
    assert serial.outcomes["test_a.py::test_it[3]"] == "error"
    found = run.test("test_it[3]")
    assert (found["outcome"], found["verdict"]) == ("error", "victim"), run.out
    assert found["other"] == "test_a.py::test_it[0]"
    assert run.code == 1
    assert "5 passed, 1 error" in run.out


def test_an_error_that_only_the_spreading_causes_does_not_count(project: Project) -> None:
    spread(project, "assert len(seen) == 4")
    assert project.pytest().code == 0
    run = project.dbsafe("--grouping", "test")
    assert set(run.outcomes.values()) == {"passed"}, run.out
    assert run.code == 0
    assert [*run.notices()].count("brittle-test") == 1


def test_an_error_of_a_package_that_another_file_causes_counts(project: Project) -> None:
    project.file("runner.toml", APART)
    project.file("part/__init__.py", "")
    project.write(
        part__conftest="""
            import pytest
            @pytest.fixture(scope="package")
            def shared():
                seen = []
                yield seen
                assert "a" not in seen, "broken by the first"
        """,
        part__test_a="def test_one(shared): shared.append('a')",
        part__test_b="def test_two(shared): shared.append('b')\ndef test_three(shared): pass",
    )
    serial = project.pytest()
    run = project.dbsafe("--grouping", "test")
    assert serial.outcomes["part/test_b.py::test_three"] == "error"
    assert run.outcomes == serial.outcomes, run.out
    found = run.test("test_three")
    assert (found["verdict"], found["other"]) == ("victim", "part/test_a.py::test_one"), run.out
    assert run.code == 1


def test_classes_and_packages(project: Project) -> None:
    project.file("runner.toml", APART)
    project.file("part/__init__.py", "")
    project.write(
        part__conftest="""
            import pytest
            @pytest.fixture(scope="package", autouse=True)
            def package():
                yield
                raise ValueError("package")
        """,
        part__test_a="""
            import time
            class TestIt:
                @classmethod
                def teardown_class(cls): raise ValueError("class")
                def test_one(self): time.sleep(0.3)
                def test_two(self): time.sleep(0.3)
                def test_three(self): time.sleep(0.3)
        """,
        part__test_b="def test_four(): pass\ndef test_five(): pass",
        test_c="def test_six(): pass",
    )
    serial = project.pytest()
    run = project.dbsafe("--grouping", "test")
    assert run.outcomes == serial.outcomes, run.out
    failed = {name for name, outcome in run.outcomes.items() if outcome == "error"}
    assert failed == {"part/test_a.py::TestIt::test_three", "part/test_b.py::test_five"}


def test_where_the_run_ends_with_a_failure_the_error_is_there(project: Project) -> None:
    project.write(
        test_a="""
            import pytest
            @pytest.fixture(scope="module")
            def shared():
                yield
                raise ValueError("down")
            def test_one(shared): assert False
            def test_two(shared): pass
        """
    )
    serial, run = project.same("-x", workers=1)
    assert serial.outcomes["test_a.py::test_one"] == "failed"
    assert "1 failed, 1 error" in serial.out
    assert "1 failed, 1 error" in run.out
