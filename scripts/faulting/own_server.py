"""A PostgreSQL server as a user would have one: on TCP, not started by dbsafe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.binaries import choose
from dbsafe_runner.database.cache import Cache
from dbsafe_runner.database.cluster import initialise
from dbsafe_runner.database.relocation import reachable
from dbsafe_runner.database.server import Installation, Server, end_orphans, free_port


class OwnServer:
    """The server, and what is in it."""

    def __init__(self, directory: Path) -> None:
        account = server_account()
        cache = Cache(directory / "cache", "binaries")
        binaries, _ = reachable(choose("embedded"), account, cache, lambda _step: None)
        installation = Installation(binaries, account)
        home = account.make_directory(directory / "own")
        self._data = directory / "own-data"
        initialise(installation, self._data)
        port = free_port()
        self._server = Server(installation, home, self._data, port=port, listen="127.0.0.1")
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self.started = 0.0
        self.start()
        self._roles: set[str] = set()

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        return self._server.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._server.launch()
        self._server.wait()
        self.started = time.monotonic()

    def kill(self) -> None:
        """End it as a crash does, sessions included."""
        self._server._process.kill()  # type: ignore[union-attr]  # noqa: SLF001
        self._server._process.wait()  # type: ignore[union-attr]  # noqa: SLF001
        end_orphans(self._data)

    def databases(self) -> list[str]:
        """Names of all databases; none while it does not answer."""
        with contextlib.suppress(psycopg.Error), self._session() as connection:
            rows = connection.execute("select datname::text from pg_database").fetchall()
            return [name for (name,) in rows]
        return []

    def roles(self) -> set[str]:
        """Names of all roles."""
        with self._session() as connection:
            return {name for (name,) in connection.execute("select rolname::text from pg_roles")}

    def remember_roles(self) -> None:
        """Take the roles that there are now for what belongs there: the suite's set-up makes some."""
        self._roles = self.roles()

    def drop(self, name: str) -> None:
        """Drop a database, template or not, whoever is in it."""
        with self._session() as connection:
            quoted = sql.Identifier(name)
            connection.execute(sql.SQL("alter database {} is_template false").format(quoted))
            connection.execute(sql.SQL("drop database {} with (force)").format(quoted))

    def left_over(self) -> list[str]:
        """What runs that are over have left in it; templates stay for later runs."""
        names = [
            f"database {name}"
            for name in self.databases()
            if name.startswith("dbsafe_") and not name.startswith("dbsafe_t_")
        ]
        with self._session() as connection:
            schemas = "select nspname::text from pg_namespace where nspname like 'dbsafe%'"
            names += [f"schema {name}" for (name,) in connection.execute(schemas)]
            sessions = "select application_name from pg_stat_activity where application_name ~ '^dbsafe'"
            names += [f"session {name}" for (name,) in connection.execute(sessions)]
        return [*names, *(f"role {name}" for name in self.roles() - self._roles)]

    def close(self) -> None:
        """End it for good."""
        self._server.kill()

    def _session(self) -> contextlib.AbstractContextManager[psycopg.Connection[tuple[str]]]:
        return psycopg.connect(self.url, autocommit=True, application_name="the harness")


@contextlib.contextmanager
def own_server(directory: Path) -> Iterator[OwnServer]:
    """A server with its files below `directory`."""
    server = OwnServer(directory)
    try:
        yield server
    finally:
        server.close()
