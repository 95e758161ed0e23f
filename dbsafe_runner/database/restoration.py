"""Restoration: the statements that bring relations of one database back, run in as few trips as can be.

Rows that are newer than the baseline are deleted. Where rows of the baseline are gone or were changed,
all are deleted and copied in again from the snapshot. Nothing of the suite's fires: the session's
session_replication_role is "replica", and what fires even so is switched off within the transaction.

Only superusers may set that. Without it foreign keys are checked: all rows are deleted by one statement,
and copied in such an order that what is referred to comes first. Where a foreign key would have further
rows deleted or changed, nothing is done.

A file that has worn (much was written to it since it was last tidied) is vacuumed between deleting
and copying, so that rows lie as they lay in the baseline, and new ones behind them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from dbsafe_runner.database.link import Link, LinkError, as_array, load_sql
from dbsafe_runner.database.relation import Content, Relation

_STUBBORN = load_sql("stubborn")
_REFERENCES = load_sql("references")
_WHO = "SELECT pg_catalog.pg_current_xact_id(), pg_catalog.pg_current_snapshot()"
#: Bytes of WAL for one table from which on its file is tidied: PostgreSQL starts to reuse the room of
#: dead rows when a page of 8 kB is nearly full, and rows would then lie in another order than written.
WORN = 2000


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A moment in the life of a server: the next transaction id, and the oldest that may yet commit."""

    next_xid: int
    oldest_open: int

    @classmethod
    def of(cls, snapshot: str, own: int = 0) -> Moment:
        """Read a pg_snapshot ("xmin:xmax:xip,..."), leaving out our own transaction `own`."""
        _, upper, rest = snapshot.split(":")
        others = [int(xid) for xid in rest.split(",") if xid and int(xid) != own]
        following = max(int(upper), own + 1)
        return cls(following, min(others, default=following))


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What a restoration did: our transactions, and the moment as of which tables hold only our rows."""

    xids: tuple[int, ...]
    rewritten: tuple[Relation, ...]
    moment: Moment


class Restoration:
    """Brings relations back over `link`, whose lock_timeout is short.

    Args:
        link: a session in their database.
        copy_format: the options of COPY.
        tidy: whether worn files are vacuumed; useless while transactions of others are open.
    """

    def __init__(self, link: Link, copy_format: str, *, tidy: bool) -> None:
        self._link = link
        self._format = copy_format
        self._tidy = tidy

    def run(self, dirty: dict[str, Content], relations: list[Relation], extra: list[str]) -> Done:
        """Bring `relations`, whose contents are as in `dirty`, back; `extra` statements run with it.

        Raises:
            LinkError: a lock is held (sqlstate 55P03), or something was refused. What has been done
                until then stays; running it again is safe.
        """
        tables = [relation for relation in relations if relation.kind == "r"]
        rewritten = [table for table in tables if dirty[table.oid].older != table.content.older]
        worn = [table for table in tables if self._tidy and table.wear > WORN]
        if not self._link.silent:
            rewritten = self._in_order(rewritten)
            worn = [table for table in worn if table not in rewritten]
        later = [table for table in rewritten if table in worn]
        silence, restore_noise = self._silence(tables)
        statements = [*silence, *self._deletions(tables, rewritten)]
        at_once = [table for table in rewritten if table not in later]
        statements += self._copies(at_once)
        statements += [_setval(relation) for relation in relations if relation.kind == "S"]
        statements += restore_noise + extra
        refreshes = [_refresh(relation) for relation in relations if relation.kind == "m"]
        if not later:
            statements += refreshes
        xids, moment = self._transaction(statements, at_once)
        if worn:
            self._vacuum(worn)
        if later:
            silence, restore_noise = self._silence(later)
            more, moment = self._transaction(
                [*silence, *self._copies(later), *restore_noise, *refreshes], later
            )
            xids += more
        return Done(xids, tuple(rewritten), moment)

    def _transaction(
        self, statements: list[str], copied: list[Relation]
    ) -> tuple[tuple[int, ...], Moment]:
        sources = [table.snapshot.chunks() for table in copied if table.snapshot is not None]
        try:
            results = self._link.execute("; ".join(["BEGIN", *statements, _WHO, "COMMIT"]), sources)
        except LinkError:
            if self._link.usable:
                self._link.execute("ROLLBACK")
            raise
        ((xid, snapshot),) = results[-2]
        return (int(xid or 0),), Moment.of(snapshot or "", own=int(xid or 0))

    def _copies(self, tables: Iterable[Relation]) -> list[str]:
        return [
            f"COPY {table.sql} FROM STDIN {self._format}"
            for table in tables
            if table.snapshot is not None
        ]

    def _deletions(self, tables: list[Relation], rewritten: list[Relation]) -> list[str]:
        deletions = [
            f"DELETE FROM ONLY {table.sql}" + ("" if table in rewritten else f" WHERE {table.newer}")  # noqa: S608
            for table in tables
        ]
        if self._link.silent or not deletions:
            return deletions
        # Foreign keys are checked at the end of the statement, when all rows are gone.
        others = [f"d{number} AS ({deletion})" for number, deletion in enumerate(deletions[:-1])]
        together = f"WITH {', '.join(others)} {deletions[-1]}" if others else deletions[-1]
        return ["SET CONSTRAINTS ALL DEFERRED", together]

    def _in_order(self, tables: list[Relation]) -> list[Relation]:
        """Return tables so that those come first that others refer to.

        Raises:
            LinkError: deleting their rows would change rows of other tables.
        """
        ordered = {table.oid: table for table in tables}
        keys = self._link.query(_REFERENCES, (as_array(ordered),))
        for table, referred, changes in keys:
            if table not in ordered and changes == "t":
                name = ordered[referred or ""].sql
                raise LinkError(f"a foreign key to {name} would change rows elsewhere")
        waits = {oid: {str(to) for one, to, _ in keys if one == oid} for oid in ordered}
        found: list[Relation] = []
        while ordered:
            # Where tables refer to each other in a circle, only deferrable keys permit it: any will do.
            free = [oid for oid in ordered if not waits[oid] & ordered.keys()] or list(ordered)[:1]
            found += [ordered.pop(oid) for oid in free]
        return found

    def _silence(self, tables: list[Relation]) -> tuple[list[str], list[str]]:
        stubborn = [table.oid for table in tables if table.stubborn]
        pairs = self._link.query(_STUBBORN, (as_array(stubborn),)) if stubborn else []
        return [off or "" for off, _ in pairs], [on or "" for _, on in pairs]

    def _vacuum(self, tables: list[Relation]) -> None:
        names = ", ".join(table.sql for table in tables)
        self._link.execute(f"VACUUM (INDEX_CLEANUP on, TRUNCATE on, SKIP_LOCKED) {names}")
        for table in tables:
            table.wear = 0


def _setval(relation: Relation) -> str:
    called = "true" if relation.content.newer else "false"
    return f"SELECT pg_catalog.setval({relation.oid}::regclass, {relation.content.older}, {called})"


def _refresh(relation: Relation) -> str:
    data = " WITH NO DATA" if relation.content.older < 0 else ""
    return f"REFRESH MATERIALIZED VIEW {relation.sql}{data}"
