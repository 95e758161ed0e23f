"""The roles and databases that the suite's own URLs name, so that the template can have them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable

import psycopg
from psycopg import errors, sql

from dbsafe_runner.errors import ExitCode, UserError


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """What one of the suite's URLs says, completed as libpq would."""

    user: str
    database: str
    password: str = dataclasses.field(default="", repr=False)
    host: str = ""
    port: int = 0


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
