"""Relation: a table, sequence or materialised view of a database, and its content at the baseline."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.database.link import quote_name
from dbsafe_runner.database.snapshot import Snapshot

_FIRST_OWN_OID = 16384


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What can be told of a relation's content at little cost; equal when the content is equal.

    Tables: rows older than the baseline's mark, and newer ones. Sequences: the last value, and 1 if it
    has been called, plus twice the number of uses that would leave no trace in the WAL. Materialised
    views: rows, and the sum of their hashes; -1 rows when it is not populated.
    """

    older: int
    newer: int
    #: Tables: the last transaction that left a newer row; tells two looks apart, not a look and the
    #: baseline.
    latest: int = dataclasses.field(default=0, compare=False)

    def since(self, before: Content) -> bool:
        """Whether something happened between `before` and this."""
        return self != before or self.latest != before.latest


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
    #: It has triggers or rules that fire whatever session_replication_role is.
    stubborn: bool
    populated: bool
    #: Rows by transactions from this id on are newer than the baseline.
    mark: int = 0
    content: Content = dataclasses.field(default_factory=lambda: Content(0, 0))
    #: Its rows at the baseline; None when it had none.
    snapshot: Snapshot | None = None
    #: Bytes of WAL written for it since its file was last tidied.
    wear: int = 0

    @classmethod
    def read(cls, row: tuple[str | None, ...]) -> Relation:
        """Make one from a row of `relations.sql`."""
        oid, schema, name, kind, unlogged, filenode, owner, stubborn, populated = (c or "" for c in row)
        flags = unlogged == "t", stubborn == "t", populated == "t"
        return cls(oid, schema, name, kind, flags[0], filenode, owner, flags[1], flags[2])

    def inherit(self, before: Relation) -> None:
        """Take over what is known of the content."""
        self.mark, self.content, self.snapshot = before.mark, before.content, before.snapshot
        self.wear = before.wear

    @property
    def sql(self) -> str:
        """Its name, quoted."""
        return quote_name(self.schema, self.name)

    @property
    def is_catalog(self) -> bool:
        """Whether it came with PostgreSQL itself and is no data of the suite."""
        return int(self.oid) < _FIRST_OWN_OID

    @property
    def marked(self) -> bool:
        """Whether its rows are told apart by its mark."""
        return self.kind not in {"S", "m"}

    @property
    def newer(self) -> str:
        """SQL: whether a row is newer than the baseline."""
        return f"pg_catalog.age(xmin) <= pg_catalog.age('{self.mark % 2**32}'::xid)"

    def content_sql(self, mark: str) -> str:
        """SQL that reads its `Content` behind its oid; `mark` is SQL for the mark as an xid."""
        oid = f"'{self.oid}'"
        if self.kind == "S":
            # While log_cnt is not 0, the next use leaves no trace in the WAL: to be set right, too.
            state = "(is_called::int + 2 * log_cnt)::numeric"
            return f"select {oid}, last_value, {state}, 0::bigint from {self.sql}"  # noqa: S608
        if self.kind == "m":
            if not self.populated:
                return f"select {oid}, -1::bigint, 0::numeric, 0::bigint"
            hashes = "coalesce(pg_catalog.sum(pg_catalog.hashtextextended(x::text, 0)), 0)"
            return f"select {oid}, pg_catalog.count(*), {hashes}, 0::bigint from {self.sql} as x"  # noqa: S608
        # The subquery is evaluated once, not for every row.
        newer = f"pg_catalog.age(xmin) <= (select pg_catalog.age({mark}))"
        counts = (
            f"pg_catalog.count(*) filter (where not ({newer})),"
            f" (pg_catalog.count(*) filter (where {newer}))::numeric,"
            f" pg_catalog.max(case when {newer} then xmin::text::bigint end)"
        )
        return f"select {oid}, {counts} from only {self.sql}"  # noqa: S608
