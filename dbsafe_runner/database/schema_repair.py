"""Schema repair: how a database's schema differs from the baseline, and dropping what was added to it.

Whatever was dropped or altered cannot be brought back here. Dropping runs in one transaction that is
committed only when the schema compares as equal to the baseline again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dbsafe_runner.database.baseline import Baseline
from dbsafe_runner.database.catalogs import news
from dbsafe_runner.database.link import Link, LinkError, as_array, load_sql

_IDENTIFY = load_sql("identify")

#: Kinds of objects, as pg_identify_object names them, that DROP takes by the same name.
_DROPPABLE = frozenset(
    (
        "access method", "aggregate", "cast", "collation", "conversion", "event trigger", "extension",
        "foreign table", "foreign-data wrapper", "function", "index", "language", "materialized view",
        "operator", "operator class", "operator family", "policy", "procedure", "publication", "rule",
        "schema", "sequence", "server", "statistics object", "table", "text search configuration",
        "text search dictionary", "text search parser", "text search template", "transform", "trigger",
        "type", "view",
    )
)  # fmt: skip
#: Catalogs whose rows are parts of objects, and come and go with these.
_PARTS = frozenset(("pg_enum", "pg_amop", "pg_amproc", "pg_attrdef"))
#: Those that pg_identify_object and DROP call differently.
_SPELLING = {"statistics object": "statistics", "composite type": "type", "domain": "domain"}


class SchemaDifference:
    """How the schema of one database differs from the baseline, as of the last comparison."""

    def __init__(self, base: Baseline) -> None:
        self._base = base
        #: Catalog -> oids of rows that were added.
        self._added: dict[str, list[str]] = {}
        #: Likewise, of rows that stand for what the baseline has, too.
        self._changed: dict[str, list[str]] = {}
        #: Catalogs in which rows of the baseline are gone or changed.
        self._lost: set[str] = set()
        self.words: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._added or self._lost)

    def forget(self) -> None:
        """What is there now is the baseline."""
        self._added, self._changed, self._lost, self.words = {}, {}, set(), []

    def compare(self, link: Link, names: Collection[str] | None) -> tuple[list[str], set[str]]:
        """Compare some catalogs, or all, with the baseline.

        Returns:
            What has changed since the comparison before, in words; and the oids of relations that are
            new or lie in other files than before.
        """
        found = self._base.compare_schema(link, names)
        created = set(self._added.get("pg_class", ()))
        for name in self._base.catalogs.known if names is None else names:
            self._added.pop(name, None)
            self._changed.pop(name, None)
            self._lost.discard(name)
        for name, oid in found.added:
            self._added.setdefault(name, []).append(oid)
        for name, oid in found.changed:
            self._changed.setdefault(name, []).append(oid)
        self._lost.update(found.lost)
        moved = self._base.move(link, found.touched) if found.touched else set()
        # What is not part of the baseline may be gone again, too: its relations are no more either.
        if found.lost or not created <= set(self._added.get("pg_class", ())):
            self._base.prune(link)
        before, self.words = self.words, self._describe(link) if self else []
        words = news(before, self.words)
        # A second change to what already differed may be described by the same words.
        again = words or [f"{self._base.database}/{name} changed" for name in found.moved]
        return again, moved

    def repair(self, link: Link) -> tuple[int, str]:
        """Drop what was added.

        Returns:
            Our transaction's id, and "" or, in words, why the schema is not the baseline's even so.

        Raises:
            LinkError: the session is gone.
        """
        objects = self._objects(link, self._added)
        if self._lost or any(kind not in _DROPPABLE and kind not in _SPELLING for kind, _ in objects):
            return 0, "; ".join(self.words)
        drops = [
            f"DROP {_SPELLING.get(kind, kind).upper()} IF EXISTS {name} CASCADE"
            for kind, name in objects
        ]
        try:
            link.execute("; ".join(["BEGIN", *drops]))
            left = self._base.compare_schema(link, None)
            ((xid,),) = link.query("select pg_catalog.pg_current_xact_id()")
            link.execute("ROLLBACK" if left else "COMMIT")
        except LinkError as error:
            if not link.usable:
                raise
            link.execute("ROLLBACK")
            return 0, f"{'; '.join(self.words)}, and cannot be dropped: {error}"
        if left:
            return 0, f"{'; '.join(self.words)}, and dropping that does not bring the schema back"
        self._base.remove(self._added.get("pg_class", []))
        self.forget()
        return int(xid or 0), ""

    def _objects(self, link: Link, rows_of: Mapping[str, list[str]]) -> list[tuple[str, str]]:
        """Return (kind, quoted name) of the objects that rows of catalogs stand for."""
        known = self._base.catalogs.known
        rows = [
            (known[name].oid, oid)
            for name, oids in rows_of.items()
            if known[name].has_oid and name not in _PARTS
            for oid in oids
        ]
        parameters = as_array(catalog for catalog, _ in rows), as_array(oid for _, oid in rows)
        return [(kind or "", name or "") for kind, name in link.query(_IDENTIFY, parameters)]

    def _describe(self, link: Link) -> list[str]:
        """Return the differences in words."""
        changed = self._objects(link, self._changed)
        words = [f"{name} created" for _, name in self._objects(link, self._added)]
        words += [f"{name} changed" for _, name in changed]
        # Of what was dropped, no more is known than which catalog it was in.
        words += [f"{name} changed" for name in sorted(self._lost) if not self._changed.get(name)]
        words = words or [f"{name} changed" for name in {**self._added, **self._changed}]
        return [f"{self._base.database}/{word}" for word in words]
