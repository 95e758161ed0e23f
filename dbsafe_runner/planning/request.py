"""PlanRequest: everything that a plan follows from. Values only."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping, Sequence

from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test
from dbsafe_runner.planning.strategies import Strategy

#: What a test is expected to take when nobody predicted anything, in seconds.
UNPREDICTED = Forecast(seconds=0.05)


class Grouping(enum.Enum):
    """What keeps tests together on one worker."""

    #: Files stay together unless their tests are known not to need each other.
    DEPENDENCY = "dependency"
    #: Files are split unless their tests are known or declared to need each other.
    PERFORMANCE = "performance"
    #: Files always stay together.
    FILE = "file"
    #: Every test goes by itself, unless it is known or declared to need others.
    TEST = "test"


@dataclasses.dataclass(frozen=True, slots=True)
class Conflict:
    """Two tests (node ids) that must not overlap. `about` says what they fight for, in words."""

    first: str
    second: str
    about: str = ""
    #: They fight for something in the database that a namespace of one's own makes private.
    private: bool = False
    #: Only one order will do: the first before the second.
    ordered: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a test's outcome was found to hang on: a test (node id) that comes before it."""

    other: str
    #: It passes only behind the other; else it fails only behind it, as it does in a serial run.
    needs: bool = True

    @property
    def how(self) -> str:
        """What it has to do with the other, in words."""
        return "needs" if self.needs else "is broken by"


@dataclasses.dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan is made from. `tests` are the selected ones; their `index` is collection order."""

    tests: Sequence[Test]
    classifications: Mapping[str, Classification]
    strategy: Strategy
    workers: int
    namespace_kind: NamespaceKind
    forecasts: Mapping[str, Forecast] = dataclasses.field(default_factory=dict)
    grouping: Grouping = Grouping.DEPENDENCY
    #: Files and node ids whose tests are known not to need each other.
    independent: Collection[str] = frozenset()
    #: Files that have run as in a serial run with all these tests, and every failure was looked into.
    whole: Collection[str] = frozenset()
    #: Node id -> tests that have to run before it on the same worker.
    dependencies: Mapping[str, Sequence[Found]] = dataclasses.field(default_factory=dict)
    conflicts: Sequence[Conflict] = ()
    #: Connections that may be open at the same time; 0 is no limit.
    connections: int = 0
    #: Other numbers of workers to predict the wall time for.
    alternatives: tuple[int, ...] = (1, 2, 4, 8, 16)

    def classification(self, test: Test) -> Classification:
        """How a test is classified; nobody knows is SHARED_WRITES."""
        found = self.classifications.get(test.nodeid)
        if found is not None:
            return found
        unknown = Footprint(connects=True, outlives=True, confidence=0.0)
        return Classification(test.nodeid, Level.SHARED_WRITES, unknown, ())

    def forecast(self, test: Test) -> Forecast:
        """What a test is expected to take."""
        return self.forecasts.get(test.nodeid, UNPREDICTED)
