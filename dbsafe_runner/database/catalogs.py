"""Catalogs: whether a database's schema is what it was, and if not, what was added or lost.

Rows of PostgreSQL's catalogs are never changed in place (but for statistics), so a catalog is as it was
when all rows of the baseline are still visible and there is no newer one. That is a count, whatever is in
the rows. Only where rows were replaced are contents compared, as hashes: TRUNCATE, for one, replaces
the row of its table by one that differs in nothing but the file.

What belongs to temporary tables is left out: it belongs to a session, and ends with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

from dbsafe_runner.database.link import Link, load_sql

_COLUMNS = load_sql("catalog_columns")

#: Columns that are statistics, places of files, or hints that PostgreSQL leaves set when their reason is gone.
_VOLATILE = {
    "pg_class": frozenset(
        ["relfilenode", "relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid", "relhasindex", "relhasrules", "relhastriggers", "relhassubclass", "relrewrite", "relispopulated"]
    ),
    "pg_database": frozenset(("datfrozenxid", "datminmxid", "dathasloginevt")),
    "pg_index": frozenset(("indcheckxmin",)),
    "pg_attribute": frozenset(("attcacheoff",)),
}
_NAMESPACE_COLUMNS = frozenset(
    ["relnamespace", "typnamespace", "pronamespace", "connamespace", "oprnamespace", "opcnamespace", "opfnamespace", "collnamespace", "stxnamespace", "cfgnamespace", "dictnamespace", "prsnamespace", "tmplnamespace"]
)
_RELATION_COLUMNS = frozenset(
    ["attrelid", "indrelid", "adrelid", "tgrelid", "seqrelid", "ev_class", "inhrelid", "polrelid", "partrelid", "prrelid"]
)
_TEMPORARY = """with temporary_schemas as materialized (
    select oid from pg_catalog.pg_namespace where nspname like 'pg\\_temp\\_%' or nspname like 'pg\\_toast\\_temp\\_%'),
temporary as materialized (
    select oid from pg_catalog.pg_class where relpersistence = 't')
"""
# Of the dependencies, only what can be set by itself: owners of sequences and members of extensions.
_DEPENDENCIES = """ and (c.deptype in ('x', 'e') or c.deptype in ('a', 'i')
    and c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.refobjsubid <> 0
    and c.objid in (select seqrelid from pg_catalog.pg_sequence))
    and c.refobjid <> all (array(select oid from temporary))"""
_FIRST_OWN_OID = 16384
#: Large catalogs whose rows are hardly ever replaced by equal ones: counting has to do.
_COUNTED = frozenset(("pg_attribute", "pg_depend"))


@dataclasses.dataclass(frozen=True, slots=True)
class Catalog:
    """One catalog. `row` is the SQL of the part of a row that counts, `kept` a condition on rows."""

    name: str
    oid: str
    row: str
    #: The row's oid as SQL; "0" for catalogs without one.
    key: str
    kept: str
    has_oid: bool
    #: A condition for rows that did not come with PostgreSQL itself.
    own: str


@dataclasses.dataclass(slots=True)
class Difference:
    """How catalogs differ from the baseline. `added` holds (catalog, oid of the row or "0")."""

    added: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    #: Catalogs in which rows of the baseline are gone or changed.
    lost: list[str] = dataclasses.field(default_factory=list)
    #: Oids of pg_class rows that are newer than the baseline, whether they differ or not.
    touched: list[str] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.lost)


@dataclasses.dataclass(slots=True)
class _Remembered:
    """The baseline of one catalog: rows older than `mark` and how many they are; hashes of own rows."""

    mark: int
    rows: int
    hashes: set[str]


class Catalogs:
    """The catalogs of one database, or with `shared` those that all databases share."""

    def __init__(self, link: Link, *, shared: bool) -> None:
        self.known = {catalog.name: catalog for catalog in _describe(link, shared=shared)}
        self._baseline: dict[str, _Remembered] = {}

    def remember(self, link: Link, mark: int, names: Collection[str] | None = None) -> None:
        """Make what is there now the baseline; `mark` is the next transaction id."""
        for name, rows, hashes in self._read(link, self._picked(names), "true", own_only=True):
            self._baseline[name] = _Remembered(mark, rows, {item.partition(":")[0] for item in hashes})

    def compare(self, link: Link, mark: int, names: Collection[str] | None = None) -> Difference:
        """Compare with the baseline; equal contents in new rows become part of it. `mark` as above."""
        found = Difference()
        for name, older, newer in self._read(link, self._picked(names), "", own_only=False):
            self._judge(name, older, newer, found, mark)
        return found

    def _judge(self, name: str, older: int, newer: list[str], found: Difference, mark: int) -> None:
        baseline = self._baseline[name]
        pairs = [item.partition(":")[::2] for item in newer]
        added = [key for digest, key in pairs if digest not in baseline.hashes]
        if name == "pg_class":
            found.touched.extend(key for _, key in pairs)
        found.added.extend((name, key) for key in added)
        if older + len(newer) - len(added) != baseline.rows:
            found.lost.append(name)
        elif newer and not added:
            baseline.mark = mark

    def _picked(self, names: Collection[str] | None) -> list[Catalog]:
        return [catalog for catalog in self.known.values() if names is None or catalog.name in names]

    def _read(
        self, link: Link, catalogs: Iterable[Catalog], newer: str, *, own_only: bool
    ) -> list[tuple[str, int, list[str]]]:
        """Return (name, rows that are not newer, "hash:oid" of the newer ones) of each catalog."""
        parts = []
        for catalog in catalogs:
            new = (
                newer
                or f"pg_catalog.age(c.xmin) <= pg_catalog.age('{self._baseline[catalog.name].mark % 2**32}'::xid)"
            )
            count = "true" if own_only else f"not ({new})"
            picked = catalog.own if own_only else new
            parts.append(
                f"select '{catalog.name}', pg_catalog.count(*) filter (where {count}),"
                f" pg_catalog.string_agg(pg_catalog.hashtextextended({catalog.row}, 0)::text || ':' || {catalog.key},"
                f" ' ') filter (where {picked}) from pg_catalog.{catalog.name} as c where {catalog.kept}"
            )
        if not parts:
            return []
        rows = link.query(_TEMPORARY + " union all ".join(parts))
        return [
            (name or "", int(count or 0), hashes.split(" ") if hashes else [])
            for name, count, hashes in rows
        ]


def _describe(link: Link, *, shared: bool) -> list[Catalog]:
    columns: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for name, oid, is_shared, column, regproc in link.query(_COLUMNS):
        if (is_shared == "t") == shared:
            columns.setdefault((name or "", oid or ""), []).append((column or "", regproc == "t"))
    return [_catalog(name, oid, found) for (name, oid), found in columns.items()]


def _catalog(name: str, oid: str, columns: list[tuple[str, bool]]) -> Catalog:
    volatile = _VOLATILE.get(name, frozenset())
    # The text of a regproc depends on which other functions there are.
    values = [
        f"c.{column}::oid" if regproc else f"c.{column}"
        for column, regproc in columns
        if column not in volatile
    ]
    names = [column for column, _ in columns]
    own = next(
        (column for column in ("oid", *sorted(_RELATION_COLUMNS), "objid", "objoid") if column in names),
        "",
    )
    return Catalog(
        name=name,
        oid=oid,
        row=f"row({', '.join(values)})::text",
        key="c.oid" if "oid" in names else f"c.{own}" if own in _RELATION_COLUMNS else "0",
        kept=_kept(name, names),
        has_oid="oid" in names,
        own=_own(name, own),
    )


def _own(name: str, column: str) -> str:
    if name in _COUNTED:
        return "false"
    if not column or name in {"pg_namespace", "pg_database", "pg_authid"}:
        return "true"
    return f"c.{column} >= {_FIRST_OWN_OID}"


def _kept(name: str, columns: list[str]) -> str:
    condition = "true"
    for column in columns:
        if column in _NAMESPACE_COLUMNS:
            condition += f" and c.{column} <> all (array(select oid from temporary_schemas))"
        elif column in _RELATION_COLUMNS or (column == "objoid" and name == "pg_description"):
            condition += f" and c.{column} <> all (array(select oid from temporary))"
    if name == "pg_namespace":
        condition += " and c.oid <> all (array(select oid from temporary_schemas))"
    if name == "pg_depend":
        condition += _DEPENDENCIES
    return condition
