"""Observation: what may have happened to a server since the last look, at the least cost.

An observer names suspects: tables whose content, and catalogs whose rows, may differ now. Whether they
do is found out by `dbsafe_runner.database.baseline`, which compares them; observers read no table of
the suite. There are two observers with one interface: `wal_observation` reads the WAL and names exactly
what was written; `scan_observation` names everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Protocol

from dbsafe_runner.database.link import Link, as_array, load_sql

_PULSE = load_sql("pulse")
_PULSE_SHARED = load_sql("pulse_shared")

#: A file of a relation: (oid of its database, file node), both as text.
File = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Pulse:
    """A server at one moment. `wal` is the place up to which WAL has been written."""

    wal: str
    #: Whether all WAL up to there has been handed to the operating system, so that it can be read.
    flushed: bool
    #: The next transaction id, 64 bits.
    next_xid: int
    #: Client sessions other than ours, and how many of them are inside a transaction.
    sessions: int
    open_transactions: int
    #: Changes with ALTER SYSTEM.
    settings_file: str
    #: Names of the replication slots that outlive their session.
    slots: str
    prepared: int
    #: When one of the sessions last began or ended something, as text; "" when that is not known.
    last_activity: str = ""
    #: How many transactions sessions that are gone now have ended in the namespace's databases, and at
    #: least some of those that are there; "" when that is not known.
    transactions: str = ""

    def used_since(self, before: Pulse) -> bool:
        """Whether a session did something since an earlier pulse; True when nobody knows.

        That there are fewer sessions says nothing: a server ends them some time after the client has.
        """
        if not self.sessions:
            return False
        return not self.last_activity or self.last_activity > before.last_activity


@dataclasses.dataclass(slots=True)
class Sighting:
    """Suspects of one look. Databases are oids as text, "0" the catalogs that all databases share."""

    #: Tables and sequences that committed transactions wrote to -> the ids of these transactions.
    written: dict[File, set[int]] = dataclasses.field(default_factory=dict)
    #: What transactions wrote to that were rolled back.
    undone: set[File] = dataclasses.field(default_factory=set)
    #: Transactions that are still open -> what they wrote to.
    open: dict[int, set[File]] = dataclasses.field(default_factory=dict)
    #: What transactions that are still open have written to since the look before.
    fresh: set[File] = dataclasses.field(default_factory=set)
    #: Bytes of WAL by relation: how much dead matter was left in its file.
    wear: dict[File, int] = dataclasses.field(default_factory=dict)
    #: (database, relation oid) of what open transactions have locked for writing, where nothing better
    #: is known.
    locked: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    #: True when the observer cannot tell: everything is suspect.
    everything: bool = False


class Observer(Protocol):
    """Names what is suspect since the look before."""

    #: Whether it knows which transactions wrote, "wal", or only that something may have been, "scan".
    method: str

    def start(self, pulse: Pulse) -> None:
        """Begin at `pulse`: what happened before it is no concern."""

    def look(self, pulse: Pulse) -> Sighting:
        """Name the suspects since the look before; `pulse` was taken just now."""

    def files_created(self) -> bool:
        """Whether permanent relations are known to have got new files between the last two looks."""

    def ours(self, xid: int) -> None:
        """Leave out what this transaction, one of our own, has written."""


def take_pulse(link: Link, own_sessions: list[int], databases: Collection[str] | None) -> Pulse:
    """Return the server's pulse.

    Args:
        link: a session on the server.
        own_sessions: process ids of our sessions, which are not counted.
        databases: oids of those whose sessions count; None means all.
    """
    parameters = (as_array(own_sessions), None if databases is None else as_array(databases))
    (row,) = link.repeat(_PULSE if databases is None else _PULSE_SHARED, parameters)
    cells = [cell or "" for cell in row]
    wal, flushed, next_xid, sessions, inside, settings, slots, prepared, last, transactions = cells
    return Pulse(
        wal=wal,
        flushed=flushed == "t",
        next_xid=int(next_xid),
        sessions=int(sessions),
        open_transactions=int(inside),
        settings_file=settings,
        slots=slots,
        prepared=int(prepared),
        last_activity=last,
        transactions=transactions,
    )
