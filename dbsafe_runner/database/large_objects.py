"""Large objects of one database: remembered, compared and brought back as a whole.

They are few where there are any at all, so all of them are read: their contents are held in memory.
"""

from __future__ import annotations

import dataclasses

from dbsafe_runner.database.link import Link, load_sql, quote_name

_LIST = load_sql("large_objects")
_GRANTS = load_sql("large_object_grants")


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """How a large object was, the hash of its contents, and the statements that make it."""

    owner: str
    privileges: str | None
    digest: str
    statements: tuple[str, ...]


class LargeObjects:
    """The large objects of the database that the links given to its methods are connected to."""

    #: The oids of pg_largeobject and pg_largeobject_metadata in every server.
    CATALOGS = frozenset(("2613", "2995"))

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def remember(self, link: Link) -> None:
        """Make what is there now the baseline."""
        self._kept = {}
        for oid, owner, privileges, digest in link.query(_LIST):
            statements = self._recipe(link, oid or "", owner or "")
            self._kept[oid or ""] = _Kept(owner or "", privileges, digest or "", statements)

    def differ(self, link: Link) -> bool:
        """Whether there are others now, or they differ."""
        return bool(self.repair(link))

    def repair(self, link: Link) -> list[str]:
        """Return the statements that bring the baseline back."""
        found = {oid or "": tuple(rest) for oid, *rest in link.query(_LIST)}
        statements = [f"SELECT pg_catalog.lo_unlink({oid})" for oid in found.keys() - self._kept.keys()]
        for oid, kept in self._kept.items():
            if found.get(oid) == (kept.owner, kept.privileges, kept.digest):
                continue
            if oid in found:
                statements.append(f"SELECT pg_catalog.lo_unlink({oid})")
            statements.extend(kept.statements)
        return statements

    def _recipe(self, link: Link, oid: str, owner: str) -> tuple[str, ...]:
        ((data,),) = link.query("select pg_catalog.lo_get($1::oid)", (oid,))
        return (
            f"SELECT pg_catalog.lo_from_bytea({oid}, E'\\{data}')",
            f"ALTER LARGE OBJECT {oid} OWNER TO {quote_name(owner)}",
            *(grant or "" for (grant,) in link.query(_GRANTS, (oid,))),
        )
