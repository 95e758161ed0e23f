"""Plan: what will run, how, and how long it should take; fixed before the first test."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.level import Level


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one run. Times are seconds."""

    batches: tuple[Batch, ...]
    workers: int
    strategy: str
    #: Most batches of a level that may run at the same time; absent means no cap.
    caps: Mapping[Level, int]
    #: Sum of the connection budgets that may be out at the same time; 0 means no limit.
    connections: int = 0
    #: Exclusive batches run before all others; else when nothing else can run any more.
    exclusive_first: bool = False
    #: Seconds that building the fixtures which a whole session shares takes, by name as in a batch's
    #: `affinity`: once for each process that runs such a batch.
    session_setup: Mapping[str, float] = dataclasses.field(default_factory=dict)
    predicted_wall: float = 0.0
    #: max(longest chain, total work / workers, exclusive work): no schedule can be shorter.
    lower_bound: float = 0.0
    #: What the lower bound comes from, in words.
    limited_by: str = ""
    #: Workers -> predicted wall, for other worker counts.
    alternatives: Mapping[int, float] = dataclasses.field(default_factory=dict)
    #: Tests whose durations are known in batches of which not all are.
    known: frozenset[int] = frozenset()
    #: Things the user should know: conflicts resolved, rules that matched nothing.
    notes: tuple[str, ...] = ()

    def knows(self, batch: Batch, test: int) -> bool:
        """Whether what is predicted for a test of a batch rests on earlier runs of that test."""
        return batch.durations_known or test in self.known
