"""The scan observer, for PostgreSQL before 15 or without the right to read WAL: suspects everything.

It knows only whether the server has written any WAL since the look before, and, from PostgreSQL 15 on,
whether anybody has used the namespace's databases meanwhile. If so, every table and every catalog is to
be compared, which costs the more the more tables there are. What was written and rolled back it cannot
tell; what is being written it tells by the locks that are held.
"""

from __future__ import annotations

from collections.abc import Callable

from dbsafe_runner.database.link import Link, as_array, load_sql
from dbsafe_runner.database.observation import Pulse, Sighting

_LOCKS = load_sql("locks")


def locked_relations(link: Link, own_sessions: list[int]) -> dict[tuple[str, str], bool]:
    """Return (database, relation) locked by the suite -> whether even reading would wait."""
    rows = link.repeat(_LOCKS, (as_array(own_sessions),))
    return {(database or "", relation or ""): exclusive == "t" for database, relation, exclusive in rows}


class ScanObserver:
    """Suspects everything as soon as WAL was written.

    Args:
        link: a session in any database of the server.
        own_sessions: returns the process ids of our sessions.
    """

    method = "scan"

    def __init__(self, link: Link, own_sessions: Callable[[], list[int]]) -> None:
        self._link = link
        self._own_sessions = own_sessions
        self._before: Pulse | None = None

    def start(self, pulse: Pulse) -> None:
        """Begin at `pulse`."""
        self._before = pulse

    def ours(self, xid: int) -> None:
        """Nothing to leave out: what was brought back compares as equal."""

    def files_created(self) -> bool:
        """Not known; what is still there is told by the catalogs."""
        return False

    def look(self, pulse: Pulse) -> Sighting:
        """Suspect everything if any WAL was written, unless nobody was there to write it."""
        sighting = Sighting(everything=self._may_be_ours(pulse))
        if pulse.open_transactions:
            sighting.locked = set(locked_relations(self._link, self._own_sessions()))
        self._before = pulse
        return sighting

    def _may_be_ours(self, pulse: Pulse) -> bool:
        """Whether what was written may have been written in the namespace.

        On a server that others use, WAL is written all the time. But nobody has written here when no
        session that is here has done anything, and none that is gone had ended a transaction.
        """
        before = self._before
        if before is None or not pulse.transactions or pulse.prepared or before.prepared:
            return before is None or pulse.wal != before.wal
        unused = pulse.transactions == before.transactions and not pulse.used_since(before)
        return pulse.wal != before.wal and not unused
