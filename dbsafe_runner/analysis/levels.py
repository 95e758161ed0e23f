"""Levels: the one place in which facts about a test become one of the six levels."""

from __future__ import annotations

from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.level import Level


def derive_level(footprint: Footprint, *, private_server: bool = False) -> Level:
    """Return the level that a footprint amounts to.

    With `private_server`, each worker has a PostgreSQL server of its own: what is cluster-wide is then
    the worker's own affair, and counts as a schema change, or as nothing where it is taken back.
    """
    if footprint.alone or (footprint.cluster and not private_server):
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
