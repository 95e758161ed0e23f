from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion

from dbsafe_runner.cli.benchmark import benchmark_fields, benchmark_lines
from dbsafe_runner.session.benchmarking import Benchmark, Contender, Turn

SERIAL = Contender("pytest", (Turn(30.0, 0), Turn(31.5, 0), Turn(29.0, 0)))
XDIST = Contender("pytest -n 4", (Turn(16.0, 81), Turn(15.0, 93), Turn(15.5, 77)))
OURS = Contender("dbsafe, 4 workers", (Turn(12.0, 0), Turn(12.5, 0), Turn(11.9, 0)))
FOUND = Benchmark((SERIAL, XDIST, OURS), 562)


def test_the_table(snapshot: SnapshotAssertion) -> None:
    lines = benchmark_lines(FOUND)
    assert "\n".join("".join(text for _, text in line) for line in lines) == snapshot
    assert [line[0][0] for line in lines] == ["bold", "", "bad", "", "dim"]


def test_the_figures_as_json() -> None:
    fields = benchmark_fields(FOUND)
    assert fields["tests"] == 562
    assert fields["contenders"][1]["median"] == 15.5
    assert fields["contenders"][1]["turns"][1] == {"seconds": 15.0, "differences": 93}


@pytest.mark.parametrize(("differences", "code"), [(0, 0), (1, 68)])
def test_only_what_dbsafe_did_counts(differences: int, code: int) -> None:
    ours = Contender("dbsafe, 4 workers", (Turn(12.0, 0), Turn(12.0, differences)))
    assert Benchmark((SERIAL, XDIST, ours), 562).exit_code == code
