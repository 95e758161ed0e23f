"""Confirmation: which trials tell what a failure hangs on, and what their outcomes amount to.

The words are the field's: a *victim* is broken by another test, a *brittle* test passes only after
another (Shi et al., "iDFlakies", ICST 2019, and "iFixFlakies", FSE 2019), a *flaky* one passes on retry.
This module decides; running the trials is the dispatcher's work.
"""

from __future__ import annotations

import dataclasses
import enum

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.reduction import Reduction


class Kind(enum.Enum):
    """What a trial puts before the failed test, in a fresh process and a fresh namespace each time."""

    #: Nothing.
    ALONE = "alone"
    #: Nothing, and nothing runs beside it either.
    QUIET = "alone, with nothing beside it"
    #: The tests that precede it in its file.
    BEHIND_FILE = "behind the tests before it in its file"
    #: What its process had run when it failed, with the resets in between.
    AS_IT_RAN = "behind what ran before it"
    #: Tests of other files that precede it in a serial run, too.
    BEHIND_OTHERS = "behind the tests before it in a serial run"
    #: Some of those, to find out which of them matter.
    SEARCH = "behind some of them"
    #: Alone, or behind those that were found: whether what the search amounts to holds a second time.
    CHECK = "once more, to be sure"
    #: As a serial run has it, for all failures of a file at once: there is no time to look into each.
    SERIAL = "in the order of a serial run"


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """A trial to be made: the failed test behind these tests, in this order."""

    kind: Kind
    company: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What the trials amount to."""

    verdict: Verdict
    #: The fewest tests behind which it fails (victim) or passes (brittle); empty when not found out.
    others: tuple[int, ...] = ()
    #: It fails only behind tests that come after it in a serial run, which therefore passes it.
    only_out_of_order: bool = False
    #: It fails alone, and passes where nothing runs beside it.
    only_quiet: bool = False
    #: It passes in the order of a serial run, and there was no time to find out what it hangs on.
    only_in_order: bool = False


@dataclasses.dataclass(slots=True)
class Confirmation:
    """One failed test and what its trials have shown so far.

    Attributes:
        test: its place in the order of a serial run.
        in_file: the tests that precede it in its file.
        in_order: it failed behind exactly those, with no reset in between.
        span: the tests that a serial run has between the set-up of what failed and this test, where
            that is more than those of its file.
        as_it_ran: what its process had run before it, in that order.
        others: tests that precede it in a serial run and may matter, those of its file included;
            empty when those of other files cannot matter, or would take too long.
        known: tests that its outcome hung on in earlier runs.
        retries: how many more times it is run alone when it fails alone.
        waits: it takes so long that it may have waited in vain for what had no processor.
        alone_only: no other trials are wanted than running it alone.
    """

    test: int
    in_file: tuple[int, ...] = ()
    in_order: bool = False
    span: tuple[int, ...] = ()
    as_it_ran: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    retries: int = 0
    alone_only: bool = False
    waits: bool = False
    _passed: dict[Kind, bool] = dataclasses.field(default_factory=dict)
    _alone_again: int = 0
    _flaky: bool = False
    _verdict: Verdict | None = None
    _reduction: Reduction | None = None
    #: How the trials went that repeat what was found: alone, and behind those that were found.
    _checks: list[bool] = dataclasses.field(default_factory=list)

    def enter(self, trial: Trial, *, passed: bool) -> None:
        """Note how a trial went."""
        if self._reduction is not None and trial.kind is Kind.SEARCH:
            self._reduction.enter(shows=passed is (self._verdict is Verdict.BRITTLE))
            return
        if trial.kind is Kind.CHECK:
            self._checks.append(passed)
            return
        if trial.kind is Kind.ALONE and trial.kind in self._passed:
            # Twice the same conditions, two outcomes: nothing else needs to be known.
            self._flaky = passed
            self._alone_again += 1
        else:
            self._passed[trial.kind] = passed

    def leave_out(self, test: int) -> None:
        """Make no trial behind this test any more: no process lives on after it."""
        if self._reduction is not None and self._reduction.trial is None:
            # What was found stands: that another dies now says nothing against it.
            self._checks.append(self._expected[len(self._checks)])
            return
        self.in_file = tuple(other for other in self.in_file if other != test)
        self.span = tuple(other for other in self.span if other != test)
        self.as_it_ran = tuple(other for other in self.as_it_ran if other != test)
        self.others = tuple(other for other in self.others if other != test)
        if self._reduction is not None:
            self._reduction.enter(shows=False)

    def step(self) -> Trial | Finding:
        """The next trial that tells something, or what all of them amount to."""
        if self._reduction is not None:
            return self._search()
        if self._flaky:
            return Finding(Verdict.FLAKY)
        alone = self._passed.get(Kind.ALONE)
        if alone is None or (not alone and self._alone_again < self.retries):
            return Trial(Kind.ALONE)
        if self.alone_only:
            return Finding(Verdict.FLAKY if alone else Verdict.CLEAR)
        if not alone and self.waits:
            quiet = self._passed.get(Kind.QUIET)
            if quiet is None:
                return Trial(Kind.QUIET)
            if quiet:
                return Finding(Verdict.FLAKY, only_quiet=True)
        return self._passed_alone() if alone else self._failed_alone()

    @property
    def serial_trial(self) -> Trial | None:
        """The trial that tells how a serial run ends it; None when that is known, or not wanted."""
        if self.alone_only or self.in_order or self._serially is not None:
            return None
        return Trial(Kind.SERIAL, self.span or self.in_file)

    def conclude(self) -> Finding:
        """What is known so far, when no more trials can be made."""
        if self._verdict is not None:
            return self._finding()
        if self._serially:
            if self._passed.get(Kind.ALONE):
                return Finding(Verdict.FLAKY)
            return Finding(Verdict.BRITTLE, only_in_order=True)
        return Finding(Verdict.CLEAR)

    @property
    def _serially(self) -> bool | None:
        """Whether it has passed in the order of a serial run; None when that has not been tried."""
        same = Kind.BEHIND_FILE if self.in_file else Kind.ALONE
        of_file = None if self.span else self._passed.get(same)
        return self._passed.get(Kind.SERIAL, of_file)

    def _passed_alone(self) -> Trial | Finding:
        ran_more = self.as_it_ran != self.in_file
        for kind, company in ((Kind.BEHIND_FILE, self.in_file), (Kind.AS_IT_RAN, self.as_it_ran)):
            passed = self._passed.get(kind)
            if passed is False:
                return self._reduce(Verdict.VICTIM, company)
            if passed is None and company and (kind is Kind.BEHIND_FILE or ran_more):
                return Trial(kind, company)
        return Finding(Verdict.FLAKY)

    def _failed_alone(self) -> Trial | Finding:
        further = self.others != self.in_file
        for kind, company in ((Kind.BEHIND_FILE, self.in_file), (Kind.BEHIND_OTHERS, self.others)):
            passed = self._passed.get(kind)
            if passed:
                return self._reduce(Verdict.BRITTLE, company)
            wanted = not self.in_order if kind is Kind.BEHIND_FILE else further
            if passed is None and company and wanted:
                return Trial(kind, company)
        return Finding(Verdict.CONFIRMED)

    def _reduce(self, verdict: Verdict, company: tuple[int, ...]) -> Trial | Finding:
        self._verdict = verdict
        self._reduction = Reduction(company, self.known)
        return self._search()

    def _search(self) -> Trial | Finding:
        assert self._reduction is not None
        trial = self._reduction.trial
        return Trial(Kind.SEARCH, trial) if trial is not None else self._checked()

    def _checked(self) -> Trial | Finding:
        """Try once more what was found: a test that fails now and then misleads every search."""
        assert self._reduction is not None
        if self._checks != self._expected[: len(self._checks)]:
            return Finding(Verdict.FLAKY)
        if len(self._checks) < len(self._expected):
            return Trial(Kind.CHECK, self._reduction.found if self._checks else ())
        return self._finding()

    @property
    def _expected(self) -> list[bool]:
        """How it ends alone, and behind those that were found, if the search has not been misled.

        What an earlier run has found as well needs no further trial.
        """
        assert self._reduction is not None
        if self.known and set(self.known) == set(self._reduction.found):
            return []
        breaks = self._verdict is Verdict.VICTIM
        return [breaks, not breaks]

    def _finding(self) -> Finding:
        assert self._verdict is not None
        assert self._reduction is not None
        # A set that nobody could make smaller, or that was not tried again, names no culprit.
        known = self._reduction.trial is None and len(self._checks) == len(self._expected)
        others = self._reduction.found if known else ()
        late = any(other > self.test for other in others)
        return Finding(self._verdict, others, only_out_of_order=late)
