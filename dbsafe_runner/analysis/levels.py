"""Levels: the one place in which facts about a test become one of the six levels."""

from __future__ import annotations

import enum

from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.level import Level


class Privacy(enum.IntEnum):
    """The widest thing that every worker has for itself."""

    SCHEMA = 0
    DATABASE = 1
    SERVER = 2


def derive_level(footprint: Footprint, privacy: Privacy = Privacy.DATABASE) -> Level:
    """Return the level that a footprint amounts to.

    Where each worker has a PostgreSQL server of its own, what is cluster-wide is the worker's own
    affair, and counts as a schema change, or as nothing where it is taken back. Where workers have
    schemas of one database, its notifications and advisory locks are common to them.
    """
    if footprint.alone or (footprint.cluster and privacy < Privacy.SERVER):
        return Level.SEQUENTIAL_ONLY
    if footprint.signals and privacy < Privacy.DATABASE:
        return Level.SEQUENTIAL_ONLY
    if footprint.schema_changes or (footprint.cluster and not footprint.cluster_undone):
        return Level.SCHEMA_CHANGES
    if footprint.outlives:
        return Level.SHARED_WRITES
    if footprint.writes:
        return Level.ISOLATED_WRITES
    if footprint.connects or footprint.reads:
        return Level.READ_ONLY
    return Level.NONE
