from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from dbsafe_runner.cli.verify import verification_lines
from dbsafe_runner.session.verifying import Difference, Verification


def shown(found: Verification) -> str:
    return "\n".join("".join(text for _, text in line) for line in verification_lines(found))


def test_agreement(snapshot: SnapshotAssertion) -> None:
    assert shown(Verification((), 240, 30.0, 12.0, 1, 1)) == snapshot


def test_differences(snapshot: SnapshotAssertion) -> None:
    differences = (
        Difference("tests/test_a.py::test_b", "passed", "failed"),
        Difference("tests/test_a.py::test_c", "", "passed"),
        Difference("tests/test_a.py::test_d", "skipped", ""),
    )
    assert shown(Verification(differences, 240, 30.0, 12.0, 0, 1)) == snapshot


def test_exit_codes_that_differ_are_a_difference(snapshot: SnapshotAssertion) -> None:
    assert shown(Verification((), 1, 0.0, 0.0, 0, 67)) == snapshot


def test_nothing_to_compare_is_no_agreement(snapshot: SnapshotAssertion) -> None:
    found = Verification((), 0, 0.5, 0.8, 5, 5)
    assert shown(found) == snapshot
    assert found.exit_code == 5
