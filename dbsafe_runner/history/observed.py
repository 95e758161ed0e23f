"""Observed: what looking at the database after a test says about the test. Pure: no store, no clock.

An observation is of one run of one test. A test that passed has done all it does; one that was skipped
or failed may have stopped before it wrote, so what it did is a lower bound only. Observations of the
same code are merged upward: what a test was once seen to do, it does.

What no observation can see (fixed ports, declared order, state in the process) stays with static
analysis. Which rows were read cannot be seen either: a test connects when it opened a connection, or
when a session that was open already did something meanwhile.

A sequence that has advanced while no row remains is what rolling back leaves in PostgreSQL, and no
left-over of the test: see docs/design/history.md.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.outcome import Outcome

#: Stands for what a test created or altered in the schema and undid again.
UNDONE_SCHEMA = "pg_catalog"
#: Names shown in one piece of evidence before the rest is counted.
_SHOWN = 4

_COMPLETE = frozenset({Outcome.PASSED, Outcome.XPASSED})


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a test, in one run or merged over several. Relations as in `Changes`."""

    written: frozenset[str] = frozenset()
    #: What was left changed, without `sequences`.
    remaining: frozenset[str] = frozenset()
    #: Sequences that have moved.
    sequences: frozenset[str] = frozenset()
    ddl: frozenset[str] = frozenset()
    ddl_undone: bool = False
    cluster: frozenset[str] = frozenset()
    #: Connections that it opened.
    connections: int = 0
    #: Programs that it started, and forks, which may have opened some: that is not seen.
    processes: int = 0
    #: A session that it did not open itself did something.
    used: bool = False
    #: Transactions that were open when it ended.
    open_transactions: int = 0
    #: Runs in which it got to its end; what the others did is merged in, too.
    complete: int = 0


def observe(
    outcome: Outcome,
    changes: Changes | None,
    connections: int,
    *,
    processes: int = 0,
    seen: bool = True,
) -> Observation | None:
    """What one run of a test shows, or None when it shows nothing.

    Args:
        outcome: how the test ended.
        changes: what the look after it saw; None while the worker had no namespace.
        connections: how many connections it opened.
        processes: how many programs and forks it started, which may have opened some.
        seen: False when it could not be looked at, as its server or its worker was gone.
    """
    if not seen or outcome is Outcome.NOT_RUN:
        return None
    complete = int(outcome in _COMPLETE)
    if changes is None:
        return Observation(complete=complete)
    return Observation(
        written=changes.written | changes.pending,
        # What is written in a transaction that is still open is there for whoever shares it.
        remaining=(changes.remaining - changes.sequences) | changes.pending,
        sequences=changes.sequences,
        ddl=frozenset(changes.ddl),
        ddl_undone=changes.ddl_undone,
        cluster=frozenset(changes.cluster),
        connections=connections,
        processes=processes,
        used=changes.used,
        open_transactions=changes.open_transactions,
        complete=complete,
    )


def merge(observations: Iterable[Observation]) -> Observation:
    """All that was seen in any of them."""
    seen = list(observations)
    if len(seen) == 1:
        return seen[0]
    return Observation(
        written=frozenset().union(*(one.written for one in seen)),
        remaining=frozenset().union(*(one.remaining for one in seen)),
        sequences=frozenset().union(*(one.sequences for one in seen)),
        ddl=frozenset().union(*(one.ddl for one in seen)),
        ddl_undone=any(one.ddl_undone for one in seen),
        cluster=frozenset().union(*(one.cluster for one in seen)),
        connections=max((one.connections for one in seen), default=0),
        processes=max((one.processes for one in seen), default=0),
        used=any(one.used for one in seen),
        open_transactions=max((one.open_transactions for one in seen), default=0),
        complete=sum(one.complete for one in seen),
    )


@functools.lru_cache(maxsize=1024)
def footprint(seen: Observation) -> Footprint:
    """The footprint that an observation amounts to."""
    writes = seen.written | seen.sequences | ({UNDONE_SCHEMA} if seen.ddl_undone else frozenset())
    # A process that may have connected counts as one that has, until something shows that it did not.
    used = seen.connections or seen.processes or seen.used
    return Footprint(
        connects=bool(used or writes or seen.ddl or seen.cluster),
        writes=writes,
        outlives=bool(seen.remaining),
        schema_changes=bool(seen.ddl),
        cluster=seen.cluster,
        sequences=seen.sequences,
        connections=seen.connections,
        processes=seen.processes,
        evidence=tuple(Evidence(Source.OBSERVED, what) for what in in_words(seen)),
    )


def in_words(seen: Observation) -> list[str]:
    """What was seen, one sentence for each kind of thing, the gravest first."""
    words = []
    if seen.cluster:
        words.append(f"changes the whole server: {_listed(seen.cluster)}")
    if seen.ddl:
        words.append(f"leaves the schema changed: {_listed(seen.ddl)}")
    if seen.remaining:
        words.append(f"leaves rows changed: {_listed(seen.remaining)}")
    gone = seen.written - seen.remaining - seen.sequences
    if gone:
        words.append(f"writes, and leaves as it was: {_listed(gone)}")
    if seen.ddl_undone:
        words.append("changes the schema, and undoes that again")
    if seen.sequences:
        words.append(f"advances sequences, which nothing takes back: {_listed(seen.sequences)}")
    if not words:
        words.append(_reading(seen))
    if seen.open_transactions:
        words.append(f"ends with {_counted(seen.open_transactions, 'transaction')} open")
    return words


def _reading(seen: Observation) -> str:
    if seen.connections:
        return f"opens {_counted(seen.connections, 'connection')} and writes nothing"
    if seen.used:
        return "uses an open session and writes nothing"
    if seen.processes:
        return f"starts {_counted(seen.processes, 'process', 'processes')}, which may have connected"
    return "opens no connection"


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _counted(number: int, noun: str, several: str = "") -> str:
    return f"{number} {noun if number == 1 else several or noun + 's'}"
