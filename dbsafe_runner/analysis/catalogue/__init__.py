"""The catalogue: what is known of libraries outside the project, by the names that programs use.

The machine asks here whenever it meets something that is not of the project. What a library's methods
do is data (`tables`), how each effect is recorded is in one file per family.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes, strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import alchemy, doubles, drivers, orms, stdlib, verbs, web
from dbsafe_runner.analysis.catalogue.tables import (
    INSTANCES,
    KNOWN_PACKAGES,
    REACHES_DATABASE,
    Entry,
    externals,
    methods,
)
from dbsafe_runner.analysis.values import (
    HOLE,
    MOCK,
    UNKNOWN,
    Bound,
    Class,
    Const,
    External,
    Function,
    Instance,
    Lib,
    Link,
    Method,
    Mock,
    Partial,
    Seq,
    Value,
    text_of,
    truth_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

_VERBS = {
    name: function
    for module in (verbs, alchemy, orms)
    for name, function in vars(module).items()
    if callable(function) and not name.startswith("_") and name[0].islower()
}
_MAKERS = {**drivers.EXTERNALS, **alchemy.EXTERNALS, **orms.EXTERNALS}
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


def constant(machine: Machine, dotted: str) -> Value | None:
    """Return what an external name is when it is an object rather than a function or class."""
    if dotted.startswith("django."):
        if dotted == "django.db.connection":
            return Lib("DjangoConnection", orms.DJANGO)
        if dotted == "django.db.transaction":
            return Lib("DjangoTransaction", orms.DJANGO)
        if dotted == "django.db.connections":
            return Lib("DjangoConnections", orms.DJANGO)
        if dotted.startswith("django.contrib.") and dotted.rpartition(".")[2] in {
            "User", "Group", "Permission", "ContentType", "Session", "Site", "LogEntry",
        }:  # fmt: skip
            parts = dotted.split(".")
            return Lib("DjangoModel", orms.DJANGO, {}, frozenset({f"{parts[2]}_{parts[-1].lower()}"}))
    if dotted == "sqlmodel.SQLModel.metadata":
        return Lib("MetaData")
    if dotted in {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}:
        return Const(True)
    if dotted.rpartition(".")[2].startswith("HTTP_"):
        return web.status_named(dotted.rpartition(".")[2])
    if dotted == "os.environ":
        return Lib("environ")
    del machine
    return None


def instance(machine: Machine, dotted: str, node: ast.AST) -> Value | None:
    """Return an object of an external type that came from somewhere unknown; None for an unknown type."""
    kind = INSTANCES.get(_key(dotted)[0])
    if kind is None:
        return None
    if kind == "path":
        return strings.path(HOLE)
    if kind in {"HttpClient", "DjangoClient"}:
        return Lib(kind)
    del machine, node
    return Lib(kind, Link(f"a {kind} from elsewhere", autocommit=True))


def attribute(machine: Machine, lib: Lib, wanted: str) -> Value | None:
    """Return an attribute of a library object that is not a method."""
    kind = lib.kind
    if kind in {"inert", "environ"}:
        return lib if kind == "inert" else None
    if kind == "super":
        return _of_super(machine, lib, wanted)
    if kind == "path":
        return stdlib.path_attribute(lib, wanted)
    if kind == "App" and wanted == "dependency_overrides":
        return Lib("overrides", None, {"app": lib})
    if kind == "declarative base" or wanted == "metadata":
        return Lib("MetaData")
    if kind == "DjangoModel":
        return (
            Lib("QuerySet", lib.link, {}, lib.tables)
            if wanted.endswith(("objects", "manager"))
            else None
        )
    if kind in {"Session", "SaConnection"} and wanted in {"session", "sync_session", "sync_connection"}:
        return lib
    if kind == "Session" and wanted == "bind":
        return Lib("SaConnection", lib.link)
    if kind == "response" and wanted in {"status_code", "status"}:
        return Lib("status", None, {"response": lib})
    if kind == "Engine" and wanted == "sync_engine":
        return lib
    if kind == "Result" and wanted not in methods("Result"):
        return UNKNOWN
    if kind == "mocker" and wanted == "patch":
        return Lib("mocker patch")
    if kind == "Cursor" and wanted == "connection":
        return Lib("Connection", lib.link)
    if kind in {"transport", "HttpClient"} and wanted == "app":
        return lib.attrs.get("app", UNKNOWN)
    if kind in {"Statement", "Table", "DjangoAttr"} and wanted in {"c", "columns"}:
        return UNKNOWN
    return None


def _of_super(machine: Machine, lib: Lib, wanted: str) -> Value:
    owner, receiver = lib.attrs["owner"], lib.attrs["receiver"]
    assert isinstance(owner, Class)
    cls = receiver.cls if isinstance(receiver, Instance) else receiver
    assert isinstance(cls, Class)
    found = classes.member(machine, cls, wanted, after=owner)
    if isinstance(found, Function):
        return Bound(found, receiver)
    return found if found is not None else Method(receiver, wanted)


def set_attribute(machine: Machine, lib: Lib, wanted: str, value: Value, node: ast.AST) -> None:
    """Follow an assignment to an attribute of a library object."""
    if wanted == "autocommit" and lib.link is not None:
        lib.link.autocommit = truth_of(value) is not False
    elif lib.kind in {"Result", "DjangoAttr"} and lib.link is not None:
        machine.act(Kind.WRITE, lib.link, node, lib.tables or verbs.ANY_TABLE, "a changed row")
    elif lib.kind == "App" and wanted == "dependency_overrides":
        web.override_all(machine, value)
    elif lib.kind not in {"sql", "path"}:
        lib.attrs[wanted] = value


def annotated(parts: list[Value]) -> Value:
    """Return what `Annotated[type, …]` stands for."""
    return web.annotated(parts)


def set_item(machine: Machine, lib: Lib, key: Value, value: Value) -> None:
    """Follow an assignment to an item of a library object."""
    if lib.kind == "overrides":
        web.override(machine, key, value)


def element(machine: Machine, lib: Lib) -> Value:
    """Return what iterating over a library object yields."""
    if lib.kind in {"QuerySet", "Query"}:
        machine.act(Kind.READ, lib.link, None, lib.tables)
    if lib.kind == "Result":
        return alchemy.row_of(lib)
    if lib.kind == "QuerySet" and isinstance(lib.attrs.get("cls"), Class):
        model = lib.attrs["cls"]
        return Instance(model) if isinstance(model, Class) else UNKNOWN
    return lib if lib.kind in {"inert", "QuerySet", "Query", "Cursor"} else UNKNOWN


def subscript(machine: Machine, lib: Lib, key: Value, node: ast.AST) -> Value:
    """Return an item of a library object."""
    del node
    if lib.kind == "annotated":
        return lib
    if lib.kind == "DjangoConnections":
        return Lib("DjangoConnection", orms.DJANGO)
    if lib.kind in {"Result", "QuerySet"}:
        return element(machine, lib)
    if lib.kind == "environ":
        return Const(HOLE) if text_of(key) is not None else UNKNOWN
    return lib if lib.kind in {"inert", "Statement"} else UNKNOWN


def awaited(machine: Machine, lib: Lib, node: ast.AST) -> Value:
    """Return what awaiting a library object gives; awaiting a query set runs it."""
    if lib.kind in {"QuerySet", "PendingQuery"} and lib.link is not None:
        kind = Kind.READ if lib.kind == "QuerySet" else Kind.WRITE
        machine.act(kind, lib.link, node, lib.tables)
    if lib.kind == "Block":
        return enter(machine, lib, node)
    return lib


def decorate(machine: Machine, decorator: Lib, value: Value, node: ast.AST) -> Value | None:
    """Return what a decorator of a library makes of a function."""
    if decorator.kind == "route decorator":
        machine.changed()
        return web.decorate(decorator, value)
    if decorator.kind in {"Block", "patch"} and isinstance(value, Function):
        return Lib("wrapped", decorator.link, {"around": decorator, "function": value})
    del node
    return None


def class_defined(machine: Machine, cls: Class) -> None:
    """Note a class that a framework would register."""
    del machine, cls


def class_member(machine: Machine, cls: Class, member: Value) -> Value:
    """Return what stands in a class body, as the class gives it out: managers know their model."""
    if isinstance(member, Lib) and member.kind == "Manager":
        return orms.manager(machine, cls, "django")
    if isinstance(member, Instance) and orms.is_manager(classes.ancestors(machine, member.cls)):
        member.attrs.setdefault("model", cls)
    return member


def class_attribute(
    machine: Machine, cls: Class, names: list[str], wanted: str, node: ast.AST
) -> Value | None:
    """Return an attribute that a library's base class gives to a project class."""
    if wanted == "metadata" and alchemy.is_model(names):
        return Lib("MetaData")
    if wanted == "__table__" and alchemy.is_model(names):
        return Lib("Table", None, {}, classes.tables_of(machine, cls))
    del node
    kind = orms.family(names)
    return orms.class_attribute(machine, cls, kind, wanted) if kind else None


def instance_attribute(machine: Machine, item: Instance, names: list[str], wanted: str) -> Value | None:
    """Return an attribute that a library's base class gives to objects of a project class."""
    if wanted in {"client", "async_client"} and any(name.startswith("django.") for name in names):
        return Lib("DjangoClient")
    if wanted == "request":
        return UNKNOWN
    del machine
    if orms.family(names) == "django" and wanted not in {
        "save",
        "delete",
        "refresh_from_db",
        "asave",
        "adelete",
    }:
        return Lib("DjangoAttr", orms.DJANGO) if not wanted.startswith("_") else None
    del item
    return None


def construct(machine: Machine, cls: Class, names: list[str], call: Call) -> Value | None:
    """Return an object of a project class whose base class decides what it is; None otherwise."""
    for name in names:
        made = instance(machine, name, call.node)
        if made is not None and isinstance(made, Lib) and made.kind in REACHES_DATABASE:
            return call_external(machine, name, call)
    if any(name.startswith("factory") for name in names):
        return orms.factory_call(machine, cls, "create", call)
    return None


def schema_of(machine: Machine, cls: Class) -> str:
    """Return the schema of an ORM class, or ""."""
    return alchemy.schema_of(machine, cls)


def default_table(machine: Machine, cls: Class, names: list[str]) -> str:
    """Return the table of an ORM class that does not name one."""
    kind = orms.family(names)
    return orms.default_table(machine, cls, kind) if kind else alchemy.default_table(machine, cls, names)


def call_external(machine: Machine, dotted: str, call: Call) -> Value:
    """Follow a call of a function or class outside the project."""
    short, tail = _key(dotted)
    entry = externals().get(short) or externals().get(tail)
    if entry is None and tail.rpartition(".")[2] == "call_command":
        entry = Entry("call_command", "")
    if entry is None and tail.rpartition(".")[2] == "get_user_model":
        entry = Entry("user_model", "")
    if entry is not None and entry.verb in _MAKERS:
        return _MAKERS[entry.verb](machine, call, entry)
    if entry is not None:
        return Lib(entry.gives) if entry.verb == "plain" else UNKNOWN
    made = web.construct(machine, dotted, call)
    if made is None:
        made = stdlib.call_builtin(machine, dotted, call)
    if made is not None:
        return made
    return _call_other(machine, dotted, call)


def _call_other(machine: Machine, dotted: str, call: Call) -> Value:
    last = dotted.rpartition(".")[2]
    if doubles.is_double(dotted):
        return MOCK
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
        _reads_through(machine, call)
        return Lib("driver")
    if last not in _REGISTERS:
        _call_callbacks(machine, call)
    kind = INSTANCES.get(_key(dotted)[0])
    if kind == "HttpClient":
        return Lib(kind)
    return UNKNOWN


def _reads_through(machine: Machine, call: Call) -> None:
    for value in call.all_values():
        if isinstance(value, Lib) and value.kind in {"Connection", "SaConnection", "Session", "Cursor"}:
            machine.act(Kind.READ, verbs.link_of(machine, value, call.node), call.node)


def _call_callbacks(machine: Machine, call: Call) -> None:
    """Follow functions that are given to something unknown: it may call them."""
    for value in call.all_values():
        if isinstance(value, Function | Bound | Partial):
            machine.call(value, type(call)(machine, [], {}, call.node, call.env))


def call_object(machine: Machine, lib: Lib, call: Call) -> Value:
    """Follow a call of a library object."""
    kind = lib.kind
    if kind == "SessionFactory":
        return alchemy.made_by_factory(machine, lib, call)
    if kind in {"Session", "inert", "annotated", "context"}:
        return lib
    if kind == "mocker patch":
        return doubles.patch_now(machine, "patch", call)
    if kind == "wrapped":
        return _call_wrapped(machine, lib, call)
    if kind in {"Block", "patch", "route decorator"} and call.args:
        return decorate(machine, lib, call.args[0], call.node) or UNKNOWN
    if kind == "declarative base":
        return UNKNOWN
    return call_unknown(machine, call)


def _call_wrapped(machine: Machine, lib: Lib, call: Call) -> Value:
    around, function = lib.attrs["around"], lib.attrs["function"]
    assert isinstance(around, Lib)
    enter(machine, around, call.node)
    result = machine.call(function, call)
    leave(machine, around, call.node)
    return result


def call_unknown(machine: Machine, call: Call) -> Value:
    """Follow a call of something of which nothing is known."""
    verbs.may_write(machine, call.all_values(), "something unknown is given a connection", call.node)
    _call_callbacks(machine, call)
    return UNKNOWN


def call_method(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    """Follow a call of a method of a library object."""
    special = _SPECIAL.get(lib.kind)
    if special is not None:
        return special(machine, lib, name, call)
    if lib.kind == "Statement":
        return alchemy.statement_method(lib, name)
    if lib.kind == "SessionFactory" and name not in methods(lib.kind):
        return call_method(machine, _from_factory(machine, lib, call), name, call)
    if lib.kind in {"Query", "QuerySet"} and name in {"filter", "filter_by", "where", "exclude"}:
        lib = verbs.narrow(lib)
    entry = methods(lib.kind).get(name)
    if entry is not None:
        verb: verbs.Verb = _VERBS[entry.verb]
        return verb(machine, lib, call, entry)
    if lib.kind in {"Query", "QuerySet", "Result"}:
        return lib
    if lib.kind in REACHES_DATABASE:
        verbs.may_write(machine, call.all_values(), f".{name}() is given a connection", call.node)
    _call_callbacks(machine, call)
    return UNKNOWN


def _from_factory(machine: Machine, lib: Lib, call: Call) -> Lib:
    made = alchemy.made_by_factory(machine, lib, type(call)(machine, [], {}, call.node, call.env))
    return made if isinstance(made, Lib) else Lib("inert")


def call_inherited(machine: Machine, receiver: Instance | Class, name: str, call: Call) -> Value:
    """Follow a call of a method that a project class has from a base class outside the project."""
    cls = receiver if isinstance(receiver, Class) else receiver.cls
    names = classes.ancestors(machine, cls)
    if isinstance(receiver, Class) and any(one.startswith("factory") for one in names):
        made = orms.factory_call(machine, receiver, name, call)
        return made if made is not None else UNKNOWN
    if isinstance(receiver, Instance) and orms.is_manager(names):
        model = receiver.attrs.get("model")
        tables = classes.tables_of(machine, model) if isinstance(model, Class) else verbs.ANY_TABLE
        attrs = {"cls": model} if isinstance(model, Class) else {}
        return call_method(machine, Lib("QuerySet", orms.DJANGO, dict(attrs), tables), name, call)
    kind = orms.family(names)
    if kind:
        return orms.call_on_model(machine, receiver, kind, name, call)
    if isinstance(receiver, Class) and name in {
        "model_validate",
        "parse_obj",
        "from_orm",
        "construct",
        "model_copy",
    }:
        return Instance(cls)
    if name in {"model_copy", "copy"} and isinstance(receiver, Instance):
        return receiver
    if name in {"assertRaises", "subTest", "assertNumQueries"}:
        return Lib("context")
    if not name.startswith("assert"):
        verbs.may_write(machine, call.all_values(), f".{name}() is given a connection", call.node)
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
    """Follow a method of something unknown: SQL that it is given is recognised, connections are not lost."""
    first = call.args[0] if call.args else None
    text = text_of(first)
    if isinstance(first, Lib) and first.kind == "sql":
        text = text_of(first.attrs.get("text"))
    statement = isinstance(first, Lib) and first.kind == "Statement"
    if statement or (
        text is not None and name not in {"format", "match", "search"} and verbs.looks_like_sql(text)
    ):
        link = Link("a connection from elsewhere", autocommit=True)
        verbs.run_value(machine, link, first, call.node)
        return Lib("Result", link)
    if name == "bind" and (port := stdlib.port_in(call.args)):
        machine.act(Kind.ALONE, None, call.node, what=f"listens on the fixed port {port}")
        return UNKNOWN
    if name in {"submit", "run_in_executor", "run_until_complete", "create_task", "start_soon"}:
        return stdlib.call_builtin(machine, "asyncio.to_thread", call) or UNKNOWN
    del receiver
    if name in {"save", "delete", "asave", "adelete", "bulk_create", "get_or_create"}:
        machine.act(Kind.WRITE, orms.DJANGO, call.node, verbs.ANY_TABLE, orms.PERHAPS)
    verbs.may_write(
        machine, call.all_values(), f".{name}() of something unknown is given a connection", call.node
    )
    _call_callbacks(machine, call)
    return UNKNOWN


def enter(machine: Machine, lib: Lib, node: ast.AST) -> Value:
    """Follow entering a library object, and return what it gives."""
    kind = lib.kind
    if kind == "Block":
        machine.act(Kind.BEGIN, verbs.link_of(machine, lib, node), node)
        return Lib("Connection", lib.link) if lib.link is orms.OTHER else lib
    if kind == "EngineBegin":
        machine.act(Kind.CONNECT, lib.link, node)
        return Lib("SaConnection", lib.link)
    if kind == "SessionBegin":
        return Lib("Session", lib.link)
    if kind == "Pool":
        return lib
    if kind == "patch":
        return doubles.enter_patch(machine, lib)
    if kind == "HttpClient":
        return web.enter_client(machine, lib, node)
    return lib


def leave(machine: Machine, lib: Lib, node: ast.AST) -> None:
    """Follow leaving a library object without an exception."""
    kind, link = lib.kind, lib.link
    if kind in {"Block", "Transaction"} and link is not None:
        machine.act(Kind.END, link, node, flag=truth_of(lib.attrs.get("force")) is True)
    elif kind in {"EngineBegin", "SessionBegin"} and link is not None:
        machine.act(Kind.COMMIT, link, node)
        machine.act(Kind.CLOSE, link, node)
    elif kind == "Connection" and link is not None:
        if link.commits_on_exit:
            machine.act(Kind.COMMIT, link, node)
        if truth_of(lib.attrs.get("closes on exit")) is True:
            machine.act(Kind.CLOSE, link, node)
    elif kind in {"Session", "SaConnection"} and link is not None:
        machine.act(Kind.CLOSE, link, node)
    elif kind == "patch":
        doubles.leave_patch(machine, lib)


def expect_status(machine: Machine, one: Value, other: Value) -> None:
    """Follow an assertion that two values are equal: one of them may be the status of a response."""
    web.expect_status(machine, one, other)


def enter_unknown(machine: Machine, value: Value, node: ast.AST) -> Value:
    """Follow entering something unknown."""
    del machine, node
    return MOCK if isinstance(value, Mock) else UNKNOWN


def _special_path(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    return stdlib.path_method(machine, lib, name, call)


def _special_inert(_machine: Machine, lib: Lib, _name: str, _call: Call) -> Value:
    return lib


def _special_sql(_machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    return drivers.method_of_sql(lib, name, call)


def _special_django_client(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    return orms.client_call(machine, name, call)


def _special_monkeypatch(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    return doubles.patch_now(machine, name, call) if name == "setattr" else UNKNOWN


def _special_mocker(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    return doubles.patch_now(machine, name, call) if name == "spy" else MOCK


def _special_mocker_patch(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    del lib
    return doubles.patch_now(machine, f"patch.{name}", call)


def _special_request(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    return doubles.call_request(machine, name, call)


def _special_exit_stack(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    if name in {"enter_context", "enter_async_context"}:
        return verbs.enter_stack(machine, call)
    if name in {"callback", "push", "push_async_callback"} and call.args:
        given = type(call)(machine, call.args[1:], call.kwargs, call.node, call.env)
        machine.frames[-1].deferred.extend(machine.capture(lambda: machine.call(call.args[0], given)))
    return UNKNOWN


def _special_super(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    return machine.call(_of_super(machine, lib, name), call)


def _special_model(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    if name in {"save", "delete"}:
        machine.act(Kind.WRITE, lib.link, call.node, lib.tables, "a row")
    return UNKNOWN


def _special_driver(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    """Follow a method of a driver's helper object, which only reads the catalog through a connection."""
    if call.args and (text := text_of(call.args[0])) is not None and verbs.looks_like_sql(text):
        return call_on_unknown(machine, lib, name, call)
    _reads_through(machine, call)
    return lib


def _special_environ(_machine: Machine, _lib: Lib, _name: str, _call: Call) -> Value:
    return Const(HOLE)


def _special_seq_result(_machine: Machine, _lib: Lib, _name: str, _call: Call) -> Value:
    return Seq([])


_SPECIAL = {
    "path": _special_path,
    "file": lambda machine, lib, name, _call: stdlib.file_method(machine, lib, name),
    "inert": _special_inert,
    "sql": _special_sql,
    "App": web.call_app,
    "HttpClient": web.request,
    "DjangoClient": _special_django_client,
    "DjangoModel": _special_model,
    "PendingQuery": orms.pending_query,
    "monkeypatch": _special_monkeypatch,
    "mocker": _special_mocker,
    "mocker patch": _special_mocker_patch,
    "request": _special_request,
    "exit stack": _special_exit_stack,
    "super": _special_super,
    "driver": _special_driver,
    "environ": _special_environ,
    "context": _special_environ,
    "overrides": _special_seq_result,
}

__all__ = ["External"]
