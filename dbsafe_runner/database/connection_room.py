"""Connection room: how many connections a server can give to the namespaces of one run, as of now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

#: Namespaces that are made at the same time.
MAKERS: Final = 3
#: Sessions of our own beside those of the namespaces: for making, the claim, and the build lock.
OWN_SESSIONS: Final = MAKERS + 2

# What kind of process it is may be hidden from us; only that of a client has both a role and a database.
_OTHERS: Final = """
select count(*) filter (where application_name not like 'dbsafe%%' and datname <> %(shared)s),
       count(*) filter (where application_name not like 'dbsafe%%' and datname = %(shared)s),
       count(*) filter (where application_name like 'dbsafe%%')
  from pg_stat_activity where usesysid is not null and datname <> all (%(own)s)
"""


class ConnectionRoom:
    """Counts what others use.

    Args:
        capacity: connections that the role may have.
        shared: the database whose schemas the namespaces are; "" where each is a database.
    """

    def __init__(self, capacity: int, shared: str = "") -> None:
        self._capacity = capacity
        self._shared = shared
        #: Sessions of others in the shared database when none of ours were there yet.
        self._before: int | None = None

    def free(self, connection: psycopg.Connection[Any], own: Sequence[str], promised: int) -> int:
        """How many connections all namespaces together may have.

        Args:
            connection: a session of our own.
            own: names of the namespaces.
            promised: connections that their workers may use.
        """
        row = connection.execute(_OTHERS, {"own": list(own), "shared": self._shared}).fetchone()
        elsewhere, beside, ours_or_alike = row or (0, 0, 0)
        return self.beside(elsewhere, beside, ours_or_alike, namespaces=len(own), promised=promised)

    def beside(
        self, elsewhere: int, beside: int, ours_or_alike: int, *, namespaces: int, promised: int
    ) -> int:
        """The same by the numbers of sessions: in other databases, in the shared one, and dbsafe's.

        Whose a session in the shared database is cannot be told. Those that were there before the first
        namespace are taken for others' as long as there are as many; of the rest, those are that
        our workers have no promise for.
        """
        if self._before is None or not namespaces:
            self._before = beside
        strangers = elsewhere + max(min(beside, self._before), beside - promised)
        # Of dbsafe's sessions, those of other runs count, too. A worker has one that watches, and one
        # in its namespace, which is seen here only where that is a schema.
        ours = OWN_SESSIONS + namespaces * (2 if self._shared else 1)
        return self._capacity - strangers - max(0, ours_or_alike - ours) - OWN_SESSIONS
