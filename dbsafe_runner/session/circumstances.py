"""Circumstances: what a plan depends on beside the tests."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.analysis.levels import Privacy
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
    def privacy(self) -> Privacy:
        """What every worker has for itself, and may be taken to."""
        if self.kind is NamespaceKind.SCHEMA:
            return Privacy.SCHEMA
        own = self.kind is NamespaceKind.SERVER and not self.strategy.keep_caps
        return Privacy.SERVER if own else Privacy.DATABASE
