"""Sessions of our own on the user's server: few, shared by the threads that make namespaces."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import errors

from dbsafe_runner.database.ownership import BUILD_LOCKS, lock_key, write_claim
from dbsafe_runner.database.provider import ProviderClosedError
from dbsafe_runner.database.user_server import MAINTENANCE, ServerAddress, connect
from dbsafe_runner.errors import UserError

Connection = psycopg.Connection[Any]

_NO_TIMEOUTS = """
select set_config(name, '0', false) from pg_settings
 where name in ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'transaction_timeout',
                'idle_in_transaction_session_timeout')
"""
#: Seconds between attempts to get a lock that another run holds.
_STEP = 0.1


class Sessions:
    """Sessions in the maintenance database, or in the URL's where that is closed to the role.

    Args:
        address: of the server.
        limit: how many sessions there are at most.
        at_home: they are to be in the URL's own database.
    """

    def __init__(self, address: ServerAddress, limit: int, *, at_home: bool = False) -> None:
        self.address = address
        self.limit = limit
        self.database = address.database if at_home else MAINTENANCE
        self._idle: list[Connection] = []
        self._room = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._idle.append(self.open())
        except UserError:
            self.database = address.database
            self._idle.append(self.open())

    @contextlib.contextmanager
    def session(self) -> Iterator[Connection]:
        """A session for one thread. Blocks while all are in use.

        Raises:
            UserError: `server-unreachable`.
            ProviderClosedError: `close` was called.
        """
        with self._room:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give(connection)

    def open(self) -> Connection:
        """One more session, which the caller closes. No time-out that the server sets applies to it."""
        return _patient(connect(self.address.dsn(self.database)))

    def open_at_home(self) -> Connection:
        """As `open`, in the URL's own database."""
        return _patient(connect(self.address.dsn()))

    def close(self) -> None:
        """Close the sessions; those in use are closed when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        with self._lock:
            if self._closed:
                raise ProviderClosedError
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed and _answers(connection):
                    return connection
                connection.close()
        return self.open()

    def _give(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed and not connection.closed:
                self._idle.append(connection)
                return
        connection.close()


class Claim:
    """A run's session that says by its name that the run lives, and which template it uses.

    Raises:
        UserError: `server-unreachable`.
    """

    def __init__(self, sessions: Sessions, run: str) -> None:
        self._sessions = sessions
        self._run = run
        self._template = ""
        self._lock = threading.Lock()
        self._closed = False
        self._connection = self._take()

    def use_template(self, key: str) -> None:
        """Say that a template is in use, so that nobody removes it."""
        with self._lock:
            self._template = key
            self._name(self._connection)

    def renew(self) -> bool:
        """Say it again if the session was lost; whether it was.

        Raises:
            UserError: `server-unreachable`.
        """
        with self._lock:
            if self._closed or _answers(self._connection):
                return False
            self._connection.close()
            self._connection = self._take()
            return True

    def close(self) -> None:
        """End the session, and the claim with it."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def _take(self) -> Connection:
        connection = self._sessions.open()
        self._name(connection)
        return connection

    def _name(self, connection: Connection) -> None:
        name = write_claim(self._run, self._template)
        connection.execute("select set_config('application_name', %s, false)", [name])


@contextlib.contextmanager
def build_lock(
    sessions: Sessions, key: str, waiting: threading.Event, closing: threading.Event
) -> Iterator[None]:
    """Keep other runs from building the template of this key meanwhile.

    Args:
        sessions: on the server.
        key: of the template.
        waiting: set as soon as another run turns out to hold the lock.
        closing: ends the wait when it is set.

    Raises:
        ProviderClosedError: `closing` was set.
    """
    connection = sessions.open()
    try:
        while not connection.execute(
            "select 1 where pg_try_advisory_lock(%s, %s)", [BUILD_LOCKS, lock_key(key)]
        ).fetchone():
            waiting.set()
            if closing.wait(_STEP):
                raise ProviderClosedError
        yield
    finally:
        connection.close()


def _patient(connection: Connection) -> Connection:
    connection.execute(_NO_TIMEOUTS)
    return connection


def _answers(connection: Connection) -> bool:
    try:
        connection.execute("select")
    except (psycopg.OperationalError, errors.AdminShutdown):
        return False
    return True
