"""The WAL observer, for PostgreSQL 16 and later: reads what was written since the last look.

Cost follows what was written, not how many tables there are. It needs a superuser and the library of
`pg_walinspect`, not the extension. Where the server has already recycled the WAL in question, and so that
can no longer be told, it says that everything is suspect.
"""

from __future__ import annotations

from collections.abc import Iterable

from dbsafe_runner.database.link import Link, LinkError, load_sql
from dbsafe_runner.database.observation import File, Pulse, Sighting

_FUNCTION = load_sql("wal_function")
_BLOCKS = load_sql("wal_blocks")
_TRANSACTIONS = load_sql("transactions")
# Rolled back and asynchronous transactions leave their WAL in memory, where it cannot be read. An empty
# logical message is a record that can be forced out and means nothing. Before PostgreSQL 17 it has to be
# a transaction's, which is why the session that runs it commits synchronously.
_FLUSH_16 = "select pg_catalog.pg_logical_emit_message(true, '', '')"
_FLUSH_17 = "select pg_catalog.pg_logical_emit_message(false, '', '', true)"


class WalObserver:
    """Reads the WAL through `link`, a superuser's session in any database of the server.

    Raises:
        LinkError: the library is not there, or the role may not use it.
    """

    method = "wal"

    def __init__(self, link: Link, server_version: int) -> None:
        self._link = link
        self._flush = _FLUSH_17 if server_version >= 170000 else _FLUSH_16
        self._from = ""
        #: Transactions that were open at the look before -> what they wrote to.
        self._open: dict[int, set[File]] = {}
        self._ours: list[int] = []
        link.query(_FUNCTION)

    def start(self, pulse: Pulse) -> None:
        """Begin at `pulse`."""
        self._from = pulse.wal
        self._open = {}

    @property
    def waiting(self) -> bool:
        """Whether transactions were open at the look before, so that a look is due in any case."""
        return bool(self._open)

    def ours(self, xid: int) -> None:
        """Leave out what this transaction of ours has written."""
        self._ours.append(xid)

    def look(self, pulse: Pulse) -> Sighting:
        """Name what was written since the look before, by how the writing transactions ended."""
        sighting = Sighting()
        self._settle(sighting)
        if pulse.wal != self._from:
            self._read(pulse, sighting)
            self._from = pulse.wal
        self._open = sighting.open
        return sighting

    def _settle(self, sighting: Sighting) -> None:
        """Find out how transactions that were open at the look before have ended."""
        if not self._open:
            return
        for xid, status in self._link.query(_TRANSACTIONS, (_array(self._open),)):
            number = int(xid or 0)
            if status == "aborted":
                # Among these may be sequences, which have advanced all the same.
                for file in self._open[number]:
                    sighting.written.setdefault(file, set())
            else:
                _sort(sighting, number, status or "", self._open[number])

    def _read(self, pulse: Pulse, sighting: Sighting) -> None:
        if not pulse.flushed:
            self._link.query(self._flush)
        try:
            rows = self._link.query(_BLOCKS, (self._from, pulse.wal, _array(self._ours)))
        except LinkError:
            if not self._link.alive:
                raise
            # The WAL was recycled under a long test.
            sighting.everything = True
            rows = []
        self._ours.clear()
        for database, filenode, sequence, xid, status in rows:
            file = (database or "", filenode or "")
            if sequence == "t" and status == "aborted":
                # Sequences advance whatever becomes of the transaction.
                sighting.written.setdefault(file, set())
            else:
                _sort(sighting, int(xid or 0), status or "", {file})


def _array(xids: Iterable[int]) -> str:
    return "{" + ",".join(map(str, xids)) + "}"


def _sort(sighting: Sighting, xid: int, status: str, files: set[File]) -> None:
    if status == "committed":
        for file in files:
            sighting.written.setdefault(file, set()).add(xid)
    elif status == "in progress":
        sighting.open.setdefault(xid, set()).update(files)
    else:
        sighting.undone |= files
