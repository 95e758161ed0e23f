"""Circumstances: what a plan depends on beside the tests."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.planning.request import Grouping
from dbsafe_runner.planning.strategies import Strategy


@dataclasses.dataclass(frozen=True, slots=True)
class Circumstances:
    """What the plan depends on beside the tests."""

    strategy: Strategy
    workers: int
    kind: NamespaceKind
    grouping: Grouping = Grouping.DEPENDENCY

    @property
    def private_server(self) -> bool:
        """Whether what is cluster-wide concerns one worker alone, and may be taken to."""
        return self.kind is NamespaceKind.SERVER and not self.strategy.keep_caps
