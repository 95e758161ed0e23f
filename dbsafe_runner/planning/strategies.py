"""Strategies: level by level, how a test is kept apart and how many workers may do such tests at once.

The tables below are the policy; everything else reads them. A user overrides them in `runner.toml`:

    [strategies.mine]
    based_on = "balanced"
    workers = [4, 12]
    [strategies.mine.levels.SHARED_WRITES]
    isolation = "schema"
    reset = "each-test"
    cap = "50%"
    fresh = true

This module does not read files and does not choose levels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dbsafe_runner.domain.isolation import Isolation, NamespaceKind, ResetPolicy
from dbsafe_runner.domain.level import Level


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """How many workers may run batches of a level at once: a part of them, or a number."""

    part: float = 1.0
    #: Not 0: this many, whatever the number of workers.
    count: int = 0

    def of(self, workers: int) -> int | None:
        """The most batches at once with this many workers, at least 1; None is no limit."""
        if self.count:
            return self.count if self.count < workers else None
        allowed = max(int(self.part * workers + 1e-9), 1)
        return allowed if allowed < workers else None

    def __str__(self) -> str:
        if self.count:
            return str(self.count)
        return "all" if self.part >= 1 else f"{self.part * 100:g}%"


@dataclasses.dataclass(frozen=True, slots=True)
class LevelRule:
    """What a strategy does with the tests of one level."""

    #: The least that keeps them apart; `schema`, `database` and `server` are had from a namespace.
    isolation: Isolation
    #: When the namespace is reset. `each-test` holds only for tests that may not need each other.
    reset: ResetPolicy
    cap: Share
    #: Each batch has a process of its own. Without that, a worker is replaced only where a reset finds
    #: that it cannot bring the baseline back.
    fresh: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Strategy:
    """A policy. The number of workers is chosen between `least` and `most`."""

    name: str
    levels: Mapping[Level, LevelRule]
    least: int
    most: int
    #: Caps hold even where the namespace makes private what they guard.
    keep_caps: bool = False
    #: The number of workers follows the load of the machine during the run.
    live: bool = False

    def workers(self, cpus: int) -> int:
        """How many workers to start on a machine with this many processors."""
        return min(max(cpus, self.least), self.most)

    def caps(self, workers: int, kind: NamespaceKind) -> dict[Level, int]:
        """The caps that hold for this many workers in namespaces of this kind."""
        result: dict[Level, int] = {}
        for level in Level:
            allowed = self.levels[level].cap.of(workers)
            if allowed is not None and (self.keep_caps or level not in LIFTED[kind]):
                result[level] = allowed
        return result


#: A cap guards something shared. Where a worker's namespace makes that thing private, it is lifted:
#: a server of its own shares nothing; a database shares roles and settings; a schema also shares
#: the catalog's locks and extensions.
LIFTED: Mapping[NamespaceKind, frozenset[Level]] = {
    NamespaceKind.SERVER: frozenset(Level),
    NamespaceKind.DATABASE: frozenset(Level) - {Level.SEQUENTIAL_ONLY},
    NamespaceKind.SCHEMA: frozenset(Level) - {Level.SCHEMA_CHANGES, Level.SEQUENTIAL_ONLY},
    NamespaceKind.MOCK: frozenset(Level),
}

_EACH, _AFTER = ResetPolicy.EACH_TEST, ResetPolicy.AFTER_BATCH
_ALL, _ONE, _TWO, _HALF, _MOST = Share(), Share(count=1), Share(count=2), Share(0.5), Share(0.8)
_FRESH = True

# fmt: off
_CONSERVATIVE = {
    Level.NONE:            LevelRule(Isolation.NONE,        _EACH,  _ALL),
    Level.READ_ONLY:       LevelRule(Isolation.TRANSACTION, _EACH,  _MOST),
    Level.ISOLATED_WRITES: LevelRule(Isolation.SCHEMA,      _EACH,  _HALF),
    Level.SHARED_WRITES:   LevelRule(Isolation.DATABASE,    _EACH,  _TWO, _FRESH),
    Level.SCHEMA_CHANGES:  LevelRule(Isolation.DATABASE,    _EACH,  _ONE, _FRESH),
    Level.SEQUENTIAL_ONLY: LevelRule(Isolation.SERVER,      _EACH,  _ONE, _FRESH),
}
_BALANCED = {
    Level.NONE:            LevelRule(Isolation.NONE,        _EACH,  _ALL),
    Level.READ_ONLY:       LevelRule(Isolation.NONE,        _EACH,  _MOST),
    Level.ISOLATED_WRITES: LevelRule(Isolation.TRANSACTION, _EACH,  _HALF),
    Level.SHARED_WRITES:   LevelRule(Isolation.SCHEMA,      _AFTER, _TWO),
    Level.SCHEMA_CHANGES:  LevelRule(Isolation.DATABASE,    _AFTER, _ONE),
    Level.SEQUENTIAL_ONLY: LevelRule(Isolation.SERVER,      _AFTER, _ONE),
}
_AGGRESSIVE = {
    Level.NONE:            LevelRule(Isolation.NONE,        _EACH,  _ALL),
    Level.READ_ONLY:       LevelRule(Isolation.NONE,        _EACH,  _ALL),
    Level.ISOLATED_WRITES: LevelRule(Isolation.NONE,        _EACH,  _ALL),
    Level.SHARED_WRITES:   LevelRule(Isolation.SCHEMA,      _AFTER, _ALL),
    Level.SCHEMA_CHANGES:  LevelRule(Isolation.SCHEMA,      _AFTER, _HALF),
    Level.SEQUENTIAL_ONLY: LevelRule(Isolation.DATABASE,    _AFTER, _ONE),
}
# fmt: on

STRATEGIES: Mapping[str, Strategy] = {
    "conservative": Strategy("conservative", _CONSERVATIVE, 2, 2, keep_caps=True),
    "balanced": Strategy("balanced", _BALANCED, 4, 6),
    "aggressive": Strategy("aggressive", _AGGRESSIVE, 8, 64),
    "adaptive": Strategy("adaptive", _BALANCED, 2, 8, live=True),
}


def isolation_of(rule: LevelRule, kind: NamespaceKind) -> Isolation:
    """What a batch is kept apart by: as the rule says, or the namespace that provides it."""
    wanted = rule.isolation
    if wanted in {Isolation.NONE, Isolation.PROCESS, Isolation.TRANSACTION}:
        return wanted
    if kind is NamespaceKind.MOCK:
        return Isolation.PROCESS
    return Isolation(kind.value)
