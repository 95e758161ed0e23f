"""Action: one thing that the followed code does to a database or to the machine."""

from __future__ import annotations

import enum
from typing import NamedTuple

from dbsafe_runner.analysis.values import Link


class Kind(enum.Enum):
    """What an action is."""

    # Members are singletons; hashing them by name would be slow, and they are looked up all the time.
    __hash__ = object.__hash__

    CONNECT = "connects"
    READ = "reads"
    WRITE = "writes"
    #: Deletes everything in its tables.
    CLEAN = "empties"
    DDL = "changes the schema"
    TEMP = "makes a temporary table"
    CLUSTER = "changes the cluster"
    #: A change that no rollback undoes, such as setval().
    LASTING = "lastingly changes"
    SESSION = "changes its session"
    #: Notifications and advisory locks, which all sessions of the database have in common.
    SIGNAL = "signals to others"
    COMMIT = "commits"
    ROLLBACK = "rolls back"
    CLOSE = "closes"
    #: A transaction block or savepoint that ends by its own END.
    BEGIN = "begins a transaction"
    END = "ends a transaction"
    #: Answers a request with an error; `what` is the HTTP status.
    REJECT = "rejects a request"
    #: A reason to run with nothing beside it; `flag`: only while the current directory is the project's.
    ALONE = "must run alone"
    #: Reads a file of SQL; `what` is its absolute path and `file` what reads it.
    FILE = "reads a file"
    #: The current directory is another one from here on.
    MOVE = "changes the directory"
    #: Changes what outlives the test in its process, or in files; `flag`: whatever it was before. Its
    #: name is among the tables, and `weight` is 1 for a relative path.
    STATE = "changes state"
    #: Something that could not be followed; `weight` says how much it may matter.
    DOUBT = "is not known"
    #: A reason to expect much CPU time or memory.
    HEAVY = "is heavy"


class Action(NamedTuple):
    """One action. `file` is absolute, `line` counts from 1."""

    kind: Kind
    link: Link | None
    tables: frozenset[str]
    what: str
    file: str
    line: int
    #: END and blocks: it rolls back. DDL: it tolerates that it was done before.
    flag: bool = False
    #: DOUBT: how much confidence it costs, 0 to 1.
    weight: float = 0.0
    #: It stands behind a condition that is not known: it cleans nothing up for sure.
    maybe: bool = False


NO_TABLES: frozenset[str] = frozenset()
