"""Leftovers: transactions that a test left open or prepared, and locks that its sessions still hold.

A transaction counts as a test's when both it and its session began after the last `mark`; what began
before belongs to a fixture. Sessions outside a transaction belong to the suite's pools and are never
ended; nor are those whose transaction has only read, unless a reset cannot go on beside them.
"""

from __future__ import annotations

import dataclasses
import time

from dbsafe_runner.database.link import as_array, load_sql, quote_text
from dbsafe_runner.database.links import Links

_TRANSACTIONS = load_sql("transactions_left")
_ADVISORY = load_sql("advisory_locks")
_PREPARED = load_sql("prepared_transactions")
_END = "select pg_catalog.pg_terminate_backend($1::int)"
_GONE = "select from pg_catalog.pg_stat_get_activity($1::int)"
#: Seconds that a session may take to go after its client has closed it, before its transaction is a
#: leak.
_PATIENCE = 0.05
_STEP = 0.002
#: Seconds that an ended session may take to go.
_END_WITHIN = 5.0


class Clock:
    """The real clock, out of reach of tests that replace the functions of `time` in every module."""

    seconds = staticmethod(time.perf_counter)
    sleep = staticmethod(time.sleep)


@dataclasses.dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A session inside a transaction."""

    pid: str
    began: str
    database: str
    query: str
    #: It has written, or locked something for writing.
    wrote: bool
    #: It belongs to a test.
    of_test: bool

    @property
    def words(self) -> str:
        """What a report says of it."""
        return f"a transaction left open: {' '.join(self.query.split())}"


class Leftovers:
    """Finds and ends what tests leave behind in sessions."""

    def __init__(self, links: Links, databases: list[str] | None) -> None:
        self._links = links
        self.cover(databases)
        self._since: str | None = None
        self._prepared: set[str] = set()
        self._told: set[str] = set()
        self._advisory: set[tuple[str, str]] = set()
        self.mark()

    def cover(self, databases: list[str] | None) -> None:
        """Look in these databases from now on, given by their oids; None for all."""
        self._databases = None if databases is None else as_array(databases)

    def mark(self) -> None:
        """What is open now belongs to a fixture of the suite."""
        ((self._since,),) = self._links.watch.query("select pg_catalog.clock_timestamp()")
        self._prepared = {gid for gid, _ in self._list_prepared()}
        self._advisory = self._advisory_locks()

    def transactions(self) -> list[OpenTransaction]:
        """Return the open transactions of the suite."""
        pids = as_array(self._links.pids)
        rows = self._links.watch.query(_TRANSACTIONS, (pids, self._since, self._databases))
        return [
            OpenTransaction(
                pid or "", began or "", database or "", query or "", wrote == "t", of_test == "t"
            )
            for pid, began, database, query, wrote, of_test in rows
        ]

    def end_writers(self) -> list[str]:
        """End sessions whose transaction a test left open after writing; return the report's words."""
        deadline = Clock.seconds() + _PATIENCE
        while (leaks := [one for one in self.transactions() if one.of_test and one.wrote]) and (
            Clock.seconds() < deadline
        ):
            Clock.sleep(_STEP)
        return [self.end(leak) for leak in leaks]

    def end_readers(self) -> list[str]:
        """End sessions whose transaction a test left open after only reading."""
        return [self.end(leak) for leak in self.transactions() if leak.of_test]

    def end(self, leak: OpenTransaction) -> str:
        """End one session, wait until it is gone, and return the report's words."""
        self._links.watch.query(_END, (leak.pid,))
        deadline = Clock.seconds() + _END_WITHIN
        while self._links.watch.query(_GONE, (leak.pid,)) and Clock.seconds() < deadline:
            Clock.sleep(_STEP)
        return leak.words

    def roll_back_prepared(self) -> list[str]:
        """Roll back transactions that tests prepared and did not finish; return the report's words."""
        words = []
        for gid, database in self._list_prepared():
            if gid not in self._prepared:
                self._links.data(database).execute(f"ROLLBACK PREPARED {quote_text(gid)}")
                words.append(f"a prepared transaction left behind: {gid}")
        return words

    def held_locks(self) -> list[str]:
        """Return words for advisory locks that are new since the last call; they are left alone."""
        now = self._advisory_locks()
        new, self._advisory = now - self._advisory, now
        return [f"an advisory lock still held: {lock} (session {pid})" for pid, lock in sorted(new)]

    def _advisory_locks(self) -> set[tuple[str, str]]:
        rows = self._links.watch.query(_ADVISORY, (as_array(self._links.pids), self._databases))
        return {(pid or "", lock or "") for pid, lock in rows}

    def _list_prepared(self) -> list[tuple[str, str]]:
        return [
            (gid or "", database or "")
            for gid, database in self._links.watch.query(_PREPARED, (self._databases,))
        ]
