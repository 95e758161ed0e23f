"""Functions of libraries, and what is called without anything being known of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import (
    alchemy,
    doubles,
    drivers,
    events,
    files,
    orms,
    stdlib,
    verbs,
    web,
)
from dbsafe_runner.analysis.catalogue.packages import INSTANCES, KNOWN_PACKAGES
from dbsafe_runner.analysis.catalogue.tables import Entry, externals
from dbsafe_runner.analysis.sql import looks_like_sql, sql_facts
from dbsafe_runner.analysis.state_methods import CHANGING
from dbsafe_runner.analysis.values import (
    HOLE,
    UNKNOWN,
    Bound,
    Const,
    Function,
    Lib,
    Link,
    Partial,
    Seq,
    Value,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine


_MAKERS: dict[str, verbs.Maker] = {
    **drivers.EXTERNALS,
    **alchemy.EXTERNALS,
    **orms.EXTERNALS,
    **events.EXTERNALS,
}
#: Packages whose other functions at most read the catalog through a connection that they are given.
_DRIVERS = ("psycopg", "asyncpg", "sqlalchemy", "pandas", "pg8000")
#: Names that register a function rather than call it.
_REGISTERS = {
    "connect",
    "listen",
    "listens_for",
    "register",
    "setattr",
    "add_task",
    "on_event",
    "add_listener",
}


def _key(dotted: str) -> tuple[str, str]:
    parts = dotted.split(".")
    return f"{parts[0]}.{parts[-1]}", ".".join(parts[-2:])


def knows(dotted: str) -> bool:
    """Return whether a package is in the catalogue, so that no project module hides behind its name."""
    return dotted.partition(".")[0] in KNOWN_PACKAGES


#: External names that are objects rather than functions or classes.
_CONSTANTS: dict[str, Value] = {
    "django.db.connection": Lib("DjangoConnection", orms.DJANGO),
    "django.db.connections": Lib("DjangoConnections", orms.DJANGO),
    "django.db.transaction": Lib("DjangoTransaction", orms.DJANGO),
    "sqlmodel.SQLModel.metadata": Lib("MetaData"),
    "typing.TYPE_CHECKING": Const(True),
    "typing_extensions.TYPE_CHECKING": Const(True),
    "os.environ": Lib("environ"),
    **{
        name: Lib("process list", None, {"name": Const(name)})
        for name in ("sys.modules", "sys.path", "sys.meta_path", "sys.path_hooks", "sys.argv")
    },
}
_DJANGO_MODELS = frozenset({"User", "Group", "Permission", "ContentType", "Session", "Site", "LogEntry"})


def constant(dotted: str) -> Value | None:
    """Return what an external name is when it is an object rather than a function or class."""
    known = _CONSTANTS.get(dotted)
    if known is not None:
        return known
    last = dotted.rpartition(".")[2]
    if last.startswith("HTTP_"):
        return web.status_named(last)
    if dotted.startswith("django.contrib.") and last in _DJANGO_MODELS:
        return Lib("DjangoModel", orms.DJANGO, {}, frozenset({f"{dotted.split('.')[2]}_{last.lower()}"}))
    return None


def instance(dotted: str) -> Value | None:
    """Return an object of an external type that came from somewhere; None for an unknown type."""
    kind = INSTANCES.get(_key(dotted)[0])
    if kind is None:
        return None
    if kind == "path":
        return strings.path(HOLE)
    if kind in {"HttpClient", "DjangoClient"}:
        return Lib(kind)
    return Lib(kind, Link(f"a {kind} from elsewhere", autocommit=True))


@functools.lru_cache(maxsize=4096)
def _entry(dotted: str) -> Entry | None:
    """Return the catalogue's entry for a function, by parts of its name."""
    short, tail = _key(dotted)
    entry = externals().get(short) or externals().get(tail)
    if entry is None and tail.endswith(".call_command"):
        return Entry("call_command", "")
    if entry is None and tail.endswith(".get_user_model"):
        return Entry("user_model", "")
    return entry


def call_external(machine: Machine, dotted: str, call: Call) -> Value:
    """Follow a call of a function or class outside the project."""
    entry = _entry(dotted)
    if entry is not None and entry.verb in _MAKERS:
        return _MAKERS[entry.verb](machine, call, entry)
    if entry is not None:
        return Lib(entry.gives) if entry.verb == "plain" else UNKNOWN
    made = web.construct(machine, dotted, call)
    if made is None:
        made = stdlib.call_builtin(machine, dotted, call)
    if made is None:
        made = _function_of_the_server(dotted)
    if made is not None:
        return made
    return _call_other(machine, dotted, call)


def _function_of_the_server(dotted: str) -> Value | None:
    """Return SQLAlchemy's call of a function, `func.name(…)`, where it does more than to read."""
    package, _, name = dotted.rpartition(".func.")
    text = f"SELECT {name}()"
    if package.startswith(("sqlalchemy", "sqlmodel")) and any(
        one.kind != "read" for one in sql_facts(text)
    ):
        return Lib("sql", None, {"text": Const(text), "called": Const(True)})
    return None


def _call_other(machine: Machine, dotted: str, call: Call) -> Value:
    last = dotted.rpartition(".")[2]
    if doubles.is_double(dotted):
        return doubles.double(call)
    if ".patch" in dotted or dotted == "patch":
        return doubles.patch(machine, dotted, call)
    if dotted.startswith("django.") and last in {"Client", "AsyncClient"}:
        return Lib("DjangoClient")
    if dotted.startswith("django.") and last in {"Manager", "from_queryset", "PostgresManager"}:
        return Lib("Manager")
    if dotted == "pytest.param":
        return Lib("param", None, {"values": Seq(call.args)})
    if "." in dotted and not knows(dotted):
        verbs.may_write(machine, call.all_values(), f"{dotted}() is given a connection", call.node)
    elif dotted.startswith(_DRIVERS):
        reads_through(machine, call)
        return Lib("driver")
    if last not in _REGISTERS:
        call_callbacks(machine, call)
    kind = INSTANCES.get(_key(dotted)[0])
    if kind == "HttpClient":
        return Lib(kind)
    return UNKNOWN


def reads_through(machine: Machine, call: Call) -> None:
    """Record that a library reads through the connections that it is given."""
    for value in call.all_values():
        if isinstance(value, Lib) and value.kind in {"Connection", "SaConnection", "Session", "Cursor"}:
            machine.act(Kind.READ, verbs.link_of(machine, value, call.node), call.node)


def call_driver(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    """Follow a method of a driver's helper object, which only reads the catalog through a connection.

    A relation of a row is one with a connection; what is added to it or removed is written.
    """
    if call.args and (text := text_of(call.args[0])) is not None and looks_like_sql(text):
        return call_on_unknown(machine, lib, name, call)
    if lib.link is not None and name in CHANGING:
        machine.act(Kind.WRITE, lib.link, call.node, lib.tables or verbs.ANY_TABLE, "a changed row")
    reads_through(machine, call)
    return lib


def call_callbacks(machine: Machine, call: Call) -> None:
    """Follow functions that are given to something unknown: it may call them."""
    for value in call.all_values():
        if isinstance(value, Function | Bound | Partial):
            machine.call(value, type(call)(machine, [], {}, call.node, call.env))


def call_unknown(machine: Machine, call: Call) -> Value:
    """Follow a call of something of which nothing is known."""
    verbs.may_write(machine, call.all_values(), "something unknown is given a connection", call.node)
    call_callbacks(machine, call)
    return UNKNOWN


def call_on_function(machine: Machine, function: Value, name: str, call: Call) -> Value:
    """Follow a method of a function: what decorators of task queues and caches put there."""
    if name in {
        "delay",
        "apply_async",
        "apply",
        "defer",
        "defer_async",
        "__wrapped__",
        "original",
        "run",
        "s",
    }:
        return machine.call(function, call)
    return UNKNOWN


def call_on_unknown(machine: Machine, receiver: Value, name: str, call: Call) -> Value:
    """Follow a method of something unknown, watching for SQL and connections that it is given."""
    first = call.args[0] if call.args else None
    text = text_of(first)
    if isinstance(first, Lib) and first.kind == "sql":
        text = text_of(first.attrs.get("text"))
    statement = isinstance(first, Lib) and first.kind == "Statement"
    if statement or (
        text is not None and name not in {"format", "match", "search"} and looks_like_sql(text)
    ):
        link = Link("a connection from elsewhere", autocommit=True)
        verbs.run_value(machine, link, first, call.node)
        return Lib("Result", link)
    if name == "bind" and (port := stdlib.port_in(call.args)):
        machine.act(Kind.ALONE, None, call.node, what=f"listens on the fixed port {port}")
        return UNKNOWN
    if name in {"submit", "run_in_executor", "run_until_complete", "create_task", "start_soon"}:
        return stdlib.call_builtin(machine, "asyncio.to_thread", call) or UNKNOWN
    if name == "isolated_filesystem":
        return files.changes_directory(machine, call)
    files.write_unknown(machine, name, call)
    del receiver
    if name in {"save", "delete", "asave", "adelete", "bulk_create", "get_or_create"}:
        machine.act(Kind.WRITE, orms.DJANGO, call.node, verbs.ANY_TABLE, orms.PERHAPS)
    verbs.may_write(
        machine, call.all_values(), f".{name}() of something unknown is given a connection", call.node
    )
    call_callbacks(machine, call)
    return UNKNOWN


def annotated(parts: list[Value]) -> Value:
    """Return what `Annotated[type, …]` stands for."""
    return web.annotated(parts)


def expect_status(machine: Machine, one: Value, other: Value) -> None:
    """Follow an assertion that two values are equal: one of them may be the status of a response."""
    web.expect_status(machine, one, other)
