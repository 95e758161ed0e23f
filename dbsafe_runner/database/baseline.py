"""Baseline: what one database held, how it differs from that now, and how to bring it back.

It works through a session that it is given (`dbsafe_runner.database.links`), and is told by an observer
which tables to look at. It decides nothing about transactions of the suite or about other databases; that
is the work of `dbsafe_runner.database.reset`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator

from dbsafe_runner.database.catalogs import Catalogs, Difference
from dbsafe_runner.database.link import Link, load_sql
from dbsafe_runner.database.relation import Content, Relation
from dbsafe_runner.database.snapshot import Snapshot

_RELATIONS = load_sql("relations")
_BATCH = 200


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


class Baseline:
    """The baseline of the database that `link` is connected to.

    Args:
        exact: whether the observer knows the writing transactions; otherwise rows by transactions that
            are still open when a table is marked must count as newer.
    """

    def __init__(self, database: str, link: Link, scratch: str, *, exact: bool) -> None:
        self.database = database
        self._scratch = scratch
        self._exact = exact
        self.catalogs = Catalogs(link, shared=False)
        self.relations: dict[str, Relation] = {}
        self.files: dict[str, str] = {}
        #: Relations whose content is not the baseline's -> what it was at the last look.
        self.dirty: dict[str, Content] = {}
        ((self._encoding,),) = link.query("select pg_catalog.getdatabaseencoding()")
        self.adopt_everything(link)

    def label(self, relation: Relation) -> str:
        """Return `database/schema.name`; large objects are `database/pg_largeobject`."""
        return f"{self.database}/{relation.schema}.{relation.name}"

    def adopt_everything(self, link: Link) -> None:
        """Make what is there now the baseline."""
        moment = now(link)
        self.catalogs.remember(link, moment.next_xid)
        self.read_relations(link)
        self.adopt(link, self.relations)

    def read_relations(self, link: Link, oids: Collection[str] | None = None) -> set[str]:
        """Read which relations there are and in which files; return the oids of those in other files.

        `oids` limits it to some; what is known of the content of relations stays known.
        """
        moved = set()
        picked = None if oids is None else "{" + ",".join(oids) + "}"
        for row in link.query(_RELATIONS, (picked,)):
            relation = _relation(row)
            before = self.relations.get(relation.oid)
            if before is not None:
                relation.mark, relation.content, relation.snapshot = (
                    before.mark,
                    before.content,
                    before.snapshot,
                )
                if before.filenode != relation.filenode:
                    self.files.pop(before.filenode, None)
                    moved.add(relation.oid)
            self.relations[relation.oid] = relation
            self.files[relation.filenode] = relation.owner if relation.kind == "t" else relation.oid
        return moved

    def adopt(self, link: Link, oids: Collection[str]) -> None:
        """Make the present content of these relations part of the baseline."""
        moment = now(link)
        chosen = [self.relations[oid] for oid in oids if oid in self.relations]
        tables = [relation for relation in chosen if relation.kind == "r" and not relation.is_catalog]
        for relation in tables:
            relation.mark = moment.next_xid if self._exact else moment.oldest_open
        self._settle_sequences(link, [relation for relation in chosen if relation.kind == "S"])
        contents = self._read(link, tables)
        self._photograph(link, [relation for relation in tables if contents[relation.oid].blocks])
        for relation in chosen:
            if relation.oid in contents:
                rows = relation.snapshot.rows if relation.snapshot else 0
                relation.content = Content(rows, 0, contents[relation.oid].blocks)
            self.dirty.pop(relation.oid, None)

    def examine(self, link: Link, oids: Iterable[str], forced: Collection[str] = ()) -> set[str]:
        """Compare suspects with the baseline; return the oids of those that differ from the look before.

        `forced` are those that must count as different, because transactions older than their mark wrote.
        """
        chosen = [self.relations[oid] for oid in oids if oid in self.relations]
        changed = set()
        for oid, content in self._read(link, chosen).items():
            relation = self.relations[oid]
            before = self.dirty.get(oid)
            same = content.older == relation.content.older and content.newer == relation.content.newer
            if same and oid not in forced:
                self.dirty.pop(oid, None)
                if before is not None:
                    changed.add(oid)
            else:
                self.dirty[oid] = content if oid not in forced else Content(-1, 0, content.blocks)
                changed.add(oid)
        return changed

    def _read(self, link: Link, relations: list[Relation]) -> dict[str, Content]:
        found = {}
        for start in range(0, len(relations), _BATCH):
            sql = " union all ".join(map(_content_sql, relations[start : start + _BATCH]))
            for oid, older, newer, blocks in link.query(sql):
                found[oid or ""] = Content(int(older or 0), int(newer or 0), int(blocks or 0))
        return found

    def _settle_sequences(self, link: Link, sequences: list[Relation]) -> None:
        """Remember the values of sequences, and have the next use of each leave a trace in the WAL.

        PostgreSQL logs one nextval in 32; setval to the present value makes the next one the first.
        """
        contents = self._read(link, sequences)
        for relation in sequences:
            relation.content = contents[relation.oid]
        if sequences:
            link.execute("; ".join(_setval(relation) for relation in sequences))

    def _photograph(self, link: Link, tables: list[Relation]) -> None:
        for relation in tables:
            relation.snapshot = Snapshot(self._scratch)
        for start in range(0, len(tables), _BATCH):
            some = tables[start : start + _BATCH]
            snapshots = iter([relation.snapshot for relation in some if relation.snapshot])
            current = [next(snapshots)]

            def sink(row: bytes) -> None:
                current[0].add(row)
                if not row:
                    current[0] = next(snapshots, current[0])

            link.execute(
                "; ".join(f"COPY {relation.sql} TO STDOUT {self._format}" for relation in some),
                copy_out=sink,
            )

    @property
    def _format(self) -> str:
        return f"(FORMAT text, ENCODING '{self._encoding}')"

    def restore(self, link: Link, oids: Collection[str]) -> int:
        """Bring these relations back in one transaction; return its id.

        Raises:
            LinkError: a lock is held (sqlstate 55P03), or the rows are refused; nothing has changed.
        """
        relations = [self.relations[oid] for oid in sorted(oids, key=int)]
        statements, sources, rewritten = ["BEGIN"], [], []
        for relation in relations:
            if relation.kind == "S":
                statements.append(_setval(relation))
                continue
            intact = self.dirty[relation.oid].older == relation.content.older
            statements.append(
                f"DELETE FROM ONLY {relation.sql}" + (f" WHERE {relation.newer}" if intact else "")
            )
            if not intact:
                rewritten.append(relation)
                if relation.snapshot is not None and relation.snapshot.rows:
                    statements.append(f"COPY {relation.sql} FROM STDIN {self._format}")
                    sources.append(relation.snapshot.chunks())
        statements += [
            "SELECT pg_catalog.pg_current_xact_id()",
            "SELECT pg_catalog.pg_current_snapshot()",
            "COMMIT",
        ]
        try:
            results = link.execute("; ".join(statements), sources)
        except Exception:
            link.execute("ROLLBACK")
            raise
        xid = int(results[-3][0][0] or 0)
        moment = Moment.of(results[-2][0][0] or "", own=xid)
        for relation in rewritten:
            relation.mark = moment.next_xid if self._exact else moment.oldest_open
        for relation in relations:
            self.dirty.pop(relation.oid, None)
        return xid

    def compare_catalogs(self, link: Link, names: Collection[str] | None) -> Difference:
        """Compare the schema; see `Catalogs.compare`."""
        return self.catalogs.compare(link, now(link).next_xid, names)


def now(link: Link) -> Moment:
    """Return the present moment."""
    ((snapshot,),) = link.query("select pg_catalog.pg_current_snapshot()")
    return Moment.of(snapshot or "")


def _relation(row: tuple[str | None, ...]) -> Relation:
    oid, schema, name, kind, persistence, filenode, owner, _, stubborn, referenced, populated = (
        cell or "" for cell in row
    )
    return Relation(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        unlogged=persistence == "u",
        filenode=filenode,
        owner=owner,
        stubborn_triggers=stubborn == "t",
        referenced=referenced == "t",
        populated=populated == "t",
    )


def _content_sql(relation: Relation) -> str:
    if relation.kind == "S":
        return f"select {relation.oid}, last_value, is_called::int, 0::bigint from {relation.sql}"
    return (
        f"select {relation.oid}, pg_catalog.count(*) filter (where not ({relation.newer})),"
        f" pg_catalog.count(*) filter (where {relation.newer}), pg_catalog.pg_relation_size({relation.oid})"
        f" from only {relation.sql}"
    )


def _setval(relation: Relation) -> str:
    called = "true" if relation.content.newer else "false"
    return f"SELECT pg_catalog.setval({relation.oid}::regclass, {relation.content.older}, {called})"
