"""Schema paths: what stands on search_path behind a worker's schema.

A session of the suite finds there what it finds without dbsafe, the extensions of other schemas for one,
but not the schema that the worker's one is a copy of: a table that a test has dropped would be there
again, and the next test would drop that of the user.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final

import psycopg
from psycopg import sql

from dbsafe_runner.database.clones import split_names
from dbsafe_runner.database.link import load_sql
from dbsafe_runner.database.sessions import Connection

_SHARED: Final = load_sql("clone_shared")
_OID: Final = "select oid from pg_namespace where nspname = %s"


@dataclasses.dataclass(frozen=True, slots=True)
class SchemaPath:
    """What a worker's schema stands before and stands for."""

    #: Names behind it where the suite sets no search_path.
    behind: tuple[str, ...]
    #: Names that it replaces in any search_path.
    replaced: tuple[str, ...]
    #: Names that are behind it in any search_path.
    shared: tuple[str, ...]

    def text(self, schema: str) -> str:
        """The search_path of sessions of which the suite says nothing."""
        return ", ".join(sql.Identifier(name).as_string() for name in (schema, *self.behind))


def as_option(path: str) -> str:
    """What sets a search_path in libpq's `options`, in which unescaped white space separates."""
    return "-c search_path=" + re.sub(r"([\s\\])", r"\\\1", path)


def read_path(connection: Connection, source: str) -> tuple[SchemaPath, list[str]]:
    """The path for clones of a schema, and what is behind them although it should not be, in words.

    Args:
        connection: a session of the URL's role in the URL's database.
        source: the schema that clones are made from; "" for one that is yet to be filled.
    """
    row = connection.execute("select current_schema()::text, current_user::text").fetchone()
    home, role = row or ("", "")
    before = split_names(_show(connection), fold=True)
    told = [
        f"{home} stays behind the worker's schema on search_path for {', '.join(reasons)}: what a test "
        f"drops is found there again"
        for reasons in [_shared(connection, home)]
        if reasons
    ]
    replaced = () if told or not home else (home, *(["$user"] if home == role else []))
    shared = (source,) if source not in {"", home} and _shared(connection, source) else ()
    behind = (*shared, *(name for name in before if name and name not in replaced))
    return SchemaPath(behind, replaced, shared), told


def _show(connection: Connection) -> str:
    row = connection.execute("show search_path").fetchone()
    return row[0] if row else ""


def _shared(connection: Connection, schema: str | None) -> list[str]:
    """What clones of a schema use where it is, in words."""
    row = connection.execute(_OID, [schema]).fetchone() if schema else None
    if row is None:
        return []
    cursor = psycopg.RawCursor(connection)
    return [text for (text,) in cursor.execute(_SHARED.encode(), [row[0]]).fetchall()]
