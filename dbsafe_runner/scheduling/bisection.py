"""Bisection: the whole search for the tests that one test's outcome hangs on.

Unlike a confirmation it starts from no failure of a run, takes every test before it into account, and
knows no budget. This module decides; running the trials is the dispatcher's work.
"""

from __future__ import annotations

import dataclasses

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.confirmation import Finding, Kind, Trial
from dbsafe_runner.scheduling.reduction import Reduction


@dataclasses.dataclass(slots=True)
class Bisection:
    """One test whose outcome is to be explained.

    Attributes:
        test: its place in the order of a serial run.
        as_it_ran: what its worker had run before it in the last run, in that order.
        others: all tests before it in a serial run.
    """

    test: int
    as_it_ran: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    _passed: dict[Kind, bool] = dataclasses.field(default_factory=dict)
    _reduction: Reduction | None = None

    def enter(self, trial: Trial, *, passed: bool) -> None:
        """Note how a trial went."""
        if self._reduction is not None:
            self._reduction.enter(shows=passed is not self._passed[Kind.ALONE])
        else:
            self._passed[trial.kind] = passed

    def leave_out(self, test: int) -> None:
        """Make no trial behind this test any more: no process lives on after it."""
        self.as_it_ran = tuple(other for other in self.as_it_ran if other != test)
        self.others = tuple(other for other in self.others if other != test)
        if self._reduction is not None:
            self._reduction.enter(shows=False)

    def step(self) -> Trial | Finding:
        """The next trial that tells something, or what all of them amount to."""
        if self._reduction is None:
            for kind, company in self._wholes():
                if kind not in self._passed:
                    return Trial(kind, company)
                if self._passed[kind] is not self._passed[Kind.ALONE]:
                    self._reduction = Reduction(company)
                    break
            else:
                return self.conclude()
        trial = self._reduction.trial
        return Trial(Kind.SEARCH, trial) if trial is not None else self.conclude()

    def conclude(self) -> Finding:
        """What is known so far; CLEAR for a test that passes in every trial."""
        alone = self._passed.get(Kind.ALONE)
        if self._reduction is None:
            return Finding(Verdict.CONFIRMED if alone is False else Verdict.CLEAR)
        others = self._reduction.found
        late = any(other > self.test for other in others)
        return Finding(Verdict.VICTIM if alone else Verdict.BRITTLE, others, only_out_of_order=late)

    def _wholes(self) -> list[tuple[Kind, tuple[int, ...]]]:
        """Alone, then behind whole orders; the last run's own one only where it is another one."""
        wholes: list[tuple[Kind, tuple[int, ...]]] = [(Kind.ALONE, ())]
        if self.as_it_ran and self.as_it_ran != self.others:
            wholes.append((Kind.AS_IT_RAN, self.as_it_ran))
        if self.others:
            wholes.append((Kind.BEHIND_OTHERS, self.others))
        return wholes
