"""Relation: a table, sequence or materialised view of a database, and its content at the baseline."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.database.link import quote_name
from dbsafe_runner.database.snapshot import Snapshot

_FIRST_OWN_OID = 16384


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What can be told of a relation's content without reading its values.

    For tables: rows that are no newer than the baseline's mark, rows that are, and blocks of 8 kB. For
    sequences: the last value and whether it has been called.
    """

    older: int
    newer: int
    blocks: int = 0


@dataclasses.dataclass(slots=True)
class Relation:
    """One relation. `kind` is pg_class.relkind: r table, m materialised view, S sequence, t TOAST."""

    oid: str
    schema: str
    name: str
    kind: str
    unlogged: bool
    filenode: str
    #: For a TOAST table, the oid of the table whose long values it holds.
    owner: str
    #: It has triggers that fire whatever session_replication_role is.
    stubborn_triggers: bool
    #: Foreign keys refer to it.
    referenced: bool
    populated: bool
    #: Rows by transactions from this id on are newer than the baseline.
    mark: int = 0
    content: Content = dataclasses.field(default_factory=lambda: Content(0, 0))
    snapshot: Snapshot | None = None

    @property
    def sql(self) -> str:
        """Its name, quoted."""
        return quote_name(self.schema, self.name)

    @property
    def is_catalog(self) -> bool:
        """Whether it came with PostgreSQL itself and is no data of the suite."""
        return int(self.oid) < _FIRST_OWN_OID

    @property
    def newer(self) -> str:
        """SQL: whether a row is newer than the baseline."""
        return f"pg_catalog.age(xmin) <= pg_catalog.age('{self.mark % 2**32}'::xid)"
