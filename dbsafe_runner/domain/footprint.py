"""Footprint: the facts about a test and the database that its level is derived from."""

from __future__ import annotations

import dataclasses
import enum

from dbsafe_runner.domain.evidence import Evidence
from dbsafe_runner.domain.level import Level


class Weight(enum.IntEnum):
    """How much of something a test is expected to need."""

    LIGHT = 0
    MEDIUM = 1
    HEAVY = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Footprint:
    """What a test does to the database, as far as one source knows.

    Tables are named `schema.table` where the schema is known, else `table`.
    """

    connects: bool = False
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    #: What it wrote is still there when it has been torn down.
    outlives: bool = False
    #: Schema changes that outlive the test or would be seen by others.
    schema_changes: bool = False
    #: Changes that no namespace on a shared server can hold: roles, databases, ALTER SYSTEM.
    cluster: frozenset[str] = frozenset()
    #: All of `cluster` is taken back by the test itself: a database that it creates and drops, say.
    cluster_undone: bool = False
    #: What all sessions of a database have in common: notifications, advisory locks.
    signals: frozenset[str] = frozenset()
    #: Sequences that it moves on. By static analysis those that it names in setval() or nextval(),
    #: which no rollback takes back; observed all that have moved, as keys do that an insert was given.
    sequences: frozenset[str] = frozenset()
    #: It must run with nothing beside it: fixed ports or files, declared order.
    alone: bool = False
    #: Connections that it opens at the same time; 0 when unknown.
    connections: int = 0
    #: Programs and forks that it starts, each of which may open a connection.
    processes: int = 0
    #: Tables that module- and class-scoped fixtures which it uses write: the batch's doing, not its own.
    batch_writes: frozenset[str] = frozenset()
    #: Module-level state ("file::name") that it shares with other tests of its file, at least one of
    #: which changes it: they see what they saw in a serial run only in order, in one process.
    shares: frozenset[str] = frozenset()
    #: Files of SQL, as absolute paths, that its own code reads, and those that code which it calls
    #: reads: what they say is part of the code that the test rests on.
    own_files: frozenset[str] = frozenset()
    called_files: frozenset[str] = frozenset()
    #: What it is expected to need of the processor and of memory.
    cpu: Weight = Weight.LIGHT
    memory: Weight = Weight.LIGHT
    #: From 0 (a guess) to 1 (certain).
    confidence: float = 1.0
    evidence: tuple[Evidence, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Classification:
    """The level in force for a test, and the chain of evidence that put it there, strongest first."""

    nodeid: str
    level: Level
    footprint: Footprint
    chain: tuple[Evidence, ...]
    #: Tests with the same group share one batch; "" is no group.
    group: str = ""
    exclusive: bool = False
