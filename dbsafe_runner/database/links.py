"""Links: our sessions on one server: one for watching, and one per database for comparing and restoring.

The suite must not meet them. The watching session is in a maintenance database. A session in a database
of the suite would stand in the way of DROP DATABASE and CREATE DATABASE ... TEMPLATE, and be counted in
pg_stat_activity; so it is either closed after each use (`discreet`), or ends by itself shortly after.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbsafe_runner.database.link import QUIET_SETTINGS, SUPERUSER_SETTINGS, Link, LinkError

#: Milliseconds after which the server ends a data session that is not used: DROP DATABASE waits for
#: sessions to go, and tries again every 100 ms for 5 s.
_IDLE_MS = "100"
#: The same where a machine stalls for so long that a session has ended before its first statement.
_PATIENT_IDLE_MS = "2000"
_FIRST_WITH_IDLE_TIMEOUT = 140000


class Links:
    """Opens sessions when they are needed, and again when they have been ended.

    Raises:
        LinkError: from every method, when the server cannot be reached.
    """

    def __init__(self, dsn: str, server_version: int, *, at_home: bool = False) -> None:
        self._dsn = dsn
        self._at_home = at_home
        self.discreet = server_version < _FIRST_WITH_IDLE_TIMEOUT
        self._data: dict[str, Link] = {}
        settings = {**QUIET_SETTINGS, **SUPERUSER_SETTINGS}
        try:
            self.watch = self._open_watch(settings)
            self.superuser = True
        except LinkError:
            settings = dict(QUIET_SETTINGS)
            self.watch = self._open_watch(settings)
            self.superuser = False
        self._settings = settings
        self._data_settings = {**settings, "lock_timeout": "1"}
        self._patient: dict[str, str] = {}
        if server_version >= _FIRST_WITH_IDLE_TIMEOUT:
            self._data_settings["idle_session_timeout"] = _IDLE_MS
            self._patient = {"idle_session_timeout": _PATIENT_IDLE_MS}

    @property
    def pids(self) -> list[int]:
        """Process ids of our sessions on the server."""
        return [self.watch.pid, *(link.pid for link in self._data.values())]

    def data(self, database: str) -> Link:
        """Return a session in `database`."""
        link = self._data.get(database)
        if link is None:
            link = Link(self._dsn, database, self._data_settings, self._patient)
            self._data[database] = link
        return link

    def release(self) -> None:
        """Say that nobody needs the data sessions until the next look."""
        if self.discreet:
            self.release_all()

    def forget(self, database: str) -> None:
        """Close the session in `database` if there is one."""
        if (link := self._data.pop(database, None)) is not None:
            link.close()

    def release_all(self) -> None:
        """Close the data sessions."""
        for link in self._data.values():
            link.close()
        self._data.clear()

    def close(self) -> None:
        """Close all sessions."""
        self.release_all()
        self.watch.close()

    def _open_watch(self, settings: Mapping[str, str]) -> Link:
        # What is read for watching must be on disk before it is read; see `wal_observation`.
        settings = {**settings, "synchronous_commit": "on"}
        if self._at_home:
            return Link(self._dsn, "", settings, faithful=True)
        try:
            return Link(self._dsn, "postgres", settings, faithful=True)
        except LinkError:
            return Link(self._dsn, "", settings, faithful=True)
