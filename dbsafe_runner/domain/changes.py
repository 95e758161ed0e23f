"""Changes: what an observation saw happen to a namespace between two looks."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the look before. Relations are named `database/schema.name`.

    An observation by the worker after each test; the reset's work list and the levels come from it.
    """

    #: Tables, sequences and large objects ("pg_largeobject") written to, rolled back or not.
    written: frozenset[str] = frozenset()
    #: Those of `written` whose content now differs from what it was at the look before, committed.
    remaining: frozenset[str] = frozenset()
    #: Relations written to within the window by a transaction that is still open: to be looked at again
    #: later.
    pending: frozenset[str] = frozenset()
    #: Relations that open transactions have written to, before the window or in it.
    held: frozenset[str] = frozenset()
    #: Schema changes that are still there, in words ("database/schema.name created").
    ddl: tuple[str, ...] = ()
    #: Schema changes that were undone again within the window (created and dropped, rolled back).
    ddl_undone: bool = False
    #: Cluster-wide changes, in words ("role reporting created", "database other created").
    cluster: tuple[str, ...] = ()
    #: Client sessions other than our own that exist now.
    sessions: int = 0
    #: Sessions that are inside a transaction now ("idle in transaction" or active).
    open_transactions: int = 0
    #: Those of `remaining` that are sequences: they advance even when a transaction is rolled back.
    sequences: frozenset[str] = frozenset()
    #: One of the sessions did something.
    used: bool = False

    @property
    def nothing(self) -> bool:
        """Whether the window left the namespace as it was."""
        return not (self.remaining or self.pending or self.ddl or self.cluster)

    def then(self, later: Changes) -> Changes:
        """Both windows as one: what happened in this one or in the later one, and how it stands then."""
        return dataclasses.replace(
            later,
            written=self.written | later.written,
            remaining=self.remaining | later.remaining,
            pending=later.pending | (self.pending & later.held),
            ddl=(*self.ddl, *later.ddl),
            ddl_undone=self.ddl_undone or later.ddl_undone,
            cluster=(*self.cluster, *later.cluster),
            sequences=self.sequences | later.sequences,
            used=self.used or later.used,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ResetReport:
    """What a reset did. `seconds` is wall time."""

    seconds: float
    #: Relations brought back, as in `Changes`.
    restored: tuple[str, ...] = ()
    #: Not empty: the namespace cannot be brought back cheaply; the worker must be retired.
    retire: str = ""
    #: Leaks found and ended, in words ("a transaction left open: UPDATE orders ...").
    leaks: tuple[str, ...] = ()
