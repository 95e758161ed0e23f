"""`dbsafe explain`, as a user meets it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

SUITE = """
    import psycopg
    import pytest

    URL = "postgresql://shop@localhost/shop"

    @pytest.fixture
    def connection():
        with psycopg.connect(URL) as connection:
            yield connection

    def test_order(connection):
        connection.execute("INSERT INTO orders VALUES (1)")
        connection.commit()

    @pytest.mark.parametrize("number", range(3))
    def test_sum(number):
        assert number + 0 == number

    class TestBasket:
        def test_sum(self): pass

    @pytest.mark.dbsafe(level="SCHEMA_CHANGES")
    def test_marked(): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path).write(test_shop=SUITE)


def explain(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DBSAFE, "explain", "--static", *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_chain_of_evidence_has_places_and_source_lines(project):
    done = explain(project, "test_shop.py::test_order")
    assert done.returncode == 0, done.stderr
    assert "3 SHARED_WRITES" in done.stdout
    assert "test_shop.py:13" in done.stdout
    assert '13 | connection.execute("INSERT INTO orders VALUES (1)")' in done.stdout
    assert "what would change it" in done.stdout
    assert "cost       processor light, memory light, 1 connection" in done.stdout


def test_a_marker_comes_first(project):
    done = explain(project, "test_shop.py::test_marked")
    assert "4 SCHEMA_CHANGES" in done.stdout
    evidence = done.stdout.partition("evidence, strongest first")[2]
    assert evidence.split()[0] == "marker"


def test_the_collected_suite_is_explained_too(project):
    done = subprocess.run(
        [*DBSAFE, "explain", "test_shop.py::test_sum"],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "test_shop.py::test_sum[0]\nthe first of 3 with different parameters; 3 are NONE\n"
    )


def test_a_name_that_is_unique_is_enough(project):
    assert explain(project, "test_order").stdout.startswith("test_shop.py::test_order\n")


def test_a_name_that_is_not_unique_is_refused_with_what_fits(project):
    done = explain(project, "test_sum")
    assert done.returncode == 64
    assert "error[ambiguous-test]: 2 tests are called test_sum." in done.stderr
    assert "test_shop.py::TestBasket::test_sum" in done.stderr


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("test_shop.py::test_oder", "test_shop.py::test_order"),
        ("tests/test_shop.py::test_order", "test_shop.py::test_order"),
        ("test_ordre", "test_shop.py::test_order"),
    ],
)
def test_an_unknown_test_is_refused_with_close_matches(project, wanted, meant):
    done = explain(project, wanted)
    assert done.returncode == 64
    assert f"error[unknown-test]: There is no test {wanted}." in done.stderr
    assert meant in done.stderr


def test_a_test_has_to_be_named(project):
    done = explain(project)
    assert done.returncode == 64
    assert "error[no-test-named]" in done.stderr


FIXED = """
    import psycopg
    import pytest

    def test_file():
        open("/tmp/dbsafe-acceptance-fixed", "w").close()

    @pytest.mark.serial
    def test_serial(): pass

    def test_broken():
        assert not "never"
"""


def test_what_the_sources_keep_beside_an_observation_is_named(tmp_path):
    project = Project(tmp_path).write(test_kept=FIXED)
    project.file("pytest.ini", "[pytest]\nmarkers =\n    serial: alone\n")
    project.dbsafe()

    def advice(name: str) -> str:
        said = explain(project, f"test_kept.py::{name}").stdout
        return " ".join(said.partition("what would change it")[2].split())

    assert "what the sources say: writes the fixed file /tmp/dbsafe-acceptance-fixed" in advice(
        "test_file"
    )
    assert "what the sources say: is marked serial (test_kept.py:" in advice("test_serial")
    assert "with a path below tmp_path it could run beside other tests" in advice("test_file")
    assert "without the mark it could run beside other tests" in advice("test_serial")
    assert advice("test_broken").startswith("- it has run, but")
