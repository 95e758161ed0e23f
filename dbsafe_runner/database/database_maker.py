"""Namespaces of kind `database`: clones of a template on the user's server.

The template is made by the set-up and kept there under its key, or, without a set-up, copied from the
user's database for this run. A template exists only when it is complete: it is built under another name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import errors

from dbsafe_runner.database.clones import (
    Dress,
    copy_source,
    create_database,
    dressing,
    drop_database,
    end_sessions,
    exists,
    publish,
    read_dress,
    refused,
    rows_hidden,
    settings_not_permitted,
    settings_refused,
)
from dbsafe_runner.database.making import Made, Workplace, mapping, numbered
from dbsafe_runner.database.own_leftovers import own_schemas
from dbsafe_runner.database.provider import Report
from dbsafe_runner.database.schema_maker import drop_schema
from dbsafe_runner.database.sessions import Connection, build_lock
from dbsafe_runner.database.sources import Source
from dbsafe_runner.database.user_server import MAINTENANCE, can_log_in, connect
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.errors import UserError

#: Databases of a server that are nobody's state.
_MAINTENANCE: Final = frozenset(("postgres", "template0", "template1"))


#: %s: names of schemas that are left out.
_HIDING: Final = """
select oid::regclass::text from pg_class
 where relkind in ('r', 'p') and row_security_active(oid)
   and relnamespace <> all (array(select oid from pg_namespace where nspname = any (%s::text[])))
 order by 1
"""


#: Roles that our role may act for.
_LOGINS: Final = """
select rolname::text from pg_roles
 where rolcanlogin and rolname <> current_user and pg_has_role(oid, 'USAGE') order by 1
"""
#: Whether there are rules of who may log in to some databases by their names, which copies do not have.
_NAMED_RULES: Final = "select exists (select from pg_hba_file_rules where database && %s)"


class DatabaseMaker:
    """Makes databases."""

    kind = NamespaceKind.DATABASE

    def __init__(self, workplace: Workplace) -> None:
        self._place = workplace
        #: Of each source: the database that clones are copied from, "" for an empty one.
        self._templates: tuple[str, ...] = ()
        self._dresses: tuple[Dress, ...] = ()
        #: Databases of this run alone, beside its namespaces.
        self._own: list[str] = []
        self._suite_logs_in = False
        #: Roles beside that of the server's URL that log in to copies as they do to the originals.
        self._logins: tuple[str, ...] = ()
        self._report: Report = lambda _text: None
        self._rebuilding = threading.Lock()
        #: No table of the template hides rows from our role.
        self._checked = False

    def prepare(self, report: Report) -> tuple[str, bool]:
        """See `Maker.prepare`."""
        self._report = report
        self._choose_login()
        if self._place.request.setup:
            return self._obtain(report)
        return self._copy_sources(report), False

    def make(self) -> Made:
        """See `Maker.make`. A template that something else has dropped meanwhile is made again, once.

        Raises:
            UserError: `namespace-refused`, and what `prepare` raises.
        """
        templates = self._templates
        try:
            return self._make()
        except UserError as error:
            if not isinstance(error.__cause__, errors.InvalidCatalogName):
                raise
        with self._rebuilding:
            if self._templates == templates and not self._has_templates():
                self._report("the template is gone from the server: making it again")
                self.prepare(self._report)
        return self._make()

    def _has_templates(self) -> bool:
        with self._place.sessions.session() as connection:
            return exists(connection, [name for name in self._templates if name])

    def _make(self) -> Made:
        place = self._place
        names = numbered(place.new_name(), len(self._templates))
        with place.sessions.session() as connection:
            for name, template, dress in zip(names, self._templates, self._dresses, strict=True):
                self._clone(connection, name, template, dress)
        made = Made(names, self._endpoint(names), place.direct.dsn(names[0]), names[0])
        if not self._checked and not place.facts.superuser:
            self._check_rows_are_seen(made)
        return made

    def remove(self, made: Made) -> None:
        """See `Maker.remove`."""
        with self._place.sessions.session() as connection:
            for name in made.names:
                drop_database(connection, name)

    def label(self, made: Made, worker: str, *, kept: str = "") -> None:
        """See `Maker.label`."""
        with self._place.sessions.session() as connection:
            for name, dress in zip(made.names, self._dresses, strict=True):
                comment = self._place.comment(dress.comment, worker, kept)
                connection.execute(dressing(name, Dress(), comment))

    def missing(self, made: Made) -> bool:
        """See `Maker.missing`."""
        with self._place.sessions.session() as connection:
            return not exists(connection, made.names)

    def adopt(self, made: Made) -> None:
        """See `Maker.adopt`."""
        names = numbered(self._place.new_name("a"), len(made.names))
        with self._place.sessions.session() as connection:
            for name, state, dress in zip(names, made.names, self._dresses, strict=True):
                end_sessions(connection, state)
                self._own.append(name)
                self._clone(connection, name, state, dress)
            self._templates = names
            self._dresses = tuple(read_dress(connection, name) for name in made.names)

    def close(self) -> None:
        """See `Maker.close`."""
        if not self._own:
            return
        with self._place.sessions.session() as connection:
            for name in self._own:
                drop_database(connection, name)

    def _check_rows_are_seen(self, made: Made) -> None:
        """Refuse tables with rows that our role cannot see: a reset would lose them unnoticed."""
        hidden: list[str] = []
        for name in made.names:
            with contextlib.closing(connect(self._place.direct.dsn(name))) as connection:
                ours = own_schemas(connection)
                hidden += [table for (table,) in connection.execute(_HIDING, [ours]).fetchall()]
        if hidden:
            self.remove(made)
            raise rows_hidden(self._place.facts.role, hidden)
        self._checked = True

    def _clone(self, connection: Connection, name: str, template: str, dress: Dress) -> None:
        try:
            create_database(connection, name, template, dress.owner)
            connection.execute(dressing(name, dress, self._place.comment(dress.comment)))
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            with contextlib.suppress(psycopg.Error):
                drop_database(connection, name)
            raise refused(error, f"to make a database from {template or 'nothing'}") from error

    def _choose_login(self) -> None:
        """Let the suite log in by its own names if it can, and our role may see what it makes."""
        place = self._place
        # A pooler would stay connected to the database that is to be copied.
        where = MAINTENANCE if place.facts.pooled else ""
        self._suite_logs_in = bool(place.strangers) and all(
            self._may_act_as(role) and can_log_in(place.address, source, where)
            for role, source in place.strangers.items()
        )
        if not self._suite_logs_in:
            place.tell_logins()

    def _may_act_as(self, role: str) -> bool:
        with self._place.sessions.session() as connection:
            query = "select pg_has_role(rolname, 'USAGE') from pg_roles where rolname = %s"
            row = connection.execute(query, [role]).fetchone()
        return row is not None and row[0]

    def _endpoint(self, names: tuple[str, ...]) -> Endpoint:
        address = self._place.address
        return Endpoint(
            host=address.host,
            port=address.port,
            databases={**self._further_names(names[0]), **mapping(self._place.databases, names)},
            closed=self._place.closed,
            user="" if self._suite_logs_in else address.user,
            password="" if self._suite_logs_in else address.password,
            logins=self._logins,
            options=address.options,
            suffix=self._place.new_suffix(),
        )

    def _further_names(self, first: str) -> Mapping[str, str]:
        """The user's own database must not be met under its name: it is the template's source."""
        own = self._place.address.database
        return {} if own in _MAINTENANCE else {own: first}

    def _copy_sources(self, report: Report) -> str:
        """Copy the user's databases, each as soon as nobody is in it."""
        place = self._place
        names = numbered(place.new_name("t"), len(place.databases))
        dresses = []
        with place.sessions.session() as connection:
            self._logins = self._find_logins(connection)
            for number, (name, source) in enumerate(zip(names, place.databases, strict=True)):
                state = self._state_of(connection, number, source)
                dress = read_dress(connection, state) if state else self._empty_dress(connection, source)
                self._own.append(name)
                if state:
                    report(f"copying the database {state}")
                    copy_source(connection, name, state, dress.owner, report)
                    self._drop_own_schemas(connection, name)
                else:
                    create_database(connection, name, "", dress.owner)
                    self._logins = ()
                connection.execute(dressing(name, Dress(), place.comment()))
                dresses.append(self._permitted(connection, name, dress, state))
        self._templates, self._dresses = names, tuple(dresses)
        return place.run

    def _find_logins(self, connection: Connection) -> tuple[str, ...]:
        """Roles that log in to copies as they do to the originals, where nothing says who the suite is.

        In an original are their objects and their rights, and so they are in a copy. In what a set-up of
        ours makes as another role they may have none.
        """
        place = self._place
        if place.strangers:
            return ()
        if place.facts.superuser:
            originals = [place.address.database, *(source.database for source in place.databases)]
            row = connection.execute(_NAMED_RULES, [originals]).fetchone()
            if row is None or row[0]:
                return ()
        return tuple(role for (role,) in connection.execute(_LOGINS).fetchall())

    def _drop_own_schemas(self, connection: Connection, copy: str) -> None:
        """Leave out of a copy what dbsafe keeps in the original for runs in kind schema."""
        with contextlib.closing(connect(self._place.direct.dsn(copy))) as inside:
            for schema in own_schemas(inside):
                # One that another role has made stays, where ours may not drop it.
                with contextlib.suppress(psycopg.Error):
                    drop_schema(inside, schema)
        # Nothing can be copied while somebody is in it, and the server takes a moment to see us go.
        end_sessions(connection, copy)

    def _permitted(self, connection: Connection, name: str, dress: Dress, state: str) -> Dress:
        """What our role may repeat on copies: what tests would miss is an error, the rest is told.

        Args:
            connection: a session in none of the databases.
            name: a copy.
            dress: of the original.
            state: the original.

        Raises:
            UserError: `settings-not-permitted`.
        """
        place = self._place
        lacking = settings_refused(connection, name, dress)
        logins = {"", place.facts.role, *(place.strangers if self._suite_logs_in else ())}
        missed = [setting for setting in lacking if setting[0] in logins]
        if missed:
            raise settings_not_permitted(place.facts.role, state, missed)
        self._logins = tuple(one for one in self._logins if one not in {role for role, _, _ in lacking})
        place.limits += [
            f"The setting {setting} that the role {role} has in the database {state} is not repeated on "
            "copies: no test logs in by that role."
            for role, setting, _ in lacking
        ]
        kept = tuple(setting for setting in dress.settings if setting not in lacking)
        return dataclasses.replace(dress, settings=kept)

    def _state_of(self, connection: Connection, number: int, source: Source) -> str:
        """The user's database that a source starts as: that of the server's URL for the first."""
        given = self._place.address.database
        name = given if number == 0 and given not in _MAINTENANCE else source.database
        if name not in _MAINTENANCE and exists(connection, [name]):
            return name
        why = (
            "that database of PostgreSQL's own is not copied"
            if name in _MAINTENANCE
            else "no such database on the server to copy"
        )
        self._place.limits.append(
            f"Every worker's {source.database} starts empty: there is no set-up, and {why}."
        )
        return ""

    def _obtain(self, report: Report) -> tuple[str, bool]:
        place = self._place
        key = place.key(self.kind, "suite" if self._suite_logs_in else "", report)
        place.claim.use_template(key)
        names = numbered(f"dbsafe_t_{key}", len(place.databases))
        waiting = threading.Event()
        started = time.monotonic()
        with build_lock(place.sessions, key, waiting, place.closing):
            if waiting.is_set():
                report("waited for another run that was making the same template")
            with place.sessions.session() as connection:
                found = exists(connection, names, template=True)
                if found and (not place.request.fresh or waiting.is_set()):
                    self._touch(connection, names)
                else:
                    self._build(connection, names, report)
                    report(f"template ready after {time.monotonic() - started:.1f} s")
                    found = False
                self._templates = names
                self._dresses = tuple(read_dress(connection, name) for name in names)
        return key, found

    def _build(self, connection: Connection, names: tuple[str, ...], report: Report) -> None:
        place = self._place
        built = numbered(place.new_name("b"), len(names))
        try:
            for name, source in zip(built, place.databases, strict=True):
                self._clone(connection, name, "", self._empty_dress(connection, source))
            place.set_up(self._endpoint(built), report)
            replaced = []
            for name, old in zip(built, names, strict=True):
                end_sessions(connection, name)
                if exists(connection, [old]):
                    replaced.append((old, place.new_name("x")))
            publish(connection, list(zip(built, names, strict=True)), place.comment(), replaced)
            for _, old in replaced:
                with contextlib.suppress(errors.ObjectInUse):
                    # Another run is copying it at this moment: the janitor gets it.
                    drop_database(connection, old)
        except BaseException:
            for name in built:
                with contextlib.suppress(psycopg.Error):
                    drop_database(connection, name)
            raise

    def _empty_dress(self, connection: Connection, source: Source) -> Dress:
        """A new database belongs to the suite's role if that logs in and we may give it away."""
        if not self._suite_logs_in:
            return Dress()
        mode = "SET" if self._place.facts.version_num >= 160000 else "MEMBER"
        row = connection.execute("select pg_has_role(%s, %s)", [source.user, mode]).fetchone()
        return Dress(source.user if row and row[0] else "")

    def _touch(self, connection: Connection, names: tuple[str, ...]) -> None:
        for name in names:
            comment = self._place.comment(read_dress(connection, name).comment)
            # Another run may be saying the same at this moment; or another role has made it.
            with contextlib.suppress(errors.InternalError_, errors.InsufficientPrivilege):
                connection.execute(dressing(name, Dress(), comment))
