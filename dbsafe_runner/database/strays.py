"""Strays: connections of the run's processes to the user's own databases, past the redirection.

A session on the server is told to be ours by its TCP port, which one of our processes holds at the other
end. What comes over a Unix socket, through a pooler, or is gone before anybody looks, is not found.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Final

import psutil

from dbsafe_runner.database.sessions import Connection

_SESSIONS: Final = """
select pid, datname::text, client_port from pg_stat_activity
 where datname = any (%s) and client_port > 0 and application_name not like 'dbsafe%%'
   and backend_start > %s and pid <> all (%s)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Stray:
    """A process that connected past the redirection."""

    database: str
    #: Of the process and of those that it descends from, itself first.
    pids: tuple[int, ...]
    #: What it runs, in short.
    name: str


class StrayFinder:
    """Looks for strays among the sessions that began since it was made.

    Args:
        connection: any session on the server.
        databases: in which no process of the run has any business.
    """

    def __init__(self, connection: Connection, databases: Sequence[str]) -> None:
        self._databases = list(databases)
        row = connection.execute("select clock_timestamp()").fetchone()
        self._since = row[0] if row else None
        self._seen: set[int] = set()

    def find(self, connection: Connection) -> list[Stray]:
        """Strays that were not found before."""
        query = [self._databases, self._since, list(self._seen)]
        sessions = connection.execute(_SESSIONS, query).fetchall()
        if not sessions:
            return []
        self._seen |= {pid for pid, _, _ in sessions}
        holders = _holders()
        return [
            Stray(database, _lineage(holders[port]), holders[port].name())
            for _, database, port in sessions
            if port in holders
        ]


def _holders() -> dict[int, psutil.Process]:
    """Our processes by the local ports of their TCP connections."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                # Forked processes share what their parent had open: the last one is the youngest.
                found[connection.laddr.port] = process
    return found


def _lineage(process: psutil.Process) -> tuple[int, ...]:
    with contextlib.suppress(psutil.Error):
        return (process.pid, *(parent.pid for parent in process.parents()))
    return (process.pid,)
