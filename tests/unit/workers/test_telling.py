"""The words for a finding."""

from __future__ import annotations

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.confirmation import Finding
from dbsafe_runner.workers.telling import hint, of_finding


def test_culprits_are_named_up_to_three() -> None:
    finding = Finding(Verdict.VICTIM, (1, 2, 3, 4))
    assert of_finding(finding, ["a", "b", "c", "d"]) == (
        "passes alone but fails behind a, b, c and 1 more, which break it: it is a victim"
    )
    assert "behind a, which breaks it" in of_finding(Finding(Verdict.VICTIM, (1,)), ["a"])


def test_what_is_not_known_leads_to_bisect() -> None:
    finding = Finding(Verdict.BRITTLE)
    assert "behind the tests before it" in of_finding(finding, [])
    assert hint(finding, "t.py::x") == "dbsafe bisect 't.py::x' finds out which of them."
    assert hint(Finding(Verdict.BRITTLE, (1,)), "t.py::x") == ""


def test_a_plain_failure_needs_no_words() -> None:
    assert of_finding(Finding(Verdict.CONFIRMED), []) == ""
    assert of_finding(Finding(Verdict.CLEAR), []) == ""


def test_an_order_that_no_serial_run_has() -> None:
    finding = Finding(Verdict.VICTIM, (9,), only_out_of_order=True)
    assert "counts as passed" in of_finding(finding, ["z"])


def test_what_was_only_settled_says_so() -> None:
    finding = Finding(Verdict.BRITTLE, only_in_order=True)
    assert of_finding(finding, []) == (
        "passes in the order of a serial run, which it did not have here; it counts as passed"
    )
    assert hint(finding, "t.py::x") == "dbsafe bisect 't.py::x' finds out what it hangs on."
