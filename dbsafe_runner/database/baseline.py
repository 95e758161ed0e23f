"""Baseline: what one database held, how it differs from that now, and how to bring it back.

It works through sessions that it is given (`dbsafe_runner.database.links`), and is told by an observer
which relations to look at. It decides nothing about transactions of the suite or about other databases;
that is the work of `dbsafe_runner.database.reset`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dbsafe_runner.database.catalogs import Catalog, Catalogs, Difference
from dbsafe_runner.database.large_objects import LargeObjects
from dbsafe_runner.database.link import Link, as_array, load_sql
from dbsafe_runner.database.relation import Content, Relation
from dbsafe_runner.database.restoration import WORN, Moment, Restoration
from dbsafe_runner.database.snapshot import Snapshot

_RELATIONS = load_sql("relations")
_SIZES = load_sql("sizes")
_SETTLE = load_sql("settle_sequences")
_BATCH = 100
_MANY = 20
#: Stands in `dirty` for a content that cannot equal the baseline's.
_OTHER = Content(-2, 0)
_LARGE_OBJECTS = "2613"


class StaleViewError(Exception):
    """A materialised view's baseline is not what refreshing it gives."""


class Baseline:
    """The baseline of the database that `link` is connected to.

    Args:
        database: its name.
        link: a session in it.
        scratch: a directory for large snapshots, or "".
        catalogs: the server's, as described by `describe_catalogs`.
        exact: whether the observer knows the writing transactions; otherwise rows by transactions that
            are still open when a table is marked must count as newer.
    """

    def __init__(
        self, database: str, link: Link, scratch: str, catalogs: list[Catalog], *, exact: bool
    ) -> None:
        self.database = database
        self._scratch = scratch
        self._exact = exact
        self.catalogs = Catalogs(one for one in catalogs if not one.shared)
        self._large_objects = LargeObjects()
        self._adopted: set[str] = set()
        self.relations: dict[str, Relation] = {}
        #: File node -> oid of the relation whose rows lie in it; TOAST files lead to their owner.
        self.files: dict[str, str] = {}
        #: Relations whose content is not the baseline's -> what it was at the last look.
        self.dirty: dict[str, Content] = {}
        #: Transactions of our own that the observer is to leave out.
        self.own_xids: list[int] = []
        #: Oids of relations whose changes leave no trace in the WAL.
        self.unlogged: set[str] = set()
        ((encoding,),) = link.query("select pg_catalog.getdatabaseencoding()")
        self._format = f"(FORMAT text, ENCODING '{encoding}')"
        self.adopt_schema(link)
        self.adopt(link, [*self.data(), _LARGE_OBJECTS])

    def data(self) -> list[str]:
        """Return the oids of all relations that hold data of the suite."""
        return [
            oid
            for oid, relation in self.relations.items()
            if not relation.is_catalog and relation.kind != "t"
        ]

    def label(self, oid: str) -> str:
        """Return `database/schema.name`; large objects are `database/pg_largeobject`."""
        relation = self.relations[oid]
        if oid in LargeObjects.CATALOGS:
            return f"{self.database}/pg_largeobject"
        return f"{self.database}/{relation.schema}.{relation.name}"

    def adopt_schema(self, link: Link) -> None:
        """Make the present schema the baseline; what new relations hold is to be adopted, too."""
        self.catalogs.remember(link, now(link).next_xid)
        known, self.relations, self.files = self.relations, {}, {}
        for row in link.query(_RELATIONS, (None,)):
            self._place(Relation.read(row), known.get(row[0] or ""))

    def move(self, link: Link, oids: Collection[str]) -> set[str]:
        """Read anew in which files relations lie; return those that moved or are new."""
        moved = set()
        for row in link.query(_RELATIONS, (as_array(oids),)):
            relation = Relation.read(row)
            before = self.relations.get(relation.oid)
            if before is None or (before.filenode, before.populated) != (
                relation.filenode,
                relation.populated,
            ):
                moved.add(relation.owner if relation.kind == "t" else relation.oid)
            if before is not None and before.filenode != relation.filenode:
                self.files.pop(before.filenode, None)
            self._place(relation, before)
        return moved

    def _place(self, relation: Relation, before: Relation | None) -> None:
        if relation.unlogged and not relation.is_catalog and relation.kind != "t":
            self.unlogged.add(relation.oid)
        if before is not None:
            relation.inherit(before)
        self.relations[relation.oid] = relation
        self.files[relation.filenode] = relation.owner if relation.kind == "t" else relation.oid

    def prune(self, link: Link) -> None:
        """Forget relations that are not there any more, and learn the names that the others have now."""
        before, self.relations, self.files = self.relations, {}, {}
        for row in link.query(_RELATIONS, (None,)):
            self._place(Relation.read(row), before.get(row[0] or ""))
        for oid in before.keys() - self.relations.keys():
            self.dirty.pop(oid, None)
            self.unlogged.discard(oid)

    def remove(self, oids: Collection[str]) -> None:
        """Forget relations that were dropped."""
        for oid in oids:
            self.dirty.pop(oid, None)
            if (relation := self.relations.pop(oid, None)) is not None:
                self.files.pop(relation.filenode, None)

    def strangers(self) -> list[str]:
        """Return the oids of relations with data that are not part of the baseline."""
        return [oid for oid in self.data() if oid not in self._adopted]

    def adopt(self, link: Link, oids: Collection[str]) -> None:
        """Make the present content of these relations part of the baseline."""
        moment = now(link)
        chosen = [self.relations[oid] for oid in oids if oid in self.relations]
        self._adopt_tables(
            link, [one for one in chosen if one.kind == "r" and not one.is_catalog], moment
        )
        self._settle_sequences(link, [one for one in chosen if one.kind == "S"])
        for oid, content in self._read(link, [one for one in chosen if one.kind == "m"]).items():
            self.relations[oid].content = content
        if LargeObjects.CATALOGS & set(oids):
            self._large_objects.remember(link)
        self._adopted.update(oids)
        for oid in oids:
            self.dirty.pop(oid, None)

    def _adopt_tables(self, link: Link, tables: list[Relation], moment: Moment) -> None:
        sizes = link.query(_SIZES, (as_array(table.oid for table in tables),))
        filled_oids = {oid for oid, blocks in sizes if blocks != "0"}
        for table in tables:
            table.mark = moment.next_xid if self._exact else moment.oldest_open
            if table.snapshot is not None:
                table.snapshot.discard()
                table.snapshot = None
        filled = [table for table in tables if table.oid in filled_oids]
        for start in range(0, len(filled), _BATCH):
            self._photograph(link, filled[start : start + _BATCH])
        for table in tables:
            table.content = Content(table.snapshot.rows if table.snapshot else 0, 0)

    def _photograph(self, link: Link, tables: list[Relation]) -> None:
        snapshots = [Snapshot(self._scratch) for _ in tables]
        waiting = iter(snapshots)
        current = next(waiting)

        def sink(row: bytes) -> None:
            nonlocal current
            current.add(row)
            if not row:
                current = next(waiting, current)

        link.execute(
            "; ".join(f"COPY {table.sql} TO STDOUT {self._format}" for table in tables), copy_out=sink
        )
        for table, snapshot in zip(tables, snapshots, strict=True):
            table.snapshot = snapshot if snapshot.rows else None

    def _settle_sequences(self, link: Link, sequences: list[Relation]) -> None:
        """Remember the values of sequences, and have the next use of each leave a trace in the WAL.

        PostgreSQL logs one nextval in 32; after setval to the present value, the next one is logged.
        """
        contents = self._read(link, sequences)
        for relation in sequences:
            found = contents[relation.oid]
            relation.content = Content(found.older, found.newer % 2)
        called = [relation for relation in sequences if relation.content.newer]
        if called:
            values = as_array(relation.content.older for relation in called)
            rows = link.query(_SETTLE, (as_array(relation.oid for relation in called), values))
            self.own_xids.append(int(rows[0][0] or 0))

    def examine(
        self, link: Link, oids: Iterable[str], written: Collection[str], forced: Collection[str]
    ) -> set[str]:
        """Compare suspects with the baseline; return the oids of those that differ from the look before.

        Of `written` it is known that they were written to since. `forced` are those that must count as
        different from the baseline: transactions older than their mark wrote.
        """
        chosen = {oid for oid in oids if oid in self.relations}
        found = self._read(link, [self.relations[oid] for oid in chosen - LargeObjects.CATALOGS])
        for oid in forced:
            found[oid] = _OTHER
        if chosen & LargeObjects.CATALOGS:
            differ = self._large_objects.differ(link)
            found[_LARGE_OBJECTS] = _OTHER if differ else self.relations[_LARGE_OBJECTS].content
        changed = set()
        for oid, content in found.items():
            before = self.dirty.pop(oid, None)
            if content != self.relations[oid].content:
                self.dirty[oid] = content
            written_again = oid in written and self.relations[oid].kind != "S" and oid in self.dirty
            if written_again or content.since(self.relations[oid].content if before is None else before):
                changed.add(oid)
        return changed

    def set_aside(self, oids: Collection[str]) -> set[str]:
        """Note relations that cannot be read now, and so must count as different; return their oids."""
        known = {oid for oid in oids if oid in self.relations}
        self.dirty.update(dict.fromkeys(known, _OTHER))
        return known

    def _read(self, link: Link, relations: list[Relation]) -> dict[str, Content]:
        """Read the contents of relations, many in one statement.

        The statements for many are kept prepared: a scan reads the same relations over and over.
        """
        found = {}
        relations = sorted(relations, key=lambda one: int(one.oid))
        run = link.repeat if len(relations) >= _MANY else link.query
        for start in range(0, len(relations), _BATCH):
            some = relations[start : start + _BATCH]
            parts = [one.content_sql(f"($1::xid[])[{place}]") for place, one in enumerate(some, 1)]
            marks = (
                [as_array(one.mark % 2**32 for one in some)] if any(one.marked for one in some) else []
            )
            for oid, older, newer, latest in run(" union all ".join(parts), marks):
                found[oid or ""] = Content(int(older or 0), int(newer or 0), int(latest or 0))
        return found

    def restore(self, link: Link, oids: Collection[str], *, tidy: bool) -> None:
        """Bring these relations back.

        Raises:
            LinkError: a lock is held (sqlstate 55P03), or something was refused.
            StaleViewError: a materialised view cannot be brought back by refreshing it.
        """
        relations = [self.relations[oid] for oid in sorted(set(oids) - {_LARGE_OBJECTS}, key=int)]
        if not self._exact:
            # Nobody knows how much was written and rolled back.
            for one in relations:
                one.wear = WORN + 1
        extra = self._large_objects.repair(link) if _LARGE_OBJECTS in oids else []
        done = Restoration(link, self._format, tidy=tidy).run(self.dirty, relations, extra)
        for table in done.rewritten:
            table.mark = done.moment.next_xid if self._exact else done.moment.oldest_open
        self._check_views(link, [one for one in relations if one.kind == "m"])
        self.own_xids += done.xids
        for oid in oids:
            self.dirty.pop(oid, None)

    def _check_views(self, link: Link, views: list[Relation]) -> None:
        if not views:
            return
        self.move(link, [view.oid for view in views])
        views = [self.relations[view.oid] for view in views]
        for oid, content in self._read(link, views).items():
            if content != self.relations[oid].content:
                raise StaleViewError(self.label(oid))

    def compare_schema(self, link: Link, names: Collection[str] | None) -> Difference:
        """Compare the schema; see `Catalogs.compare`."""
        return self.catalogs.compare(link, now(link).next_xid, names)


def now(link: Link) -> Moment:
    """Return the present moment."""
    ((snapshot,),) = link.query("select pg_catalog.pg_current_snapshot()")
    return Moment.of(snapshot or "")
