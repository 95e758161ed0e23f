"""What trials are made of a failure, and what they amount to."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.confirmation import Confirmation, Finding, Kind, Trial

ALONE, FILE, RAN, OTHERS = Kind.ALONE, Kind.BEHIND_FILE, Kind.AS_IT_RAN, Kind.BEHIND_OTHERS


def judge(confirmation: Confirmation, passes: Callable[[Trial], bool]) -> tuple[Finding, list[Kind]]:
    """Make trials until there is a finding, and tell which kinds were made before the search."""
    made = []
    while isinstance(step := confirmation.step(), Trial):
        if step.kind not in {Kind.SEARCH, Kind.CHECK}:
            made.append(step.kind)
        confirmation.enter(step, passed=passes(step))
    return step, made


def behind(*others: int) -> Callable[[Trial], bool]:
    """It fails behind all of these."""
    return lambda trial: not set(others) <= set(trial.company)


def needing(*others: int) -> Callable[[Trial], bool]:
    """It passes behind all of these."""
    return lambda trial: set(others) <= set(trial.company)


def always(outcome: bool) -> Callable[[Trial], bool]:
    return lambda _trial: outcome


FILE_OF_TEN = tuple(range(10, 20))


@pytest.mark.parametrize(
    ("passes", "in_order", "finding", "trials"),
    [
        (always(False), True, Finding(Verdict.CONFIRMED), [ALONE]),
        (always(False), False, Finding(Verdict.CONFIRMED), [ALONE, FILE]),
        (needing(13), False, Finding(Verdict.BRITTLE, (13,)), [ALONE, FILE]),
        (needing(12, 17), False, Finding(Verdict.BRITTLE, (12, 17)), [ALONE, FILE]),
        (behind(19), True, Finding(Verdict.VICTIM, (19,)), [ALONE, FILE]),
        (behind(10, 19), True, Finding(Verdict.VICTIM, (10, 19)), [ALONE, FILE]),
        (always(True), True, Finding(Verdict.FLAKY), [ALONE, FILE]),
    ],
)
def test_verdicts_within_one_file(
    passes: Callable[[Trial], bool], in_order: bool, finding: Finding, trials: list[Kind]
) -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, in_order=in_order, as_it_ran=FILE_OF_TEN)
    assert judge(confirmation, passes) == (finding, trials)


@pytest.mark.parametrize(
    ("quiet", "finding", "trials"),
    [
        (True, Finding(Verdict.FLAKY, only_quiet=True), [ALONE, Kind.QUIET]),
        (False, Finding(Verdict.CONFIRMED), [ALONE, Kind.QUIET, FILE]),
    ],
)
def test_what_waits_is_tried_with_nothing_beside_it(
    quiet: bool, finding: Finding, trials: list[Kind]
) -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, waits=True)
    assert judge(confirmation, lambda trial: trial.kind is Kind.QUIET and quiet) == (finding, trials)


def test_first_test_of_a_file_needs_no_trial_behind_it() -> None:
    assert judge(Confirmation(0), always(True)) == (Finding(Verdict.FLAKY), [ALONE])


def test_a_test_that_needs_another_file_is_brittle() -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, in_order=True, others=tuple(range(20)))
    assert judge(confirmation, needing(4)) == (Finding(Verdict.BRITTLE, (4,)), [ALONE, OTHERS])


def test_a_test_that_another_file_breaks_is_a_victim() -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, as_it_ran=(3, 4, 5), others=tuple(range(20)))
    assert judge(confirmation, behind(4)) == (Finding(Verdict.VICTIM, (4,)), [ALONE, FILE, RAN])


def test_a_test_that_only_a_later_one_breaks_is_told_apart() -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, as_it_ran=(33, 40, 51))
    finding, _ = judge(confirmation, behind(40))
    assert finding == Finding(Verdict.VICTIM, (40,), only_out_of_order=True)


def test_retries_stop_at_the_first_pass() -> None:
    outcomes = iter([False, False, True])
    found = judge(Confirmation(0, retries=3), lambda _trial: next(outcomes))
    assert found == (Finding(Verdict.FLAKY), [ALONE] * 3)


def test_retries_are_bounded() -> None:
    assert judge(Confirmation(0, retries=3), always(False)) == (Finding(Verdict.CONFIRMED), [ALONE] * 4)


def test_retries_without_confirmation_tell_flaky_from_unknown() -> None:
    once = Confirmation(20, FILE_OF_TEN, retries=2, alone_only=True)
    assert judge(once, always(False)) == (Finding(Verdict.CLEAR), [ALONE] * 3)
    once = Confirmation(20, FILE_OF_TEN, retries=2, alone_only=True)
    assert judge(once, always(True)) == (Finding(Verdict.FLAKY), [ALONE])


def test_a_failure_that_every_trial_repeats_is_never_excused() -> None:
    for in_file, in_order, others, retries in itertools.product(
        ((), FILE_OF_TEN), (True, False), ((), tuple(range(20))), (0, 2)
    ):
        confirmation = Confirmation(20, in_file, in_order, others=others, retries=retries)
        finding, _ = judge(confirmation, always(False))
        assert finding == Finding(Verdict.CONFIRMED)


@pytest.mark.parametrize(
    ("passes_alone", "again"), [(True, (False,)), (True, (True, True)), (False, (True,))]
)
def test_what_a_search_has_found_is_tried_once_more(passes_alone: bool, again: tuple[bool, ...]) -> None:
    """A test that fails now and then seems to hang on whatever ran before it when it did."""
    confirmation = Confirmation(20, FILE_OF_TEN)
    checks = iter(again)

    def passes(trial: Trial) -> bool:
        if trial.kind is Kind.CHECK:
            return next(checks)
        return passes_alone is (13 not in trial.company)

    finding, _ = judge(confirmation, passes)
    assert finding == Finding(Verdict.FLAKY)
    assert next(checks, None) is None


def test_a_test_that_was_found_is_not_blamed_before_it_is_tried_once_more() -> None:
    confirmation = Confirmation(20, (13,))
    for passed in (True, False):
        step = confirmation.step()
        assert isinstance(step, Trial)
        confirmation.enter(step, passed=passed)
    assert confirmation.step() == Trial(Kind.CHECK)
    assert confirmation.conclude() == Finding(Verdict.VICTIM)
    confirmation.enter(Trial(Kind.CHECK), passed=True)
    assert confirmation.step() == Trial(Kind.CHECK, (13,))
    confirmation.leave_out(13)
    assert confirmation.step() == Finding(Verdict.VICTIM, (13,))


def test_what_an_earlier_run_has_found_is_not_tried_once_more() -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, known=(13,))
    made: list[Trial] = []

    def passes(trial: Trial) -> bool:
        made.append(trial)
        return 13 not in trial.company

    assert judge(confirmation, passes)[0] == Finding(Verdict.VICTIM, (13,))
    assert [trial.kind for trial in made] == [ALONE, FILE, Kind.SEARCH]


def test_a_search_that_is_broken_off_names_nobody() -> None:
    confirmation = Confirmation(20, FILE_OF_TEN, as_it_ran=FILE_OF_TEN)
    for _ in range(3):
        step = confirmation.step()
        assert isinstance(step, Trial)
        confirmation.enter(step, passed=behind(12)(step))
    assert isinstance(confirmation.step(), Trial)
    assert confirmation.conclude() == Finding(Verdict.VICTIM)


def test_what_ends_its_process_is_left_out_of_trials() -> None:
    confirmation = Confirmation(20, (18, 19))
    confirmation.enter(Trial(ALONE), passed=False)
    confirmation.leave_out(18)
    assert confirmation.step() == Trial(FILE, (19,))


def test_passing_in_serial_order_counts_where_nothing_more_is_found_out() -> None:
    unknown = Confirmation(20, FILE_OF_TEN)
    assert unknown.serial_trial == Trial(Kind.SERIAL, FILE_OF_TEN)
    unknown.enter(unknown.serial_trial, passed=True)
    assert unknown.conclude() == Finding(Verdict.BRITTLE, only_in_order=True)
    assert unknown.serial_trial is None


def test_passing_alone_and_in_serial_order_is_flaky() -> None:
    known = Confirmation(20, FILE_OF_TEN, as_it_ran=(3,))
    known.enter(Trial(Kind.ALONE), passed=True)
    known.enter(Trial(Kind.BEHIND_FILE, FILE_OF_TEN), passed=True)
    assert known.conclude() == Finding(Verdict.FLAKY)


def test_failing_in_serial_order_stands() -> None:
    unknown = Confirmation(20, FILE_OF_TEN)
    unknown.enter(Trial(Kind.SERIAL, FILE_OF_TEN), passed=False)
    assert unknown.conclude() == Finding(Verdict.CLEAR)
    first = Confirmation(20)
    first.enter(Trial(ALONE), passed=False)
    assert first.serial_trial is None
    assert first.conclude() == Finding(Verdict.CLEAR)


def test_what_a_package_shares_has_to_pass_behind_all_of_the_package() -> None:
    wide = Confirmation(20, FILE_OF_TEN, span=tuple(range(20)))
    wide.enter(Trial(Kind.BEHIND_FILE, FILE_OF_TEN), passed=True)
    assert wide.conclude() == Finding(Verdict.CLEAR)
    assert wide.serial_trial == Trial(Kind.SERIAL, tuple(range(20)))


def test_a_failure_in_the_order_of_its_file_needs_no_such_trial() -> None:
    assert Confirmation(20, FILE_OF_TEN, in_order=True).serial_trial is None
    assert Confirmation(20, FILE_OF_TEN, alone_only=True).serial_trial is None
