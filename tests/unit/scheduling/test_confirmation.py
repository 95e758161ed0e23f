"""What trials are made of a failure, and what they amount to."""

from __future__ import annotations

import itertools

import pytest

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.confirmation import Confirmation, Trial

ALONE, FILE, ALL = Trial.ALONE, Trial.BEHIND_FILE, Trial.BEHIND_ALL


def judge(confirmation: Confirmation, truth: dict[Trial, list[bool]]) -> tuple[Verdict, list[Trial]]:
    """Play trials until there is a verdict; each trial takes its next outcome from `truth`."""
    outcomes = {trial: iter(values) for trial, values in truth.items()}
    made = []
    while isinstance(step := confirmation.step(), Trial):
        made.append(step)
        confirmation.enter(step, passed=next(outcomes[step]))
    return step, made


@pytest.mark.parametrize(
    ("alone", "behind", "in_order", "verdict", "trials"),
    [
        (False, None, True, Verdict.CONFIRMED, [ALONE]),
        (False, False, False, Verdict.CONFIRMED, [ALONE, FILE]),
        (False, True, False, Verdict.BRITTLE, [ALONE, FILE]),
        (True, False, True, Verdict.VICTIM, [ALONE, FILE]),
        (True, True, True, Verdict.FLAKY, [ALONE, FILE]),
    ],
)
def test_verdicts_within_one_file(
    alone: bool, behind: bool | None, in_order: bool, verdict: Verdict, trials: list[Trial]
) -> None:
    confirmation = Confirmation(predecessors=True, in_order=in_order, others=False)
    found = judge(confirmation, {ALONE: [alone], FILE: [] if behind is None else [behind]})
    assert found == (verdict, trials)


def test_first_test_of_a_file_needs_no_trial_behind_it() -> None:
    confirmation = Confirmation(predecessors=False, in_order=True, others=False)
    assert judge(confirmation, {ALONE: [True]}) == (Verdict.FLAKY, [ALONE])


def test_a_test_that_needs_another_file_is_brittle() -> None:
    confirmation = Confirmation(predecessors=True, in_order=True, others=True)
    assert judge(confirmation, {ALONE: [False], ALL: [True]}) == (Verdict.BRITTLE, [ALONE, ALL])


def test_a_test_that_another_file_breaks_is_a_victim() -> None:
    confirmation = Confirmation(predecessors=True, in_order=True, others=True)
    found = judge(confirmation, {ALONE: [True], FILE: [True], ALL: [False]})
    assert found == (Verdict.VICTIM, [ALONE, FILE, ALL])


def test_retries_stop_at_the_first_pass() -> None:
    confirmation = Confirmation(predecessors=False, in_order=True, others=False, retries=3)
    assert judge(confirmation, {ALONE: [False, False, True]}) == (Verdict.FLAKY, [ALONE] * 3)


def test_retries_are_bounded() -> None:
    confirmation = Confirmation(predecessors=False, in_order=True, others=False, retries=3)
    assert judge(confirmation, {ALONE: [False] * 9}) == (Verdict.CONFIRMED, [ALONE] * 4)


def test_a_failure_that_every_trial_repeats_is_never_excused() -> None:
    for predecessors, in_order, others, retries in itertools.product(
        (True, False), (True, False), (True, False), (0, 2)
    ):
        confirmation = Confirmation(predecessors, in_order, others, retries)
        verdict, _ = judge(confirmation, {trial: [False] * 9 for trial in Trial})
        assert verdict is Verdict.CONFIRMED
