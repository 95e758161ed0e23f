"""What earlier runs left on the user's server: databases and schemas of runs that live no more.

What belongs to a living run is never touched; nor is what carries neither our name with its checksum
nor our tag.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import sql

from dbsafe_runner.database.clones import drop_database
from dbsafe_runner.database.kept import KEPT_SECONDS
from dbsafe_runner.database.ownership import (
    Tag,
    made_by_test,
    read_claim,
    read_tag,
    run_of,
    template_of,
)
from dbsafe_runner.database.provider import ProviderClosedError
from dbsafe_runner.database.sessions import Connection, Sessions
from dbsafe_runner.errors import UserError

#: Seconds after which a template that no run has used is removed.
TEMPLATE_AGE: Final = 14 * 86400.0

#: Seconds that a server has to be up before a claim that is missing says that a run is over: runs that
#: go on claim again within a second or two of a restart.
SETTLED: Final = 30.0

_DATABASES: Final = """
select datname::text, shobj_description(oid, 'pg_database'), pg_has_role(datdba, 'MEMBER')
  from pg_database where datname like '%dbsafe\\_%' order by 1
"""
_SCHEMAS: Final = """
select nspname::text, obj_description(oid, 'pg_namespace'), pg_has_role(nspowner, 'MEMBER')
  from pg_namespace where nspname like 'dbsafe\\_%' order by 1
"""
_CLAIMS: Final = (
    "select application_name from pg_stat_activity where application_name like 'dbsafe run %'"
)
_UP: Final = "select extract(epoch from now() - pg_postmaster_start_time())"


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A database or schema of ours on the user's server."""

    name: str
    #: "database" or "schema".
    what: str
    #: The run that made it, "" for templates.
    run: str
    tag: Tag | None
    #: A living run owns or uses it.
    living: bool
    #: Our role may remove it.
    ours: bool

    @property
    def template(self) -> bool:
        """Whether it is a template, kept for later runs."""
        return not self.run


def find(connection: Connection) -> list[Found]:
    """Everything of ours that a session can see: all databases, and the schemas of its own database."""
    claims = [read_claim(name) for (name,) in connection.execute(_CLAIMS)]
    living = {owner for claim in claims for owner in claim if owner}
    found = []
    for what, query in (("database", _DATABASES), ("schema", _SCHEMAS)):
        for name, comment, ours in connection.execute(query):
            tag = read_tag(comment)
            run, key = run_of(name), template_of(name)
            if not run and not (key and tag):
                continue
            found.append(Found(name, what, run, tag, (run or key) in living, ours))
    return found


def own_schemas(connection: Connection) -> list[str]:
    """Names of the schemas of ours in a session's database."""
    return [one.name for one in find(connection) if one.what == "schema"]


def removable(found: Found, now: float, *, templates: bool, kept: bool = False) -> bool:
    """Whether something is a leftover.

    Args:
        found: what it is.
        now: Unix time.
        templates: take also templates that were used lately.
        kept: take also what is kept for the user to look at.
    """
    if found.living or not found.ours:
        return False
    if found.template:
        used = found.tag.used if found.tag else now
        return templates or now - used > TEMPLATE_AGE
    if found.tag and found.tag.kept:
        return kept or now - found.tag.used > KEPT_SECONDS
    return True


def remove_leftovers(sessions: Sessions, *, templates: bool = False, kept: bool = False) -> list[str]:
    """Remove what runs that are over left behind; the names of what was removed.

    Raises:
        UserError: `server-unreachable`.
    """
    removed: list[str] = []
    with contextlib.suppress(ProviderClosedError):
        places = [sessions.open]
        if sessions.database != sessions.address.database:
            # Schemas can only be seen from their own database.
            places.append(sessions.open_at_home)
        for number, place in enumerate(places):
            with place() as connection:
                only = "schema" if number and number == len(places) - 1 else ""
                removed += _remove(connection, only, _due(connection, templates=templates, kept=kept))
    return removed


def _settled(connection: Connection) -> bool:
    row = connection.execute(_UP).fetchone()
    return row is not None and row[0] >= SETTLED


def _due(connection: Connection, *, templates: bool, kept: bool) -> Callable[[Found], bool]:
    """What tells whether something is to be removed now."""
    settled = _settled(connection)
    now = time.time()

    def due(found: Found) -> bool:
        is_kept = found.tag is not None and bool(found.tag.kept)
        # What is kept belongs to no run any more: that no run claims it says nothing new.
        return (settled or is_kept) and removable(found, now, templates=templates, kept=kept)

    return due


def _remove(connection: Connection, only: str, due: Callable[[Found], bool]) -> list[str]:
    removed = []
    for found in find(connection):
        if (only and found.what != only) or not due(found):
            continue
        # Another run may be removing it at this moment, or be using it by now.
        with contextlib.suppress(psycopg.Error):
            if found.what == "database":
                drop_database(connection, found.name)
            else:
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
                connection.execute(drop.format(sql.Identifier(found.name)))
            removed.append(found.name)
    return removed


def remove_made_by_tests(connection: Connection, run: str, suffix: str = "") -> None:
    """Remove databases that tests of a run made under its suffixes, or one of them, and did not drop."""
    for found in find(connection):
        theirs = found.run == run and made_by_test(found.name)
        if theirs and found.ours and found.name.endswith(f"_{suffix}" if suffix else ""):
            # What cannot be removed now the next run gets.
            with contextlib.suppress(psycopg.Error):
                drop_database(connection, found.name)


def list_found(sessions: Sessions) -> list[Found]:
    """Everything of ours on the server, and in the URL's database.

    Raises:
        UserError: `server-unreachable`.
    """
    with sessions.open() as connection:
        found = find(connection)
    if sessions.database != sessions.address.database:
        with contextlib.suppress(UserError), sessions.open_at_home() as connection:
            found += [one for one in find(connection) if one.what == "schema"]
    return found
