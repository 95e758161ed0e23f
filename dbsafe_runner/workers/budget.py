"""Budget: how long failed tests may be run again in a run. It starts and ends nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: The share of the run's own test time that trials may take beyond what any run may spend.
_SHARE: Final = 0.5


class Budget:
    """The time of trials, from the start of each one's process to its end, in seconds.

    Args:
        least: what any run may spend; 0 where no time is to be spent at all.
        worked: how long the tests of the run itself have taken so far.
        tell: told once, with what was spent, when that is all there is.
    """

    def __init__(self, least: float, worked: Callable[[], float], tell: Callable[[float], None]) -> None:
        self._least = least
        self._worked = worked
        self._tell = tell
        self._has_told = False
        self.spent = 0.0

    @property
    def is_spent(self) -> bool:
        """Whether there is nothing left for another trial."""
        spent = self.spent > self._limit or not self._least
        if spent:
            self.tell_once()
        return spent

    def tell_once(self) -> None:
        """Tell that a trial was not made for want of time, if that has not been told."""
        if not self._has_told:
            self._has_told = True
            self._tell(self.spent)

    def affords(self, seconds: float) -> bool:
        """Whether a trial that takes so long would fit."""
        return self.spent + seconds <= self._limit

    @property
    def _limit(self) -> float:
        return self._least + _SHARE * self._worked() if self._least else 0.0
