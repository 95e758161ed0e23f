"""The roles and databases that the suite's own URLs name, so that the template can have them."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from dbsafe_runner.errors import ExitCode, UserError


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """What one of the suite's URLs says, completed as libpq would."""

    user: str
    database: str
    password: str = dataclasses.field(default="", repr=False)
    host: str = ""
    port: int = 0


def parse_source(text: str) -> Source:
    """The parts of a URL (`postgresql://`, also with `+driver`) or of a libpq connection string.

    Raises:
        UserError: `bad-source` when it is neither.
    """
    try:
        if "://" in text:
            values = _url_parts(text)
        else:
            values = {name: str(value) for name, value in conninfo_to_dict(text).items() if value}
        user = values.get("user") or getpass.getuser()
        port = int(values.get("port", "0").split(",")[0] or 0)
    except (ValueError, psycopg.Error, KeyError, OSError) as error:
        # The URL itself stays out of it: it may hold a password.
        what = str(error) if "://" in text else "It is neither a URL nor a libpq connection string."
        raise bad_source(what) from None
    return Source(
        user=user,
        database=values.get("dbname") or user,
        password=values.get("password", ""),
        host=values.get("host", ""),
        port=port,
    )


def bad_source(cause: str) -> UserError:
    """The error for a URL of the suite's that cannot be read; the URL must not be in `cause`."""
    return UserError(
        "bad-source",
        "The database URL of the suite cannot be read.",
        cause=cause,
        hint="Write it as postgresql://user:password@host:port/database.",
        exit_code=ExitCode.USAGE,
    )


def _url_parts(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] not in {"postgresql", "postgres", "postgis"}:
        raise ValueError(f"its scheme is {parts.scheme!r}, not postgresql")
    # asyncpg, SQLAlchemy and libpq all accept these also as parameters.
    query = {name: given[-1] for name, given in parse_qs(parts.query).items()}
    values: dict[str, str] = {}
    for name in ("host", "port", "user", "password"):
        if name in query:
            values[name] = query[name]
    values["dbname"] = unquote(parts.path[1:]) or query.get("dbname") or query.get("database", "")
    if parts.username:
        values["user"] = unquote(parts.username)
    if parts.password:
        values["password"] = unquote(parts.password)
    if parts.hostname:
        values["host"] = unquote(parts.hostname)
    if parts.port:
        values["port"] = str(parts.port)
    return values


def create_names(dsn: str, sources: Iterable[Source]) -> None:
    """Make the roles (superusers, as in the usual container images) and databases that are missing.

    Args:
        dsn: a superuser's connection string to a server of ours.
        sources: what must exist there afterwards; passwords are set as given.

    Raises:
        UserError: `name-refused`, e.g. for a role whose name starts with pg_.
        psycopg.OperationalError: the server is not there.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        for source in sources:
            try:
                _create_role(connection, source)
                _create_database(connection, source)
            except psycopg.DatabaseError as error:
                if isinstance(error, psycopg.OperationalError):
                    raise
                raise UserError(
                    "name-refused",
                    f"PostgreSQL refuses the role {source.user!r} or the database {source.database!r}.",
                    cause=str(error),
                    hint="These names come from the database URL of the suite.",
                    exit_code=ExitCode.SERVER,
                ) from error


def _create_role(connection: psycopg.Connection[tuple[object, ...]], source: Source) -> None:
    role = sql.Identifier(source.user)
    if not connection.execute("select from pg_roles where rolname = %s", [source.user]).fetchone():
        with contextlib.suppress(errors.DuplicateObject, errors.UniqueViolation):
            connection.execute(sql.SQL("create role {} superuser login").format(role))
    if source.password:
        password = sql.Literal(source.password)
        connection.execute(sql.SQL("alter role {} password {}").format(role, password))


def _create_database(connection: psycopg.Connection[tuple[object, ...]], source: Source) -> None:
    found = connection.execute("select from pg_database where datname = %s", [source.database])
    if source.database and not found.fetchone():
        create = sql.SQL("create database {} owner {}")
        names = sql.Identifier(source.database), sql.Identifier(source.user)
        # The suite may be making the same one at this moment.
        with contextlib.suppress(errors.DuplicateDatabase, errors.UniqueViolation):
            connection.execute(create.format(*names))
