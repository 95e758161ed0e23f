"""The WAL observer, for PostgreSQL 15 and later: reads what was written since the last look.

Cost follows what was written, not how many tables there are. It needs a superuser and the library of
`pg_walinspect`, not the extension. Where the server has already recycled the WAL in question, and so
that can no longer be told, it says that everything is suspect.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbsafe_runner.database.link import Link, LinkError, Row, as_array, load_sql
from dbsafe_runner.database.observation import File, Pulse, Sighting

_BLOCKS_FUNCTION = load_sql("wal_function")
_RECORDS_FUNCTION = load_sql("wal_records_function")
_BLOCKS_15 = load_sql("wal_blocks_15")
_FILES_CREATED = load_sql("files_created")
_BLOCKS = load_sql("wal_blocks")
_TRANSACTIONS = load_sql("transactions")
# Rolled back and asynchronous transactions leave their WAL in memory, where it cannot be read. An empty
# logical message is a record that can be forced out and means nothing. Before PostgreSQL 17 it has to be
# a transaction's, which is why the session that runs it commits synchronously.
_FLUSH_16 = "select pg_catalog.pg_logical_emit_message(true, '', '')"
_FLUSH_17 = "select pg_catalog.pg_logical_emit_message(false, '', '', true)"


class WalObserver:
    """Reads the WAL.

    Args:
        link: a superuser's session in any database of the server.
        server_version: PostgreSQL's server_version_num.

    Raises:
        LinkError: the library is not there, or the role may not use it.
    """

    method = "wal"

    def __init__(self, link: Link, server_version: int) -> None:
        self._link = link
        #: The generation of the session that the function was last made in.
        self._made_in = 0
        self._blocks = _BLOCKS if server_version >= 160000 else _BLOCKS_15
        self._flush = _FLUSH_17 if server_version >= 170000 else _FLUSH_16
        self._from = ""
        self._read_before = "", ""
        #: Transactions that were open at the look before -> what they wrote to.
        self._open: dict[int, set[File]] = {}
        self._ours: list[int] = []
        self._call("select 1")

    def _call(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """Run a statement where the function exists: it goes with the session that made it."""
        if self._made_in != self._link.generation:
            self._link.query(_RECORDS_FUNCTION)
            if self._blocks is _BLOCKS:
                self._link.query(_BLOCKS_FUNCTION)
            self._made_in = self._link.generation
        return self._link.repeat(sql, params)

    def start(self, pulse: Pulse) -> None:
        """Begin at `pulse`."""
        self._from = pulse.wal
        self._open = {}

    def ours(self, xid: int) -> None:
        """Leave out what this transaction of ours has written."""
        self._ours.append(xid)

    def look(self, pulse: Pulse) -> Sighting:
        """Name what was written since the look before, by how the writing transactions ended."""
        sighting = Sighting()
        self._settle(sighting)
        if pulse.wal != self._from:
            self._read(pulse, sighting)
            self._read_before = self._from, pulse.wal
            self._from = pulse.wal
        self._open = sighting.open
        return sighting

    def files_created(self) -> bool:
        """Whether permanent relations got new files between the last two looks."""
        try:
            return self._call(_FILES_CREATED, self._read_before) == [("t",)]
        except LinkError:
            return True

    def _settle(self, sighting: Sighting) -> None:
        """Find out how transactions that were open at the look before have ended."""
        if not self._open:
            return
        for xid, status in self._call(_TRANSACTIONS, (as_array(self._open),)):
            number = int(xid or 0)
            if status == "aborted":
                # Among these may be sequences, which have advanced all the same.
                for file in self._open[number]:
                    sighting.written.setdefault(file, set())
            else:
                _sort(sighting, number, status or "", self._open[number])

    def _read(self, pulse: Pulse, sighting: Sighting) -> None:
        if not pulse.flushed:
            self._call(self._flush)
        try:
            rows = self._call(self._blocks, (self._from, pulse.wal, as_array(self._ours)))
        except LinkError:
            # The WAL was recycled under a long test, or the suite ended our session.
            sighting.everything = True
            rows = []
        self._ours.clear()
        for database, filenode, sequence, xid, status, size in rows:
            file = (database or "", filenode or "")
            sighting.wear[file] = sighting.wear.get(file, 0) + int(size or 0)
            if sequence == "t" and status == "aborted":
                # Sequences advance whatever becomes of the transaction.
                sighting.written.setdefault(file, set())
            else:
                _sort(sighting, int(xid or 0), status or "", {file})
                if status == "in progress":
                    sighting.fresh.add(file)


def _sort(sighting: Sighting, xid: int, status: str, files: set[File]) -> None:
    if status == "committed":
        for file in files:
            sighting.written.setdefault(file, set()).add(xid)
    elif status == "in progress":
        sighting.open.setdefault(xid, set()).update(files)
    else:
        sighting.undone |= files
