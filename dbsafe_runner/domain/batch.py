"""Batch: tests that stay together, in order, on one worker; the unit that is scheduled."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """One batch. Tests are indices in collection order (`Test.index`)."""

    id: int
    tests: tuple[int, ...]
    #: Predicted seconds of each test, same order; a prediction, not a promise.
    seconds: tuple[float, ...]
    level: Level
    isolation: Isolation
    reset: ResetPolicy
    #: Nothing at all runs beside it.
    exclusive: bool = False
    #: It starts in a fresh process (a fork of its own), which is retired after it.
    fresh: bool = False
    #: Its tests are known not to need each other: it may be split between workers, also late.
    splittable: bool = False
    #: Batch ids that must be finished before this one starts.
    after: tuple[int, ...] = ()
    #: Names of module, class or package fixtures that are dear to build: a worker that has just
    #: run a batch with the same ones is preferred.
    affinity: frozenset[str] = frozenset()
    #: Seconds that building the fixtures shared by its tests takes: once at its start, and again
    #: for every further part when it is split. Not in `seconds`.
    setup_seconds: float = 0.0
    #: Connections that it needs at the same time.
    connections: int = 1
    #: Whether the durations rest on earlier runs; unknown ones are fed one at a time.
    durations_known: bool = False
    #: Why these tests are together, in words, for `dbsafe plan`.
    why: str = ""

    @property
    def total_seconds(self) -> float:
        """Predicted seconds of the whole batch."""
        return sum(self.seconds)
