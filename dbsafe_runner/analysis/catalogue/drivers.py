"""Connections of the drivers, as they are opened: psycopg 2 and 3, asyncpg, pg8000, pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.analysis import strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import verbs
from dbsafe_runner.analysis.catalogue.tables import Entry
from dbsafe_runner.analysis.values import HOLE, UNKNOWN, Const, Lib, Link, Map, Value, text_of, truth_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine


def connect(machine: Machine, call: Call, entry: Entry) -> Value:
    """Open a connection; of psycopg 3 unless the verb says otherwise."""
    autocommit = entry.verb == "connect_auto" or truth_of(call.kwargs.get("autocommit")) is True
    link = Link(f"connection at {machine.place(call.node)}", autocommit=autocommit)
    link.commits_on_exit = entry.verb != "connect_auto"
    machine.act(Kind.CONNECT, link, call.node)
    closes = Const(entry.verb == "connect")
    return Lib(entry.gives, link, {"closes on exit": closes})


def pool(machine: Machine, call: Call, entry: Entry) -> Value:
    """Make a pool; its connections are opened when they are taken."""
    link = Link(f"pool at {machine.place(call.node)}", autocommit=entry.verb == "make_auto")
    keywords = call.kwargs.get("kwargs")
    if isinstance(keywords, Map) and truth_of(keywords.items.get("autocommit")) is True:
        link.autocommit = True
    return Lib(entry.gives, link)


def sql_on_argument(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`execute_values(cursor, sql, …)`."""
    cursor = call.argument(0, "cur")
    if isinstance(cursor, Lib):
        verbs.run_value(
            machine, verbs.link_of(machine, cursor, call.node), call.argument(1, "sql"), call.node
        )
    return UNKNOWN


def sql_text(machine: Machine, call: Call, _entry: Entry) -> Value:
    """Make a piece of SQL from text."""
    return verbs.sql_text(machine, call)


def sql_identifier(machine: Machine, call: Call, _entry: Entry) -> Value:
    """Make a quoted identifier."""
    return verbs.sql_identifier(machine, call)


def sql_hole(_machine: Machine, _call: Call, _entry: Entry) -> Value:
    """Make a literal or a parameter, whose value does not matter."""
    return strings.sql("NULL")


def method_of_sql(receiver: Lib, name: str, call: Call) -> Value:
    """Return what a method of a piece of SQL returns."""
    text = text_of(receiver.attrs.get("text")) or HOLE
    if name == "format":
        return strings.sql(strings.formatted(text, call.args, call.kwargs))
    if name == "join" and call.args:
        joined = strings.method(text, "join", call.args, {})
        return strings.sql(strings.spelled(joined))
    return receiver


def inert(_machine: Machine, _call: Call, _entry: Entry) -> Value:
    """Return something that never reaches PostgreSQL, such as an SQLite connection."""
    return Lib("inert")


EXTERNALS: dict[str, verbs.Maker] = {
    "connect": connect,
    "connect2": connect,
    "connect_auto": connect,
    "make": pool,
    "make_auto": pool,
    "sql_on_argument": sql_on_argument,
    "sql_text": sql_text,
    "sql_identifier": sql_identifier,
    "sql_hole": sql_hole,
    "inert": inert,
}
