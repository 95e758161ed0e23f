"""Clones: databases on the user's server, made from a template with all that PostgreSQL leaves behind.

`CREATE DATABASE ... TEMPLATE` copies what is in a database, but not what is said about it: settings
made by ALTER DATABASE and ALTER ROLE ... IN DATABASE, grants on it, and its comment. Which databases are
made when, and from what, is decided elsewhere.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from psycopg import errors, sql

from dbsafe_runner.database.provider import Report
from dbsafe_runner.database.sessions import Connection
from dbsafe_runner.errors import ExitCode, UserError

_FIRST_WITH_STRATEGY: Final = 150000
_FIRST_WITH_SET_OPTION: Final = 160000

#: Seconds that sessions in a database may take to go until it is copied.
SOURCE_PATIENCE: Final = 15.0

#: Settings whose value is a list of names, each quoted where it needs to be.
_LISTS: Final = frozenset(
    (
        "local_preload_libraries", "search_path", "session_preload_libraries",
        "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
    )
)  # fmt: skip

_OWNER: Final = """
select r.rolname::text, pg_has_role(current_user, d.datdba, %s), shobj_description(d.oid, 'pg_database')
  from pg_database as d join pg_roles as r on r.oid = d.datdba where d.datname = %s
"""
_SETTINGS: Final = """
select coalesce(r.rolname, '')::text, s.setconfig
  from pg_db_role_setting as s
  join pg_database as d on d.oid = s.setdatabase
  left join pg_roles as r on r.oid = s.setrole
 where d.datname = %s order by 1
"""
_GRANTS: Final = """
select coalesce(r.rolname, '')::text, a.privilege_type, a.is_grantable
  from pg_database as d, aclexplode(d.datacl) as a
  left join pg_roles as r on r.oid = a.grantee
 where d.datname = %s and a.grantee <> d.datdba and (a.grantee = 0 or r.rolname is not null)
 order by 1, 2
"""
_SESSIONS: Final = """
select pid, coalesce(usename, '?')::text, coalesce(nullif(application_name, ''), '?'),
       coalesce(client_addr::text, 'local'), coalesce(state, '?')
  from pg_stat_activity where datname = %s and pid <> pg_backend_pid() order by backend_start limit 5
"""

_END: Final = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Dress:
    """What is said about a database and does not come with a copy of it."""

    #: "" for whoever makes the copy.
    owner: str = ""
    #: (role or "" for all, name, value) as the catalog has them.
    settings: tuple[tuple[str, str, str], ...] = ()
    #: (role or "" for PUBLIC, privilege, may be granted on); None when nothing was granted or revoked.
    grants: tuple[tuple[str, str, bool], ...] | None = None
    comment: str = ""


def read_dress(connection: Connection, database: str) -> Dress:
    """What is said about a database."""
    version = connection.info.server_version
    mode = "SET" if version >= _FIRST_WITH_SET_OPTION else "MEMBER"
    row = connection.execute(_OWNER, [mode, database]).fetchone()
    if row is None:
        return Dress()
    settings = [
        (role, *entry.partition("=")[::2])
        for role, entries in connection.execute(_SETTINGS, [database])
        for entry in entries
    ]
    has_acl = connection.execute(
        "select datacl is not null from pg_database where datname = %s", [database]
    ).fetchone()
    grants = tuple(connection.execute(_GRANTS, [database])) if has_acl and has_acl[0] else None
    owner, permitted, comment = row
    return Dress(owner if permitted else "", tuple(settings), grants, comment or "")


def dressing(database: str, dress: Dress, comment: str) -> sql.Composed:
    """The statements that put `dress`, but for the owner, on a database, with this comment."""
    name = sql.Identifier(database)
    parts: list[sql.Composable] = [
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment))
    ]
    parts += [_setting(database, *setting) for setting in dress.settings]
    if dress.grants is not None:
        parts.append(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role, privilege, grantable in dress.grants or ():
        parts.append(
            sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                sql.SQL(privilege),
                name,
                sql.Identifier(role) if role else sql.SQL("PUBLIC"),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )
    return sql.SQL("; ").join(parts)


def settings_refused(connection: Connection, database: str, dress: Dress) -> list[tuple[str, str, str]]:
    """Those of the settings that our role may not put on a database of ours. Nothing is changed."""
    refused: list[tuple[str, str, str]] = []
    if not dress.settings:
        return refused
    with connection.transaction(force_rollback=True):
        for setting in dress.settings:
            try:
                with connection.transaction():
                    connection.execute(_setting(database, *setting))
            except errors.InsufficientPrivilege:
                refused.append(setting)
    return refused


def create_database(connection: Connection, name: str, template: str, owner: str = "") -> None:
    """Create a database as a copy of another one, or empty when `template` is "".

    Raises:
        psycopg.Error: refused; `errors.ObjectInUse` when there are sessions in the template.
    """
    parts: list[sql.Composable] = [sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))]
    if template:
        parts.append(sql.SQL("TEMPLATE {}").format(sql.Identifier(template)))
    if owner:
        parts.append(sql.SQL("OWNER {}").format(sql.Identifier(owner)))
    if template and connection.info.server_version >= _FIRST_WITH_STRATEGY:
        parts.append(sql.SQL("STRATEGY file_copy"))
    connection.execute(sql.SQL(" ").join(parts))


def copy_source(connection: Connection, name: str, source: str, owner: str, report: Report) -> None:
    """Copy a database of the user, whose sessions are left alone, as soon as nobody is in it.

    Raises:
        UserError: `source-in-use`, `source-not-permitted`, `source-missing`.
    """
    deadline = time.monotonic() + SOURCE_PATIENCE
    while True:
        try:
            return create_database(connection, name, source, owner)
        except errors.ObjectInUse:
            if time.monotonic() >= deadline:
                raise source_in_use(connection, source) from None
            # PostgreSQL itself has waited for five seconds.
            report(f"waiting until no session is left in the database {source}")
        except errors.InsufficientPrivilege as error:
            raise UserError(
                "source-not-permitted",
                f"The database {source} may not be copied by the role of the server's URL.",
                cause=str(error).strip(),
                hint=f"Use the role that owns {source}; or ALTER DATABASE {source} IS_TEMPLATE true, so "
                "that every role with CREATEDB may copy it; or configure [database] setup.",
                exit_code=ExitCode.SERVER,
            ) from None
        except errors.InvalidCatalogName:
            raise UserError(
                "source-missing",
                f"There is no database {source} on the server to start from.",
                hint="Configure [database] setup, which fills an empty database.",
                exit_code=ExitCode.SERVER,
            ) from None


def source_in_use(connection: Connection, source: str) -> UserError:
    """The error that names the sessions in a database that is to be copied."""
    rows = connection.execute(_SESSIONS, [source]).fetchall()
    lines = [
        f"pid {pid}: {user} from {place}, {program}, {state}"
        for pid, user, program, place, state in rows
    ]
    return UserError(
        "source-in-use",
        f"The database {source} cannot be copied while there are sessions in it.",
        cause="\n".join(lines) or "They come and go.",
        hint="Close them (dbsafe ends no session that is not its own), or configure [database] setup, "
        "which fills a database of dbsafe's own instead.",
        exit_code=ExitCode.SERVER,
    )


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database that we made, with the sessions in it; harmless when there is none.

    Raises:
        psycopg.Error: refused.
    """
    identifier = sql.Identifier(name)
    row = connection.execute(
        "select datistemplate from pg_database where datname = %s", [name]
    ).fetchone()
    if row is None:
        return
    if row[0]:
        connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(identifier))
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))


def end_sessions(connection: Connection, database: str) -> None:
    """End the sessions in a database that we made, and wait up to 5 s until they are gone."""
    deadline = time.monotonic() + 5.0
    while connection.execute(_END, [database]).fetchall() and time.monotonic() < deadline:
        time.sleep(0.01)


def publish(
    connection: Connection,
    renames: Sequence[tuple[str, str]],
    comment: str,
    replaced: Iterable[tuple[str, str]] = (),
) -> None:
    """Turn databases that were built into templates, all at once: before that there are none.

    Args:
        connection: a session in none of them.
        renames: (name while it was built, name of the template).
        comment: for each of them.
        replaced: (name, new name) of templates that make way.
    """
    with connection.transaction():
        for old, new in (*replaced, *renames):
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))
        for _, name in renames:
            identifier = sql.Identifier(name)
            mark = sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
            connection.execute(mark.format(identifier))
            say = sql.SQL("COMMENT ON DATABASE {} IS {}")
            connection.execute(say.format(identifier, sql.Literal(comment)))


def exists(connection: Connection, names: Sequence[str], *, template: bool = False) -> bool:
    """Whether all these databases are there, and marked as templates if `template`."""
    row = connection.execute(
        "select count(*) from pg_database where datname = any (%s) and (datistemplate or not %s)",
        [list(names), template],
    ).fetchone()
    return row is not None and row[0] == len(set(names))


def _setting(database: str, role: str, setting: str, value: str) -> sql.Composed:
    name = sql.Identifier(database)
    change = sql.SQL("SET {} TO {}").format(_setting_name(setting), _setting_value(setting, value))
    if role:
        return sql.SQL("ALTER ROLE {} IN DATABASE {} {}").format(sql.Identifier(role), name, change)
    return sql.SQL("ALTER DATABASE {} {}").format(name, change)


def _setting_name(name: str) -> sql.Composable:
    return sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))


def _setting_value(name: str, value: str) -> sql.Composable:
    if name.lower() in _LISTS:
        items = split_names(value)
        return sql.SQL(", ").join(sql.Literal(item) for item in items) if items else sql.SQL("''")
    return sql.Literal(value)


def split_names(value: str, *, fold: bool = False) -> list[str]:
    """The names in a list like `"$user", public`, unquoted; `fold`: those without quotes lowered."""
    items: list[str] = []
    rest = value.strip()
    while rest:
        if rest.startswith('"'):
            end = 1
            while (end := rest.find('"', end)) >= 0 and rest[end + 1 : end + 2] == '"':
                end += 2
            end = end if end >= 0 else len(rest)
            items.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :].lstrip()
        else:
            item, comma, after = rest.partition(",")
            items.append(item.strip().lower() if fold else item.strip())
            rest = comma + after
        rest = rest.removeprefix(",").lstrip()
    return items


def refused(error: psycopg.Error, what: str) -> UserError:
    """The error that says that the server refused something of ours."""
    return UserError(
        "namespace-refused",
        f"The server refused {what}.",
        cause=str(error).strip(),
        hint="`dbsafe db status` shows what dbsafe has there, `dbsafe db clean` removes leftovers.",
        exit_code=ExitCode.SERVER,
    )


def settings_not_permitted(
    role: str, database: str, settings: Sequence[tuple[str, str, str]]
) -> UserError:
    """The error that names settings of a database which its copies could not have."""
    lines = [f"{name} = {value}{f' (for {whose})' if whose else ''}" for whose, name, value in settings]
    first = settings[0][1]
    return UserError(
        "settings-not-permitted",
        f"{role} may not repeat some settings of the database {database} on copies of it.",
        cause="\n".join(
            (*lines, "Tests would run without them, and could end otherwise than serially.")
        ),
        hint=f"From PostgreSQL 15 on, GRANT SET ON PARAMETER {first} TO {role} gives the right; or use "
        "a superuser's URL on a server that is for tests; or remove the settings with ALTER ... RESET.",
        exit_code=ExitCode.SERVER,
    )


def rows_hidden(role: str, tables: Sequence[str]) -> UserError:
    """The error that names tables whose row-level security applies to our role."""
    more = f" and {len(tables) - 1} more" if len(tables) > 1 else ""
    return UserError(
        "rows-hidden",
        f"Row-level security hides rows of {tables[0]}{more} from {role}: a reset could not bring them "
        "back.",
        cause="\n".join(tables),
        hint=f"ALTER ROLE {role} BYPASSRLS, on a server that is for tests; or --embedded for servers of "
        "dbsafe's own.",
        exit_code=ExitCode.SERVER,
    )
