"""Confirmation: which trials tell what a failure hangs on, and what their outcomes amount to.

The words are the field's: a *victim* is broken by another test, a *brittle* test passes only after
another (Shi et al., "iDFlakies", ICST 2019, and "iFixFlakies", FSE 2019), a *flaky* one passes on retry.
This module decides; running the trials is the dispatcher's work.
"""

from __future__ import annotations

import dataclasses
import enum

from dbsafe_runner.domain.outcome import Verdict


class Trial(enum.Enum):
    """How a failed test is run again, in a fresh process and a fresh namespace each time."""

    #: Nothing before it.
    ALONE = "alone"
    #: Behind the tests that precede it in its file.
    BEHIND_FILE = "behind the tests before it in its file"
    #: Behind all tests that precede it in the order of a serial run.
    BEHIND_ALL = "behind all the tests before it"


@dataclasses.dataclass(slots=True)
class Confirmation:
    """One failed test and what its trials have shown so far.

    Attributes:
        predecessors: whether there are tests before it in its file.
        in_order: it failed behind exactly those, in a process that had run nothing else.
        others: whether tests of other files come before it in a serial run.
        retries: how many more times it is run alone when it fails alone.
    """

    predecessors: bool
    in_order: bool
    others: bool
    retries: int = 0
    passed: dict[Trial, bool] = dataclasses.field(default_factory=dict)
    _alone_again: int = 0

    def enter(self, trial: Trial, *, passed: bool) -> None:
        """Note how a trial went."""
        if trial is Trial.ALONE and self.passed.get(trial) is False and passed:
            # Twice the same conditions, two outcomes: nothing else needs to be known.
            self.passed[trial] = True
            self._alone_again = -1
            return
        if trial is Trial.ALONE and trial in self.passed:
            self._alone_again += 1
        self.passed[trial] = passed

    def step(self) -> Trial | Verdict:
        """The next trial that tells something, or the verdict."""
        if self._alone_again < 0:
            return Verdict.FLAKY
        alone = self.passed.get(Trial.ALONE)
        if alone is None:
            return Trial.ALONE
        return self._passed_alone() if alone else self._failed_alone()

    def _passed_alone(self) -> Trial | Verdict:
        behind = self.passed.get(Trial.BEHIND_FILE)
        if behind is None and self.predecessors:
            return Trial.BEHIND_FILE
        if behind is False:
            return Verdict.VICTIM
        after_all = self.passed.get(Trial.BEHIND_ALL)
        if after_all is None and self.others:
            return Trial.BEHIND_ALL
        return Verdict.VICTIM if after_all is False else Verdict.FLAKY

    def _failed_alone(self) -> Trial | Verdict:
        if self._alone_again < self.retries:
            return Trial.ALONE
        behind = self.passed.get(Trial.BEHIND_FILE)
        if behind is None and self.predecessors and not self.in_order:
            return Trial.BEHIND_FILE
        if behind:
            return Verdict.BRITTLE
        after_all = self.passed.get(Trial.BEHIND_ALL)
        if after_all is None and self.others:
            return Trial.BEHIND_ALL
        return Verdict.BRITTLE if after_all else Verdict.CONFIRMED
