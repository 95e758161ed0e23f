"""Namespaces of kind `schema`: clones of a schema in the database of the server's URL.

The source is what the set-up made in a schema of its own, kept under its key; without a set-up, the
schema that the URL's sessions start in. Clones are first on the search_path of the suite's sessions.
"""

from __future__ import annotations

import threading
import time
from typing import Final

import psycopg
from psycopg import errors, sql

from dbsafe_runner.database.clones import refused
from dbsafe_runner.database.making import Made, Workplace
from dbsafe_runner.database.provider import Report
from dbsafe_runner.database.schema_clone import (
    Rights,
    Script,
    gaps,
    not_cloned,
    read_rights,
    read_script,
)
from dbsafe_runner.database.schema_path import SchemaPath, read_path
from dbsafe_runner.database.sessions import Connection, build_lock
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.errors import ExitCode, UserError

#: Seconds that sessions in a schema may take to go before it is dropped.
_PATIENCE: Final = 5.0

#: Ends the sessions that have something of a schema locked, so that it can be dropped.
_END: Final = """
select pg_terminate_backend(pid) from pg_locks
 where locktype = 'relation' and pid <> pg_backend_pid()
   and database = (select oid from pg_database where datname = current_database())
   and relation in (select oid from pg_class where relnamespace = to_regnamespace(%s)::oid)
"""
#: What no schema has of its own.
_ALWAYS: Final = (
    "large objects, advisory locks and notifications belong to the database: all workers share them",
    "what a test names with its schema (public.orders) is the source, not the worker's copy",
)
_EXISTS: Final = "select from pg_namespace where nspname = %s"
_SAID: Final = "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s"


class SchemaMaker:
    """Makes schemas."""

    kind = NamespaceKind.SCHEMA

    def __init__(self, workplace: Workplace) -> None:
        self._place = workplace
        self._script = Script("", (), Rights(), ())
        self._path = SchemaPath((), (), ())
        #: Of the schema that the set-up's stands for.
        self._rights = Rights()
        self._own: list[str] = []
        #: What the user has said about the schema that is cloned.
        self._said = ""

    def prepare(self, report: Report) -> tuple[str, bool]:
        """See `Maker.prepare`.

        Raises:
            UserError: `schema-not-cloned`, `schema-missing`, `setup-failed`, `setup-timeout`.
        """
        place = self._place
        place.tell_logins()
        if place.request.setup:
            return self._obtain(report)
        with place.sessions.session() as connection:
            row = connection.execute("select current_schema()::text").fetchone()
            if row is None or row[0] is None:
                raise UserError(
                    "schema-missing",
                    f"There is no schema on the search_path of {place.facts.role} to start from.",
                    hint="Set search_path for the role or the database, or configure [database] setup.",
                    exit_code=ExitCode.SERVER,
                )
            self._read(connection, row[0])
        return place.run, False

    def make(self) -> Made:
        """See `Maker.make`.

        Raises:
            UserError: `namespace-refused`.
        """
        place = self._place
        name = place.new_name()
        with place.sessions.session() as connection:
            self._clone(connection, name)
        database = place.address.database
        # By this setting our own session knows which schema to look at.
        options = f"{place.direct.options.get('options', '')} -c dbsafe.schema={name}".lstrip()
        return Made((name,), self._endpoint(name), place.direct.dsn(options=options), database)

    def remove(self, made: Made) -> None:
        """See `Maker.remove`."""
        with self._place.sessions.session() as connection:
            drop_schema(connection, made.names[0])

    def label(self, made: Made, worker: str, *, kept: str = "") -> None:
        """See `Maker.label`."""
        with self._place.sessions.session() as connection:
            _comment(connection, made.names[0], self._place.comment(self._said, worker, kept))

    def missing(self, made: Made) -> bool:
        """See `Maker.missing`."""
        with self._place.sessions.session() as connection:
            return connection.execute(_EXISTS, [made.names[0]]).fetchone() is None

    def adopt(self, made: Made) -> None:
        """See `Maker.adopt`."""
        place = self._place
        name = place.new_name("a")
        with place.sessions.session() as connection:
            self._script = read_script(connection, made.names[0], place.new_name("y"))
            self._own.append(name)
            self._clone(connection, name)
            self._script = read_script(connection, name, place.new_name("y"))

    def close(self) -> None:
        """See `Maker.close`."""
        if self._own:
            with self._place.sessions.session() as connection:
                for name in self._own:
                    drop_schema(connection, name)

    def _read(self, connection: Connection, source: str) -> None:
        lacking = self._check_gaps(connection, source)
        self._path, behind = read_path(connection, source)
        told = (*_ALWAYS, *lacking, *behind)
        self._place.limits += [f"A schema for each worker: {text}." for text in told]
        self._script = read_script(connection, source, self._place.new_name("y"))
        row = connection.execute(_SAID, [source]).fetchone()
        self._said = (row and row[0]) or ""

    def _clone(self, connection: Connection, name: str) -> None:
        try:
            with connection.transaction():
                connection.execute(self._script.text(name, self._place.comment(self._said)).encode())
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise refused(error, f"to clone the schema {self._script.source}") from error

    def _endpoint(self, schema: str) -> Endpoint:
        address = self._place.address
        return Endpoint(
            host=address.host,
            port=address.port,
            databases={source.database: address.database for source in self._place.databases},
            closed=tuple(name for name in self._place.closed if name != address.database),
            schema=schema,
            search_path=self._path.text(schema),
            replaced=self._path.replaced,
            shared=self._path.shared,
            user=address.user,
            password=address.password,
            options=address.options,
            suffix=self._place.new_suffix(),
        )

    def _obtain(self, report: Report) -> tuple[str, bool]:
        place = self._place
        with place.sessions.session() as connection:
            row = connection.execute("select current_schema()::text").fetchone()
            self._rights = read_rights(connection, row[0]) if row and row[0] else Rights()
        key = place.key(self.kind, "; ".join(self._rights.lines("schema")), report)
        place.claim.use_template(key)
        template = f"dbsafe_t_{key}"
        waiting = threading.Event()
        started = time.monotonic()
        with build_lock(place.sessions, key, waiting, place.closing):
            if waiting.is_set():
                report("waited for another run that was making the same template")
            with place.sessions.session() as connection:
                found = connection.execute(_EXISTS, [template]).fetchone() is not None
                if found and place.request.fresh and not waiting.is_set():
                    drop_schema(connection, template)
                    found = False
                if found:
                    _comment(connection, template, place.comment())
                else:
                    self._build(connection, template, report)
                    report(f"template ready after {time.monotonic() - started:.1f} s")
                self._read(connection, template)
        return key, found

    def _build(self, connection: Connection, template: str, report: Report) -> None:
        """Run the set-up in a schema of this run, and rename it when it is complete."""
        place = self._place
        built = place.new_name("b")
        name = sql.Identifier(built)
        try:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            _comment(connection, built, place.comment())
            for line in self._rights.lines(built):
                connection.execute(line.encode())
            self._path, _ = read_path(connection, "")
            place.set_up(self._endpoint(built), report)
            self._check_filled(connection, built)
            # Its name is written into nothing but what names it on purpose, which this finds.
            self._check_gaps(connection, built)
            with connection.transaction():
                rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
                connection.execute(rename.format(name, sql.Identifier(template)))
                _comment(connection, template, place.comment())
        except BaseException:
            drop_schema(connection, built)
            raise

    def _check_gaps(self, connection: Connection, source: str) -> list[str]:
        wrong, lacking = gaps(connection, source)
        if wrong:
            raise not_cloned(source, wrong)
        return lacking

    def _check_filled(self, connection: Connection, schema: str) -> None:
        """A set-up that names its schema, public for one, has made its tables somewhere else."""
        row = connection.execute(
            "select count(*) from pg_class where relnamespace = to_regnamespace(%s)::oid", [schema]
        ).fetchone()
        if row is None or row[0] == 0:
            raise UserError(
                "setup-elsewhere",
                "The set-up made nothing in the schema that is first on its search_path.",
                cause="It names another schema, or sets search_path itself: what it made is in the "
                f"database {self._place.address.database}, outside of dbsafe's schemas.",
                hint="Leave schema names out of the migrations, or use --namespace database.",
                exit_code=ExitCode.SETUP,
            )


def drop_schema(connection: Connection, name: str) -> None:
    """Drop a schema that we made, ending the sessions that use it; harmless when there is none.

    Raises:
        psycopg.Error: refused.
    """
    drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name))
    deadline = time.monotonic() + _PATIENCE
    while True:
        connection.execute(_END, [sql.Identifier(name).as_string()])
        try:
            with connection.transaction():
                connection.execute("set local lock_timeout = '200ms'")
                connection.execute("set local client_min_messages = error")
                connection.execute(drop)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > deadline:
                raise
        else:
            return


def _comment(connection: Connection, name: str, comment: str) -> None:
    say = sql.SQL("COMMENT ON SCHEMA {} IS {}")
    connection.execute(say.format(sql.Identifier(name), sql.Literal(comment)))
