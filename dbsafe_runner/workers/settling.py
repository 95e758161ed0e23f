"""Settling: failures that there is no time to look into, each file of them in one run in serial order.

A test that failed elsewhere than in the order of its file (on a namespace that was replaced, or where
its file was split) may have failed for that alone. When the budget of trials is spent, its verdict still
has to be that of a serial run of its file: that costs one such run, however many of its tests failed.
What it may need of other files is not looked for any more.
"""

from __future__ import annotations

from typing import Final

from dbsafe_runner.scheduling.confirmation import Confirmation, Trial
from dbsafe_runner.workers.suspects import Suspect

#: Trials that end before a test's turn has come are made again, so often in all.
_MOST_TRIALS: Final = 3


class Settling:
    """The failures that wait for a run of their file in serial order."""

    def __init__(self) -> None:
        self._waiting: list[Suspect] = []

    @property
    def busy(self) -> bool:
        """Whether some wait."""
        return bool(self._waiting)

    def takes(self, suspect: Suspect) -> bool:
        """Keep a failure, unless it came in serial order, or such a trial has told already."""
        if suspect.repeats >= _MOST_TRIALS or _trial(suspect) is None:
            return False
        self._waiting.append(suspect)
        return True

    def together(self) -> list[Suspect]:
        """Those that wait and belong in one trial, the last of a serial run at the end."""
        if not self._waiting:
            return []
        first = _beginning(self._waiting[0])
        same = [suspect for suspect in self._waiting if _beginning(suspect) == first]
        return sorted(same, key=lambda suspect: suspect.test)

    def take(self) -> list[Suspect]:
        """What `together` tells, which then waits no longer."""
        found = self.together()
        self._waiting = [suspect for suspect in self._waiting if suspect not in found]
        return found

    def give_up(self) -> list[Suspect]:
        """All that wait, which then wait no longer."""
        found, self._waiting = self._waiting, []
        return found


def _trial(suspect: Suspect) -> Trial | None:
    return suspect.inquiry.serial_trial if isinstance(suspect.inquiry, Confirmation) else None


def _beginning(suspect: Suspect) -> tuple[int, bool]:
    """The first test of its trial; what a package shares is not tried with what a file does."""
    trial = _trial(suspect)
    company = trial.company if trial is not None else ()
    wide = isinstance(suspect.inquiry, Confirmation) and bool(suspect.inquiry.span)
    return (company or (suspect.test,))[0], wide
