"""The adaptive strategy: the number of workers follows the load of the machine while the run goes on."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from fakes.projects import Project

SLEEPS = """
    import pytest, time
    @pytest.mark.parametrize("n", range(9))
    def test_it(n): time.sleep(0.2)
"""


def test_workers_come_while_processors_are_idle(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(**{f"test_{letter}": SLEEPS for letter in "abcdefghij"})
    run = project.dbsafe("--isolation", "adaptive", "--workers", "auto", "-v")
    assert run.code == 0, run.out
    assert run.results["totals"]["passed"] == 90
    sizes = [size["workers"] for size in run.results["pool"]]
    assert sizes
    assert all(2 <= size <= 8 for size in sizes)
    for before, size in itertools.pairwise(run.results["pool"]):
        words = "1 worker" if size["workers"] == 1 else f"{size['workers']} workers"
        assert f"{words} instead of {before['workers']}: {size['reason']}" in run.out
    # On a machine that others keep busy there is nothing to grow into.
    moments = run.results["moments"]
    idle = [moment["processors"] < 0.6 and moment["io_wait"] < 0.1 for moment in moments]
    if all(idle[:4]):
        assert max(sizes) > sizes[0], run.out
        assert len({worker["name"] for worker in run.results["workers"]}) == max(sizes)


@pytest.mark.long
def test_a_number_that_was_asked_for_is_kept(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(**{f"test_{letter}": SLEEPS for letter in "abc"})
    run = project.dbsafe("--isolation", "adaptive", workers=3)
    assert [size["workers"] for size in run.results["pool"]] == [3], run.out
