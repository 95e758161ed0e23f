from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from dbsafe_runner.cli.verify import verification_lines
from dbsafe_runner.session.verifying import Difference, Verification, compare, was_cut_short


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


def test_the_reason_of_a_serial_failure_is_told(snapshot: SnapshotAssertion) -> None:
    reasons = {"t.py::test_a": "OperationalError: connection refused", "t.py::test_b": "no server"}
    found = compare(
        {"t.py::test_a": "failed", "t.py::test_b": "skipped"},
        {"t.py::test_a": "passed", "t.py::test_b": "passed"},
        reasons,
    )
    assert shown(Verification(found, 2, 30.0, 12.0, 1, 0)) == snapshot


def test_a_run_that_ended_early_is_compared_in_part(snapshot: SnapshotAssertion) -> None:
    found = Verification((), 3, 30.0, 12.0, 1, 1, partial=True)
    assert shown(found) == snapshot
    assert found.exit_code == 0


def test_a_run_that_could_not_begin(snapshot: SnapshotAssertion) -> None:
    found = Verification((), 0, 0.0, 0.8, None, 4)
    assert shown(found) == snapshot
    assert found.exit_code == 4


def test_an_interrupted_serial_run_is_compared_as_far_as_it_came(snapshot: SnapshotAssertion) -> None:
    found = Verification((), 26, 12.0, 3.0, 2, 0, partial=True, interrupted="serial run")
    assert shown(found) == snapshot
    assert found.exit_code == 2
    differences = (Difference("t.py::test_a", "passed", "failed"),)
    found = Verification(differences, 26, 12.0, 3.0, 143, 0, partial=True, interrupted="serial run")
    assert shown(found).endswith("1 of 26 tests differs.")
    assert found.exit_code == 143


def test_without_a_test_that_ended_in_both_runs_nothing_agrees(snapshot: SnapshotAssertion) -> None:
    found = Verification((), 0, 1.0, 3.0, 2, 0, partial=True, interrupted="serial run")
    assert shown(found) == snapshot


def test_after_an_interrupt_of_the_run_with_dbsafe_there_is_no_serial_one(
    snapshot: SnapshotAssertion,
) -> None:
    found = Verification((), 0, 0.0, 3.0, None, 2, interrupted="run with dbsafe")
    assert shown(found) == snapshot
    assert found.exit_code == 2


def test_what_maxfail_cuts_short() -> None:
    passed, failed = {"a": "passed", "b": "passed"}, {"a": "passed", "b": "failed"}
    assert was_cut_short(1, failed, failed)
    assert was_cut_short(1, passed, failed)
    # One more failure would have been allowed; a failed teardown counts, too.
    assert not was_cut_short(2, passed, failed)
    assert was_cut_short(2, {**passed, "c": "passed"}, failed)
    assert not was_cut_short(0, passed, failed)
    # Nothing failed, so that a test is missing has another reason.
    assert not was_cut_short(1, {"a": "passed"}, passed)


def test_a_reason_takes_one_reasonable_line() -> None:
    difference = Difference("t.py::t", "failed", "passed", f"AssertionError: assert {'x' * 1500}")
    _, reason, *_ = shown(Verification((difference,), 240, 30.0, 12.0, 1, 0)).splitlines()
    assert reason.startswith("  serially: AssertionError: assert xxx")
    assert len(reason) < 180
