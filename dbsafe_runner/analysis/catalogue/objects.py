"""Objects of libraries: their attributes and methods, entering and leaving them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes, contexts, lookup, process_state, strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import (
    alchemy,
    doubles,
    drivers,
    files,
    functions,
    orms,
    verbs,
    web,
)
from dbsafe_runner.analysis.catalogue.packages import REACHES_DATABASE
from dbsafe_runner.analysis.catalogue.tables import methods
from dbsafe_runner.analysis.state_methods import CHANGING
from dbsafe_runner.analysis.values import (
    HOLE,
    MOCK,
    TEMPORARY,
    UNKNOWN,
    Bound,
    Class,
    Const,
    Function,
    Instance,
    Lib,
    Method,
    Mock,
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
    # What a module imports is no verb of its own, even if a table's word should have the same name.
    if getattr(function, "__module__", "") == module.__name__ and not name.startswith("_")
}


#: Attributes that stand for something on the same connection: (kind, attribute) -> kind, "" for itself.
_SAME_CONNECTION = {
    ("Session", "session"): "",
    ("Session", "sync_session"): "",
    ("Session", "bind"): "SaConnection",
    ("SaConnection", "sync_connection"): "",
    ("Engine", "sync_engine"): "",
    ("Cursor", "connection"): "Connection",
}
#: Attributes that are objects of their own.
_PARTS = {
    ("mocker", "patch"): "mocker patch",
    ("response", "status_code"): "status",
    ("response", "status"): "status",
    ("App", "dependency_overrides"): "overrides",
}


#: Attributes of a place for temporary files, such as `tempfile.TemporaryDirectory`, and of `pytester`.
_PLACES = {"name", "path", "tmpdir"}


def attribute(machine: Machine, lib: Lib, wanted: str) -> Value | None:
    """Return an attribute of a library object that is not a method."""
    kind = lib.kind
    if kind == "super":
        return _of_super(machine, lib, wanted)
    if kind == "path":
        return files.path_attribute(lib, wanted)
    same = _SAME_CONNECTION.get((kind, wanted))
    if same is not None:
        return Lib(same, lib.link) if same else lib
    if kind == "temporary":
        return strings.path(TEMPORARY) if wanted in _PLACES else None
    if kind == "double":
        return MOCK
    if (kind, wanted) in _PARTS:
        return Lib(_PARTS[kind, wanted], None, {"of": lib})
    return _library_attribute(lib, wanted)


def _library_attribute(lib: Lib, wanted: str) -> Value | None:
    kind = lib.kind
    if kind == "inert":
        return lib
    if kind == "declarative base" or wanted == "metadata":
        return Lib("MetaData")
    if kind == "DjangoModel" and wanted.endswith(("objects", "manager")):
        return Lib("QuerySet", lib.link, {}, lib.tables)
    if kind in {"transport", "HttpClient"} and wanted == "app":
        return lib.attrs.get("app", UNKNOWN)
    columns = kind in {"Statement", "Table", "DjangoAttr"} and wanted in {"c", "columns"}
    values = kind == "Result" and wanted not in methods("Result")
    if values and "cls" in lib.attrs:
        return Lib("driver", lib.link, {}, lib.tables)
    return UNKNOWN if columns or values else None


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
    elif lib.kind in {"Result", "DjangoAttr", "driver"} and lib.link is not None:
        machine.act(Kind.WRITE, lib.link, node, lib.tables or verbs.ANY_TABLE, "a changed row")
    elif lib.kind == "App" and wanted == "dependency_overrides":
        web.override_all(machine, value)
    elif lib.kind not in {"sql", "path"}:
        lib.attrs[wanted] = value


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
    return lib if lib.kind in {"inert", "QuerySet", "Query", "Cursor", "driver"} else UNKNOWN


def subscript(machine: Machine, lib: Lib, key: Value, node: ast.AST) -> Value:
    """Return an item of a library object."""
    del node
    if lib.kind == "annotated":
        return lib
    if lib.kind == "DjangoConnections":
        return Lib("DjangoConnection", orms.DJANGO)
    if lib.kind in {"Result", "QuerySet"}:
        return element(machine, lib)
    if lib.kind == "namespace":
        return _in_namespace(machine, lib, key)
    if lib.kind == "environ":
        return Const(HOLE) if text_of(key) is not None else UNKNOWN
    return lib if lib.kind in {"inert", "Statement", "driver"} else UNKNOWN


def _in_namespace(machine: Machine, lib: Lib, key: Value | None) -> Value:
    """Return what a module calls a name: `globals()["name"]`."""
    name = text_of(key)
    if name is None or HOLE in name:
        return UNKNOWN
    return lookup.attribute(machine, lib.attrs["module"], name, ast.Pass())


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


def call_object(machine: Machine, lib: Lib, call: Call) -> Value:
    """Follow a call of a library object."""
    kind = lib.kind
    if kind in {"Session", "inert", "annotated", "context"}:
        return lib
    if kind in {"Block", "patch", "route decorator"} and call.args:
        return decorate(machine, lib, call.args[0], call.node) or UNKNOWN
    if kind == "SessionFactory":
        return alchemy.made_by_factory(machine, lib, call)
    if kind == "mocker patch":
        return doubles.patch_now(machine, "patch", call)
    if kind == "double":
        return doubles.call_double(machine, lib, call)
    if kind == "wrapped":
        return _call_wrapped(machine, lib, call)
    return UNKNOWN if kind == "declarative base" else functions.call_unknown(machine, call)


def _call_wrapped(machine: Machine, lib: Lib, call: Call) -> Value:
    result: Value = UNKNOWN

    def inside(_value: Value) -> None:
        nonlocal result
        result = machine.call(lib.attrs["function"], call)

    contexts.within(machine, lib.attrs["around"], call.node, inside)
    return result


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
    functions.call_callbacks(machine, call)
    return UNKNOWN


def _from_factory(machine: Machine, lib: Lib, call: Call) -> Lib:
    made = alchemy.made_by_factory(machine, lib, type(call)(machine, [], {}, call.node, call.env))
    return made if isinstance(made, Lib) else Lib("inert")


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
    if kind == "temporary":
        return Const(TEMPORARY)
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


def enter_unknown(machine: Machine, value: Value, node: ast.AST) -> Value:
    """Follow entering something unknown."""
    del machine, node
    return MOCK if isinstance(value, Mock) else UNKNOWN


def _special_path(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    return files.path_method(machine, lib, name, call)


def _special_inert(_machine: Machine, lib: Lib, _name: str, _call: Call) -> Value:
    return lib


def _special_sql(_machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    return drivers.method_of_sql(lib, name, call)


def _special_django_client(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    return orms.client_call(machine, name, call)


def _special_monkeypatch(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    if name == "chdir":
        return files.changes_directory(machine, call)
    return doubles.patch_now(machine, name, call) if name == "setattr" else UNKNOWN


def _special_mocker(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    return doubles.patch_now(machine, name, call) if name == "spy" else doubles.double(call)


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


def _special_environ(machine: Machine, lib: Lib, name: str, call: Call) -> Value:
    if lib.kind != "context" and name in CHANGING:
        key = text_of(call.argument(0)) if name in {"pop", "setdefault"} else None
        process_state.of_process(machine, lib, key, call.node, resets=name == "pop")
    return Const(HOLE)


def _special_seq_result(_machine: Machine, _lib: Lib, _name: str, _call: Call) -> Value:
    return Seq([])


_SPECIAL = {
    "path": _special_path,
    "file": lambda machine, lib, name, _call: files.file_method(machine, lib, name),
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
    "driver": functions.call_driver,
    "namespace": lambda machine, lib, _name, call: _in_namespace(machine, lib, call.argument(0)),
    "blocker": orms.call_blocker,
    "temporary": lambda _machine, _lib, _name, _call: strings.path(TEMPORARY),
    "environ": _special_environ,
    "process list": _special_environ,
    "context": _special_environ,
    "overrides": _special_seq_result,
}
