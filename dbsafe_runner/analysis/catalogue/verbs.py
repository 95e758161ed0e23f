"""The catalogue's verbs: what a method or function of a driver or of SQLAlchemy does to a database."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes, contexts, strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue.packages import REACHES_DATABASE
from dbsafe_runner.analysis.catalogue.tables import Entry
from dbsafe_runner.analysis.sql import SqlFact, sql_facts
from dbsafe_runner.analysis.values import (
    HOLE,
    UNKNOWN,
    Class,
    Const,
    Instance,
    Lib,
    Link,
    Seq,
    Value,
    options,
    text_of,
    truth_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

Verb = Callable[["Machine", Lib, "Call", Entry], Value]
Maker = Callable[["Machine", "Call", Entry], Value]
ANY_TABLE = frozenset({"?"})
_SQL_KINDS = {
    "read": Kind.READ,
    "write": Kind.WRITE,
    "clean": Kind.CLEAN,
    "ddl": Kind.DDL,
    "temp": Kind.TEMP,
    "cluster": Kind.CLUSTER,
    "lasting": Kind.LASTING,
    "session": Kind.SESSION,
    "signal": Kind.SIGNAL,
    "begin": Kind.BEGIN,
    "commit": Kind.COMMIT,
    "rollback": Kind.ROLLBACK,
}


def link_of(machine: Machine, lib: Lib, node: ast.AST) -> Link:
    """Return an object's connection, giving it one when it has none."""
    if lib.link is None:
        lib.link = Link(
            f"{lib.kind} at {machine.place(node)}", autocommit=lib.kind in {"Pool", "Engine"}
        )
    return lib.link


def give(machine: Machine, receiver: Lib, entry: Entry, node: ast.AST) -> Value:
    """Return the object that a method returns, on the same connection."""
    if not entry.gives:
        return UNKNOWN
    attrs: dict[str, Value] = {
        key: receiver.attrs[key] for key in ("cls", "narrowed") if key in receiver.attrs
    }
    return Lib(entry.gives, link_of(machine, receiver, node), attrs, receiver.tables)


def run_text(machine: Machine, link: Link, text: str, node: ast.AST) -> None:
    """Record what a SQL text does on a connection."""
    for fact in sql_facts(text):
        _record(machine, link, fact, node)


def _record(machine: Machine, link: Link, fact: SqlFact, node: ast.AST) -> None:
    if fact.kind == "doubt":
        machine.act(Kind.WRITE, link, node, ANY_TABLE, fact.what)
        machine.doubt(fact.what, node, 0.25)
        return
    if fact.kind == "write" and "?" in fact.tables and "may write" in fact.what:
        machine.doubt(fact.what, node, 0.15)
    machine.act(_SQL_KINDS[fact.kind], link, node, fact.tables, fact.what, flag=fact.tolerant)


def run_value(machine: Machine, link: Link, statement: Value | None, node: ast.AST) -> Lib | None:
    """Record what executing a value does; return the statement when it is one of an ORM."""
    found: Lib | None = None
    for option in options(statement if statement is not None else UNKNOWN):
        text = text_of(option)
        if text is None and isinstance(option, Const) and isinstance(option.value, bytes):
            text = option.value.decode("utf-8", "replace")
        if isinstance(option, Lib) and (option.kind != "driver" or option.link is None):
            found = option
            text = text_of(option.attrs.get("text")) if option.kind == "sql" else None
            if text is None:
                _run_object(machine, link, option, node)
                continue
        if text is not None:
            run_text(machine, link, text, node)
        else:
            machine.act(
                Kind.WRITE, link, node, ANY_TABLE, "a statement that is not known before the test runs"
            )
            machine.doubt("a statement that is not known before the test runs", node, 0.25)
    return found


def _run_object(machine: Machine, link: Link, statement: Lib, node: ast.AST) -> None:
    does = text_of(statement.attrs.get("does"))
    if does == "write":
        machine.act(Kind.WRITE, link, node, statement.tables or ANY_TABLE, "a statement")
    elif does == "clean":
        machine.act(Kind.CLEAN, link, node, statement.tables, "DELETE of every row")
    elif does == "ddl":
        machine.act(
            Kind.DDL, link, node, statement.tables, text_of(statement.attrs.get("what")) or "DDL"
        )
    else:
        machine.act(Kind.READ, link, node, statement.tables, "a query")


def tables_in(machine: Machine, values: list[Value]) -> frozenset[str]:
    """Return the tables of the ORM classes, rows, columns and table objects among some values."""
    found: set[str] = set()
    for value in values:
        for option in options(value):
            if isinstance(option, Class):
                found |= classes.tables_of(machine, option)
            elif isinstance(option, Instance):
                found |= classes.tables_of(machine, option.cls)
            elif isinstance(option, Lib):
                found |= option.tables
            elif isinstance(option, Seq):
                found |= tables_in(machine, option.items[:16])
    return frozenset(found)


def class_in(values: list[Value]) -> Class | None:
    """Return the ORM class that a query selects, when it is known."""
    return next((value for value in values if isinstance(value, Class)), None)


def sql(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Execute the first argument."""
    link = link_of(machine, receiver, call.node)
    statement = call.argument(0, "query", "statement", "sql", "operation", "command")
    _prefer_copy(machine, call, link)
    ran = run_value(machine, link, statement, call.node)
    result = give(machine, receiver, entry, call.node)
    if isinstance(result, Lib) and ran is not None:
        result.attrs = {**result.attrs, **({"cls": ran.attrs["cls"]} if "cls" in ran.attrs else {})}
        result.tables = ran.tables
    return result


def _prefer_copy(machine: Machine, call: Call, link: Link) -> None:
    name = (
        call.node.func.attr
        if isinstance(call.node, ast.Call) and isinstance(call.node.func, ast.Attribute)
        else ""
    )
    if name in {"copy_records_to_table", "copy_from"}:
        table = text_of(call.argument(0 if "records" in name else 1, "table_name", "table"))
        machine.act(Kind.WRITE, link, call.node, frozenset({table or "?"}), "COPY")


def read_result(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Fetch what was read before."""
    return give(machine, receiver, entry, call.node)


def reads(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Read something that is no table of the suite's."""
    machine.act(Kind.READ, link_of(machine, receiver, call.node), call.node, receiver.tables)
    return give(machine, receiver, entry, call.node)


def same(_machine: Machine, receiver: Lib, _call: Call, _entry: Entry) -> Value:
    """Return the receiver."""
    return receiver


def nothing(_machine: Machine, _receiver: Lib, _call: Call, _entry: Entry) -> Value:
    """Do nothing that matters."""
    return UNKNOWN


def derive(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Return an object on the same connection; keep whether a block will roll back."""
    made = give(machine, receiver, entry, call.node)
    forced = call.kwargs.get("force_rollback")
    if isinstance(made, Lib) and forced is not None and truth_of(forced) is not False:
        made.attrs["force"] = Const(True)
    return made


def signal(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Listen to other sessions of the database."""
    link = link_of(machine, receiver, call.node)
    machine.act(Kind.SIGNAL, link, call.node, what="notifications")
    return UNKNOWN


def commit(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Commit the connection's transaction."""
    machine.act(Kind.COMMIT, link_of(machine, receiver, call.node), call.node)
    return UNKNOWN


def rollback(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Roll back the connection's transaction; in an exception handler it may never happen."""
    if not machine.frames or not machine.frames[-1].handlers:
        machine.act(Kind.ROLLBACK, link_of(machine, receiver, call.node), call.node)
    return UNKNOWN


def close(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Close the connection: what was not committed is gone."""
    machine.act(Kind.CLOSE, link_of(machine, receiver, call.node), call.node)
    return UNKNOWN


def begin(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Begin a transaction at once."""
    machine.act(Kind.BEGIN, link_of(machine, receiver, call.node), call.node)
    return give(machine, receiver, entry, call.node)


def savepoint(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Set a savepoint, which never commits by itself."""
    machine.act(Kind.BEGIN, link_of(machine, receiver, call.node), call.node, flag=True)
    return give(machine, receiver, entry, call.node)


def block_begin(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Start a transaction block by hand: awaiting what this returns does not start it once more."""
    link = link_of(machine, receiver, call.node)
    machine.act(Kind.BEGIN, link, call.node)
    return Lib("Transaction", link)


def block_commit(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """End a transaction block with a commit."""
    machine.act(Kind.END, link_of(machine, receiver, call.node), call.node)
    return UNKNOWN


def block_rollback(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """End a transaction block with a rollback; in an exception handler it may never happen."""
    if not machine.frames or not machine.frames[-1].handlers:
        machine.act(Kind.END, link_of(machine, receiver, call.node), call.node, flag=True)
    return UNKNOWN


def set_autocommit(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Switch autocommit."""
    link = link_of(machine, receiver, call.node)
    wanted = call.argument(0 if "autocommit" not in call.kwargs else 9, "autocommit")
    link.autocommit = truth_of(wanted) is not False
    return UNKNOWN


def prepare(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Prepare a statement for later."""
    made = give(machine, receiver, entry, call.node)
    if isinstance(made, Lib):
        made.attrs["text"] = call.argument(0, "query") or UNKNOWN
    return made


def prepared(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Execute a prepared statement."""
    run_value(machine, link_of(machine, receiver, call.node), receiver.attrs.get("text"), call.node)
    return give(machine, receiver, entry, call.node)


def large_object(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Open a large object."""
    link = link_of(machine, receiver, call.node)
    machine.act(Kind.WRITE, link, call.node, frozenset({"pg_largeobject"}), "large object")
    return UNKNOWN


def checkout(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Take a connection from a pool."""
    autocommit = receiver.link.autocommit if receiver.link is not None else False
    link = Link(f"pool at {machine.place(call.node)}", autocommit=autocommit, commits_on_exit=True)
    machine.act(Kind.CONNECT, link, call.node)
    return Lib(entry.gives, link)


def pool_sql(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Execute on a connection of a pool, which commits."""
    link = Link(f"pool at {machine.place(call.node)}", autocommit=True)
    run_value(machine, link, call.argument(0, "query"), call.node)
    del receiver
    return Lib(entry.gives, link)


def connect_again(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`Connection.connect()` called on the class."""
    del receiver
    link = Link(f"connection at {machine.place(call.node)}", autocommit=True)
    machine.act(Kind.CONNECT, link, call.node)
    return Lib(entry.gives, link)


def run_sync(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Call a synchronous function with the connection."""
    from dbsafe_runner.analysis.calling import Call as NewCall

    if not call.args:
        return UNKNOWN
    given = NewCall(machine, [receiver, *call.args[1:]], call.kwargs, call.node, call.env)
    return machine.call(call.args[0], given)


def may_write(machine: Machine, values: list[Value], what: str, node: ast.AST) -> bool:
    """Record that something unknown was given a connection, through which it may write."""
    for value in values:
        for option in options(value):
            lib = _reaching(option)
            if lib is not None:
                machine.act(Kind.WRITE, link_of(machine, lib, node), node, ANY_TABLE, what)
                machine.doubt(what, node, 0.3)
                return True
    return False


def _reaching(value: Value) -> Lib | None:
    if isinstance(value, Lib):
        return value if value.kind in REACHES_DATABASE else None
    if isinstance(value, Instance):
        return next((found for attr in value.attrs.values() if (found := _plain_reaching(attr))), None)
    return None


def _plain_reaching(value: Value) -> Lib | None:
    return value if isinstance(value, Lib) and value.kind in REACHES_DATABASE else None


def sql_text(_machine: Machine, call: Call) -> Lib:
    """Return a piece of SQL made of the first argument."""
    first = call.argument(0, "text", "statement", "string")
    if isinstance(first, Seq):
        return strings.sql("".join(strings.spelled(item) for item in first.items))
    return strings.sql(strings.spelled(first) if first is not None else HOLE)


def sql_identifier(_machine: Machine, call: Call) -> Lib:
    """Return an identifier, quoted."""
    parts = [strings.spelled(argument) for argument in call.args]
    return strings.sql(".".join(HOLE if HOLE in part else f'"{part}"' for part in parts))


def write_or_clean(machine: Machine, receiver: Lib, call: Call, link: Link) -> None:
    """Record a query that writes; a deletion without a condition empties its tables."""
    name = getattr(getattr(call.node, "func", None), "attr", "")
    if (
        name in {"delete", "adelete", "truncate_table"}
        and receiver.tables
        and "narrowed" not in receiver.attrs
    ):
        machine.act(Kind.CLEAN, link, call.node, receiver.tables, "DELETE of every row")
    else:
        machine.act(Kind.WRITE, link, call.node, receiver.tables or ANY_TABLE, "a query that writes")


def narrow(receiver: Lib) -> Lib:
    """Return a query with a condition."""
    return Lib(
        receiver.kind, receiver.link, {**receiver.attrs, "narrowed": Const(True)}, receiver.tables
    )


def enter_stack(machine: Machine, call: Call) -> Value:
    """Enter a context manager until the current function ends."""
    return contexts.enter_until_return(machine, call.args[0], call.node) if call.args else UNKNOWN
