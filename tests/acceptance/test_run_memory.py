"""The memory of a run: large workers are replaced, a test that eats it all is ended, fewer workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project

#: Keeps 12 MiB for each test, as a cache without bounds would.
KEEPS = """
    import time
    KEPT = []
    def keep():
        KEPT.append(bytearray(b"x") * (12 * 2**20))
        time.sleep(0.6)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_workers_over_their_share_are_replaced_between_batches(project: Project) -> None:
    project.write(
        keeps=KEEPS,
        **{
            f"test_{letter}": "from keeps import keep\ndef test_1(): keep()\ndef test_2(): keep()\n"
            for letter in "abcdefghijkl"
        },
    )
    run = project.dbsafe("--max-memory", "260MiB")
    assert run.code == 0, run.out
    assert run.results["totals"]["passed"] == 24
    assert "worker-over-its-share" in run.notices(), run.out
    assert "it is replaced after its batch" in run.out
    assert len(run.results["workers"]) > 2
    assert all(not worker["cause"] for worker in run.results["workers"])


def test_a_test_that_takes_more_than_the_whole_run_may_is_ended(project: Project) -> None:
    project.write(
        test_one="""
            import time
            def test_before(): pass
            def test_eats():
                eaten = []
                while True:
                    eaten.append(bytearray(b"x") * 2**20)
                    time.sleep(0.001)
            def test_after(): pass
        """,
        test_two="def test_other(): pass",
    )
    run = project.dbsafe("--max-memory", "256MiB", "--no-confirm")
    assert run.code == 1, run.out
    assert run.outcomes == {
        "test_one.py::test_before": "passed",
        "test_one.py::test_eats": "failed",
        "test_one.py::test_after": "passed",
        "test_two.py::test_other": "passed",
    }
    found = run.test("test_eats")
    assert found["reason"].startswith("memory: the test's worker took ")
    assert "the whole run may take 256 MiB" in found["reason"]
    assert "in test_eats" in found["text"]


def test_a_child_process_that_eats_counts_for_its_test(project: Project) -> None:
    project.write(
        eats="""
            import time
            eaten = []
            while True:
                eaten.append(bytearray(b"x") * 2**20)
                time.sleep(0.001)
        """,
        test_one="""
            import subprocess, sys
            def test_eats(): subprocess.run([sys.executable, "eats.py"])
            def test_after(): pass
        """,
    )
    run = project.dbsafe("--max-memory", "256MiB", "--no-confirm")
    assert run.outcomes == {"test_one.py::test_eats": "failed", "test_one.py::test_after": "passed"}
    assert run.test("test_eats")["reason"].startswith("memory: ")


def test_there_are_fewer_workers_while_they_take_too_much(project: Project) -> None:
    project.write(
        **{
            f"test_{letter}": """
                import pytest, time
                @pytest.fixture(scope="module", autouse=True)
                def held(): return bytearray(b"x") * (70 * 2**20)
                @pytest.mark.parametrize("n", range(3))
                def test_it(n): time.sleep(0.4)
            """
            for letter in "abcdefghijkl"
        },
    )
    run = project.dbsafe("--max-memory", "300MiB", workers=4)
    assert run.code == 0, run.out
    assert "memory-is-short" in run.notices(), run.out
    assert "3 instead of 4 workers from now on: the run takes " in run.out
    assert min(change["workers"] for change in run.results["pool"]) < 4
