"""`dbsafe benchmark` on a small suite that breaks when several processes share a database."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

SUITE = """
    import time
    import psycopg
    import pytest

    URL = "postgresql://shop@localhost/shop"

    @pytest.mark.parametrize("number", range(4))
    def test_alone(number):
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders ()")
            time.sleep(0.2)
            connection.execute("DROP TABLE orders")
"""


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = project.environment()
    del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    return subprocess.run(
        [*DBSAFE, "benchmark", *arguments],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path).write(test_one=SUITE, test_two=SUITE)


@pytest.mark.long
def test_all_ways_are_run_and_compared(project: Project) -> None:
    done = run(project, "--workers", "2", "--turns", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["tests"] == 8
    serial, xdist, ours = found["contenders"]
    assert (serial["name"], xdist["name"], ours["name"]) == (
        "pytest",
        "pytest -n 2",
        "dbsafe, 2 workers",
    )
    assert serial["turns"][0]["differences"] == ours["turns"][0]["differences"] == 0
    assert xdist["turns"][0]["differences"] > 0
    assert all(contender["median"] > 0 for contender in found["contenders"])


def test_a_suite_that_cannot_run_is_not_measured(project: Project) -> None:
    project.write(conftest="import nothing_of_that_name")
    done = run(project, "--turns", "1")
    assert done.returncode == 64
    assert "error[nothing-to-measure]" in done.stderr
