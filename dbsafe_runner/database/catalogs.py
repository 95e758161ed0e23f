"""Catalogs: whether a database's schema is what it was, and if not, what was added or lost.

Rows of PostgreSQL's catalogs are never changed in place (but for statistics), so a catalog is as it was
when all rows of the baseline are still visible and there is no newer one. That is a count, whatever is
in the rows. Only where rows were replaced are contents compared, as hashes: TRUNCATE, for one,
replaces the row of its table by one that differs in nothing but the file.

What belongs to temporary tables is left out: it belongs to a session, and ends with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

from dbsafe_runner.database.link import Link, as_array, load_sql

_COLUMNS = load_sql("catalog_columns")
_TEMPORARY = load_sql("temporary")
_FIRST_OWN_OID = 16384

#: Columns that are statistics, places of files, or hints that PostgreSQL leaves set when their reason is
#: gone.
_VOLATILE = {
    "pg_class": frozenset(
        (
            "relfilenode", "relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid",
            "relminmxid", "relhasindex", "relhasrules", "relhastriggers", "relhassubclass", "relrewrite",
            "relispopulated", "reltoastrelid",
        )
    ),
    "pg_database": frozenset(("datfrozenxid", "datminmxid", "dathasloginevt")),
    "pg_index": frozenset(("indcheckxmin",)),
    "pg_attribute": frozenset(("attcacheoff",)),
}  # fmt: skip
#: Columns that say to which schema, or to which relation, a row belongs.
_NAMESPACE_COLUMNS = frozenset(
    (
        "relnamespace", "typnamespace", "pronamespace", "connamespace", "oprnamespace", "opcnamespace",
        "opfnamespace", "collnamespace", "stxnamespace", "cfgnamespace", "dictnamespace",
        "prsnamespace", "tmplnamespace", "defaclnamespace", "pnnspid",
    )
)  # fmt: skip
_RELATION_COLUMNS = (
    "adrelid", "attrelid", "ev_class", "indrelid", "inhrelid", "partrelid", "polrelid", "prrelid",
    "seqrelid", "tgrelid", "typrelid",
)  # fmt: skip
# Of the dependencies, only what can be set by itself: owners of sequences and members of extensions.
_DEPENDENCIES = """(c.deptype in ('x', 'e') or c.deptype in ('a', 'i')
    and c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.refobjsubid <> 0
    and c.objid in (select seqrelid from pg_catalog.pg_sequence))
    and c.refobjid not in (select oid from temporary)"""
#: Columns that say to which type or function a row belongs, in catalogs that say nothing else of that.
_OTHERS_COLUMNS = ("enumtypid", "rngtypid", "aggfnoid", "castsource")
# Where the namespace is a schema, what else is described may belong to other schemas.
_DESCRIPTIONS = """((select schema from own) is null
    or c.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass)"""
#: Large catalogs whose rows are hardly ever replaced by equal ones: counting has to do.
_COUNTED = frozenset(("pg_attribute", "pg_depend"))
#: Small ones of which rows that came with PostgreSQL are often changed, and changed back.
_WHOLE = frozenset(("pg_namespace", "pg_database", "pg_authid"))


@dataclasses.dataclass(frozen=True, slots=True)
class Catalog:
    """One catalog. `row` is the SQL of the part of a row that counts, `kept` a condition on rows."""

    name: str
    oid: str
    shared: bool
    has_oid: bool
    row: str
    #: The row's oid, or that of the relation it belongs to, as SQL.
    key: str
    kept: str
    #: A condition for rows whose hashes are remembered: those that did not come with PostgreSQL.
    own: str


@dataclasses.dataclass(slots=True)
class Difference:
    """How catalogs differ from the baseline. `added` and `changed` hold (catalog, key of the row)."""

    added: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    #: Rows that stand for what the baseline has, too, where that can be told.
    changed: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    #: Catalogs in which rows of the baseline are gone or changed.
    lost: list[str] = dataclasses.field(default_factory=list)
    #: Oids of pg_class rows that are newer than the baseline, whether they differ or not.
    touched: list[str] = dataclasses.field(default_factory=list)
    #: Catalogs that are not as they were at the comparison before, be they as in the baseline or not.
    moved: list[str] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.lost)


@dataclasses.dataclass(slots=True)
class _Remembered:
    """The baseline of one catalog: rows older than `mark` and how many they are; hashes of own rows."""

    mark: int
    rows: int
    hashes: frozenset[str]
    keys: frozenset[str]


class Catalogs:
    """Some of a database's catalogs, as described by `describe_catalogs`."""

    def __init__(self, catalogs: Iterable[Catalog]) -> None:
        self.known = {catalog.name: catalog for catalog in catalogs}
        self._baseline: dict[str, _Remembered] = {}
        #: Catalogs that differed at the last comparison -> how many rows of the baseline there were, and
        #: which others.
        self._differed: dict[str, tuple[int, frozenset[tuple[str, str]]]] = {}

    def remember(self, link: Link, mark: int) -> None:
        """Make what is there now the baseline; `mark` is the next transaction id."""
        self._differed.clear()
        parts = [_part(catalog, catalog.own) for catalog in self.known.values()]
        for name, rows, items in _read(link, parts):
            pairs = [item.partition(":")[::2] for item in items]
            hashes = frozenset(digest for digest, _ in pairs)
            keys = frozenset(key for _, key in pairs)
            self._baseline[name] = _Remembered(mark, rows, hashes, keys)

    def compare(self, link: Link, mark: int, names: Collection[str] | None = None) -> Difference:
        """Compare some catalogs, or all, with the baseline.

        Rows that were replaced by equal ones become the baseline's; `mark` is the next transaction id.
        """
        some = [one for one in self.known.values() if names is None or one.name in names]
        parts = []
        for place, catalog in enumerate(some, 1):
            # The subquery is evaluated once, not for every row.
            newer = f"pg_catalog.age(c.xmin) <= (select pg_catalog.age(($1::xid[])[{place}]))"
            parts.append(_part(catalog, newer))
        marks = as_array(self._baseline[one.name].mark % 2**32 for one in some)
        found = Difference()
        for name, rows, newer_rows in _read(link, parts, marks):
            self._judge(name, rows, newer_rows, found, mark)
        return found

    def _judge(self, name: str, rows: int, newer: list[str], found: Difference, mark: int) -> None:
        baseline = self._baseline[name]
        pairs = [item.partition(":")[::2] for item in newer]
        others = [(digest, key) for digest, key in pairs if digest not in baseline.hashes]
        added = [key for _, key in others]
        if name == "pg_class":
            found.touched.extend(key for _, key in pairs)
        for key in added:
            old = self.known[name].has_oid and (key in baseline.keys or int(key) < _FIRST_OWN_OID)
            (found.changed if old else found.added).append((name, key))
        if rows - len(added) != baseline.rows:
            found.lost.append(name)
        elif newer and not added:
            baseline.mark = mark
        as_before = self._differed.pop(name, (baseline.rows, frozenset()))
        state = rows - len(added), frozenset(others)
        if state != as_before:
            found.moved.append(name)
        if state != (baseline.rows, frozenset()):
            self._differed[name] = state


def news(before: Collection[str], now: Collection[str]) -> list[str]:
    """Return how a list of differences from the baseline has changed, in words like those in it.

    Bringing something back, or removing what is not in the baseline, takes a difference away.
    """
    gone = [word for word in before if word not in now]
    return [word for word in now if word not in before] + [_undone(word) for word in gone]


def _undone(word: str) -> str:
    """Return what took a difference away."""
    what, _, happened = word.rpartition(" ")
    opposite = {"created": "dropped", "dropped": "created"}.get(happened)
    return f"{what} {opposite}" if opposite else f"{word} back"


def describe_catalogs(link: Link) -> list[Catalog]:
    """Return the catalogs of the server that `link` leads to; they are the same in all its databases."""
    ((superuser,),) = link.query("select pg_catalog.current_setting('is_superuser')")
    columns: dict[tuple[str, str, bool], list[tuple[str, bool]]] = {}
    for name, oid, shared, column, regproc in link.query(_COLUMNS):
        key = name or "", oid or "", shared == "t"
        columns.setdefault(key, []).append((column or "", regproc == "t"))
    return [_catalog(*key, found, whole=superuser == "on") for key, found in columns.items()]


def _read(link: Link, parts: list[str], *marks: str) -> list[tuple[str, int, list[str]]]:
    """Return (name, number of rows, "hash:key" of the rows picked) of each catalog."""
    if not parts:
        return []
    rows = link.repeat(_TEMPORARY + " union all ".join(parts), marks)
    return [
        (name or "", int(count or 0), picked.split(" ") if picked else [])
        for name, count, picked in rows
    ]


def _part(catalog: Catalog, picked: str) -> str:
    # Built from PostgreSQL's own catalogs: no name in it comes from the suite.
    digest = f"pg_catalog.hashtextextended({catalog.row}, 0)::text || ':' || {catalog.key}"
    return (
        f"select '{catalog.name}', pg_catalog.count(*),"  # noqa: S608
        f" pg_catalog.string_agg({digest}, ' ') filter (where {picked})"
        f" from pg_catalog.{catalog.name} as c where {catalog.kept}"
    )


def _catalog(
    name: str, oid: str, shared: bool, columns: list[tuple[str, bool]], *, whole: bool
) -> Catalog:
    volatile = _VOLATILE.get(name, frozenset())
    # The text of a regproc depends on which other functions there are.
    values = [
        f"c.{column}::oid" if regproc else f"c.{column}"
        for column, regproc in columns
        if column not in volatile
    ]
    names = {column for column, _ in columns}
    key = next((column for column in ("oid", *_RELATION_COLUMNS) if column in names), "")
    belongs = key or next((one for one in ("objid", "objoid") if one in names), "")
    kept = _kept(name, names)
    if not whole and belongs and name not in _WHOLE and name != "pg_depend":
        # What came with PostgreSQL only superusers can change, but for the schema public, which is the
        # database's owner's; it is most of what there is.
        own = f"c.{belongs} >= {_FIRST_OWN_OID}"
        schemas = "c.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass"
        kept = f"({own} or {schemas}) and {kept}" if name == "pg_description" else f"{own} and {kept}"
    return Catalog(
        name=name,
        oid=oid,
        shared=shared,
        has_oid="oid" in names,
        row=f"row({', '.join(values)})::text",
        key=f"c.{key}" if key else "'0'",
        kept=kept,
        own=_own(name, belongs),
    )


def _own(name: str, column: str) -> str:
    if name in _COUNTED:
        return "false"
    return "true" if not column or name in _WHOLE else f"c.{column} >= {_FIRST_OWN_OID}"


def _kept(name: str, columns: Collection[str]) -> str:
    schemas = [f"c.{column}" for column in _NAMESPACE_COLUMNS if column in columns]
    relations = [f"c.{column}" for column in _RELATION_COLUMNS if column in columns]
    if name == "pg_namespace":
        schemas.append("c.oid")
    if name == "pg_description":
        relations.append("c.objoid")
    if name == "pg_class":
        relations.append("c.oid")
    outside = [f"c.{column}" for column in _OTHERS_COLUMNS if column in columns]
    conditions = [
        f"{column} not in (select oid from temporary_schemas)"  # noqa: S608
        for column in schemas
    ]
    conditions += [
        f"{column} not in (select oid from temporary)"  # noqa: S608
        for column in relations
    ]
    conditions += [
        f"{column} not in (select oid from others)"  # noqa: S608
        for column in outside
    ]
    if name == "pg_description":
        conditions.append(_DESCRIPTIONS)
    conditions += [_DEPENDENCIES] if name == "pg_depend" else []
    return " and ".join(conditions) or "true"
