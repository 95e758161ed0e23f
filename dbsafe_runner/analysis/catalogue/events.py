"""Events of SQLAlchemy: functions that a session calls when it flushes or commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.analysis.catalogue import verbs
from dbsafe_runner.analysis.catalogue.tables import Entry
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Bound,
    External,
    Function,
    Lib,
    Link,
    Partial,
    Value,
    options,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

#: Events at which a session's own changes are written. Those at which it begins and ends transactions
#: are left out: with them a fixture sets its savepoint again, which follows a commit and is none.
_WRITING = {"before_commit", "after_commit", "before_flush", "after_flush", "after_flush_postexec"}


def listens_for(_machine: Machine, call: Call, _entry: Entry) -> Value:
    """`@event.listens_for(target, name)`: registers the function that it decorates."""
    return Partial(External("sqlalchemy.event.listen"), call.args[:2], {})


def listen(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`event.listen(target, name, function)`: the function is taken to be called once, at once.

    What it changes is booked on the session, and so shares the fate of what the session changes.
    """
    function = call.argument(2, "fn")
    if function is None:
        return UNKNOWN
    if text_of(call.argument(1, "identifier")) in _WRITING and isinstance(function, Function | Bound):
        session = _session(machine, call)
        machine.call(function, type(call)(machine, [session], {}, call.node, call.env))
    return function


def _session(machine: Machine, call: Call) -> Lib:
    """Return the session that a listener is given: the one it listens to, or any other."""
    for option in options(call.argument(0, "target") or UNKNOWN):
        if isinstance(option, Lib) and option.kind == "Session":
            return option
    return Lib("Session", Link(f"session at {machine.place(call.node)}", autocommit=True))


EXTERNALS: dict[str, verbs.Maker] = {"listens_for": listens_for, "listen": listen}
