"""FastAPI, Starlette and Flask: routes of an app, and requests followed to their handlers."""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import contexts, strings
from dbsafe_runner.analysis.actions import Action, Kind
from dbsafe_runner.analysis.catalogue import verbs
from dbsafe_runner.analysis.values import (
    HOLE,
    UNKNOWN,
    Bound,
    Class,
    Const,
    Function,
    Lib,
    Link,
    Map,
    Seq,
    Value,
    number_of,
    options,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

_VERBS = {"get", "post", "put", "patch", "delete", "head", "options"}
_ROUTE_METHODS = {*_VERBS, "route", "api_route", "websocket"}
_READING = {"get", "head", "options"}
#: Requests that a client sends by a name of its own.
_REQUESTS = {*_VERBS, "request", "open", "stream", "websocket_connect"}
_CHANGING = {Kind.WRITE, Kind.CLEAN, Kind.DDL, Kind.LASTING, Kind.CLUSTER}
_APPS = {"FastAPI", "APIRouter", "Flask", "Blueprint", "Starlette", "Router", "Quart", "APIFlask"}
_CLIENTS = {"TestClient", "AsyncClient", "AsyncTestClient", "FlaskClient"}


def construct(machine: Machine, name: str, call: Call) -> Value | None:
    """Return an app, a router, a client or an error; None for anything else."""
    last = name.rpartition(".")[2]
    if last == "HTTPException":
        status = call.argument(0, "status_code")
        return Lib("http error", None, {"status": Const(strings.spelled(status or UNKNOWN))})
    if last == "abort" and name.startswith(("flask", "werkzeug")):
        machine.act(
            Kind.REJECT, None, call.node, what=strings.spelled(call.argument(0, "code") or UNKNOWN)
        )
        return UNKNOWN
    if last in _APPS:
        prefix = call.kwargs.get("prefix") or call.kwargs.get("url_prefix")
        attrs: dict[str, Value] = {"routes": Seq([]), "prefix": prefix or Const("")}
        for key in ("dependencies", "lifespan"):
            if key in call.kwargs:
                attrs[key] = call.kwargs[key]
        return Lib("App", None, attrs)
    if last in _CLIENTS:
        app = call.argument(0, "app")
        transport = call.kwargs.get("transport")
        if app is None and isinstance(transport, Lib):
            app = transport.attrs.get("app")
        return Lib("HttpClient", None, {"app": app} if isinstance(app, Lib) else {})
    if last in {"ASGITransport", "WSGITransport", "LifespanManager"}:
        app = call.argument(0, "app")
        return Lib("transport", None, {"app": app} if app is not None else {})
    if last in {"Depends", "Security"}:
        return Lib("depends", None, {"of": call.argument(0, "dependency") or UNKNOWN})
    return None


def call_app(machine: Machine, app: Lib, name: str, call: Call) -> Value:
    """Follow a method of an app or router: a route, an included router, a client."""
    if name in {"add_api_route", "add_url_rule", "add_route"}:
        handler = call.argument(1 if name != "add_url_rule" else 2, "endpoint", "view_func")
        _add_route(app, call, _methods(call, "get"), handler or UNKNOWN)
    elif name in _ROUTE_METHODS:
        methods = [name] if name in _VERBS else _methods(call, "get")
        attrs: dict[str, Value] = {"app": app, "methods": Seq([Const(one) for one in methods])}
        attrs["path"] = call.argument(0, "path", "rule") or Const(HOLE)
        attrs["dependencies"] = call.kwargs.get("dependencies") or Seq([])
        return Lib("route decorator", None, attrs)
    elif name in {"include_router", "register_blueprint", "mount"}:
        _include(app, name, call)
    elif name == "test_client":
        return Lib("HttpClient", None, {"app": app})
    elif name in {"app_context", "test_request_context", "request_context"}:
        return Lib("context")
    machine.changed()
    return UNKNOWN


def _methods(call: Call, default: str) -> list[str]:
    given = call.kwargs.get("methods")
    if isinstance(given, Seq):
        return [strings.spelled(item).lower() for item in given.items]
    return [default]


def _add_route(app: Lib, call: Call, methods: list[str], handler: Value) -> None:
    path = call.argument(0, "path", "rule") or Const(HOLE)
    _append(app, path, methods, handler, Seq([]))


def _append(app: Lib, path: Value, methods: list[str], handler: Value, dependencies: Value) -> None:
    routes = app.attrs["routes"]
    assert isinstance(routes, Seq)
    attrs: dict[str, Value] = {
        "path": path,
        "methods": Seq([Const(one) for one in methods]),
        "handler": handler,
        "dependencies": dependencies,
    }
    routes.items.append(Lib("route", None, attrs))


def _include(app: Lib, name: str, call: Call) -> None:
    inner = call.argument(1 if name == "mount" else 0, "router", "blueprint", "app")
    prefix = call.argument(0, "path") if name == "mount" else None
    prefix = prefix or call.kwargs.get("prefix") or call.kwargs.get("url_prefix") or Const("")
    routes = app.attrs["routes"]
    if isinstance(inner, Lib) and inner.kind == "App" and isinstance(routes, Seq):
        dependencies = call.kwargs.get("dependencies") or Seq([])
        routes.items.append(
            Lib("include", None, {"app": inner, "prefix": prefix, "dependencies": dependencies})
        )


def decorate(decorator: Lib, value: Value) -> Value:
    """Register the function under a route decorator."""
    app, methods = decorator.attrs["app"], decorator.attrs["methods"]
    if isinstance(app, Lib) and isinstance(methods, Seq):
        names = [strings.spelled(item) for item in methods.items]
        _append(app, decorator.attrs["path"], names, value, decorator.attrs["dependencies"])
    return value


def request(machine: Machine, client: Lib, name: str, call: Call) -> Value:
    """Follow a request to the handler of its route, or assume what its method suggests."""
    if name not in _REQUESTS:
        return UNKNOWN
    position = 1 if name in {"request", "stream"} else 0
    method = strings.spelled(call.args[0]).lower() if position and call.args else name
    path = strings.spelled(call.argument(position, "url", "path") or UNKNOWN)
    app = client.attrs.get("app")
    mark = len(machine.trace)
    found = _matching(app, method, _plain(path), "", []) if isinstance(app, Lib) else []
    if not found:
        _assume(machine, method, call)
        return _response(machine, mark)
    for handler, dependencies in found[:3]:
        machine.in_frame(call.node, functools.partial(_handle, machine, handler, dependencies, call))
    if any(handler is UNKNOWN for handler, _ in found) or path.strip(HOLE) == "":
        _assume(machine, method, call)
    return _response(machine, mark)


def _response(machine: Machine, mark: int) -> Lib:
    """Return the response to a request, which knows what the request did."""
    return Lib("response", done=machine.trace[mark:])


def status_named(name: str) -> Const | None:
    """Return the number in `HTTP_404_NOT_FOUND`."""
    number = name.split("_")[1]
    return Const(int(number)) if number.isdigit() else None


def expect_status(machine: Machine, one: Value, other: Value) -> None:
    """Follow `response.status_code == 404`: what stands behind the last such error was not reached."""
    for status, expected in ((one, other), (other, one)):
        number = number_of(expected)
        if isinstance(status, Lib) and status.kind == "status" and number is not None and number >= 400:
            response = status.attrs["of"]
            if isinstance(response, Lib):
                _truncate(machine, response.done, str(number))


def _truncate(machine: Machine, done: list[Action], status: str) -> None:
    last = max(
        (at for at, one in enumerate(done) if one.kind is Kind.REJECT and one.what == status), default=-1
    )
    if last < 0:
        return
    unreached = {id(one) for one in done[last:] if one.kind in _CHANGING}
    machine.trace[:] = [one for one in machine.trace if id(one) not in unreached]


def _plain(path: str) -> str:
    path = re.sub(r"^https?://[^/]*", "", path)
    return path.partition("?")[0]


def _assume(machine: Machine, method: str, call: Call) -> None:
    link = Link(f"request at {machine.place(call.node)}", autocommit=True)
    if method in _READING:
        machine.act(Kind.READ, link, call.node, what=f"client.{method}()")
        machine.doubt(f"the handler behind client.{method}() is not known", call.node, 0.2)
    else:
        machine.act(Kind.WRITE, link, call.node, verbs.ANY_TABLE, f"client.{method}() may write")
        machine.doubt(f"the handler behind client.{method}() is not known", call.node, 0.2)


Found = list[tuple[Value, list[Value]]]


def _matching(app: Lib, method: str, path: str, prefix: str, dependencies: list[Value]) -> Found:
    """Return the handlers whose route may serve a request, with the dependencies around them."""
    routes = app.attrs.get("routes")
    own = strings.spelled(app.attrs.get("prefix") or Const(""))
    around = [*dependencies, *_items(app.attrs.get("dependencies"))]
    exact: Found = []
    for route in routes.items if isinstance(routes, Seq) else []:
        if not isinstance(route, Lib):
            continue
        inner = [*around, *_items(route.attrs.get("dependencies"))]
        if route.kind == "include":
            extra = strings.spelled(route.attrs["prefix"])
            target = route.attrs["app"]
            if isinstance(target, Lib):
                exact.extend(_matching(target, method, path, prefix + own + extra, inner))
            continue
        full = prefix + own + strings.spelled(route.attrs["path"])
        methods = {strings.spelled(item) for item in _items(route.attrs["methods"])}
        if (method in methods or HOLE in method) and _fits(full, path):
            exact.append((route.attrs["handler"], inner))
    return exact


def _items(value: Value | None) -> list[Value]:
    return value.items if isinstance(value, Seq) else []


def _fits(route: str, path: str) -> bool:
    """Return whether a path may be served by a route; HOLE and parameters match any one segment."""
    wanted, given = route.strip("/").split("/"), path.strip("/").split("/")
    if any(":path}" in part or part.startswith("<path:") for part in wanted):
        return True
    if len(wanted) != len(given):
        return False
    return all(
        HOLE in part or HOLE in other or part[:1] in {"{", "<"} or part == other
        for part, other in zip(wanted, given, strict=True)
    )


def _handle(machine: Machine, handler: Value, dependencies: list[Value], call: Call) -> None:
    resolved: dict[int, Value] = {}
    for dependency in dependencies:
        if isinstance(dependency, Lib) and dependency.kind == "depends":
            _inject(machine, dependency.attrs["of"], resolved, call)
    _call_injected(machine, handler, resolved, call)


def _inject(machine: Machine, dependency: Value, resolved: dict[int, Value], call: Call) -> Value:
    """Return what a dependency gives, following it once in a request."""
    node = getattr(dependency, "node", None)
    replaced = machine.patches.get(("override", str(id(node)))) if node is not None else None
    target = replaced if replaced is not None else dependency
    if id(node) in resolved and node is not None:
        return resolved[id(node)]
    value = _call_injected(machine, target, resolved, call)
    if node is not None:
        resolved[id(node)] = value
    return value


def _call_injected(machine: Machine, function: Value, resolved: dict[int, Value], call: Call) -> Value:
    from dbsafe_runner.analysis.calling import Call as NewCall
    from dbsafe_runner.analysis.values import Suspended

    kwargs: dict[str, Value] = {}
    parameters, env = _parameters(machine, function)
    for parameter, default in parameters:
        wanted = _dependency_of(machine, parameter, default, env)
        if wanted is not None:
            kwargs[parameter.arg] = _inject(machine, wanted, resolved, call)
    if isinstance(function, Class) and not kwargs:
        return UNKNOWN
    value = machine.call(function, NewCall(machine, [], kwargs, call.node, call.env))
    return (
        contexts.enter_until_return(machine, value, call.node) if isinstance(value, Suspended) else value
    )


def _parameters(
    machine: Machine, function: Value
) -> tuple[list[tuple[ast.arg, ast.expr | None]], object]:
    from dbsafe_runner.analysis import classes

    target = function.function if isinstance(function, Bound) else function
    if isinstance(target, Class):
        made = classes.member(machine, target, "__init__")
        target = made if made is not None else target
    if not isinstance(target, Function):
        return [], None
    arguments = target.node.args
    names = [*arguments.posonlyargs, *arguments.args]
    padding: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    found = list(zip(names, [*padding, *arguments.defaults], strict=True))
    found.extend(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    return found, target.outer or target.module.env


def _dependency_of(
    machine: Machine, parameter: ast.arg, default: ast.expr | None, env: object
) -> Value | None:
    from dbsafe_runner.analysis.values import Env

    assert isinstance(env, Env)
    if isinstance(default, ast.Call):
        value = machine.evaluate(default, env)
        if isinstance(value, Lib) and value.kind == "depends":
            of = value.attrs["of"]
            return of if of is not UNKNOWN else None
    if isinstance(parameter.annotation, ast.Name | ast.Subscript | ast.Attribute):
        for option in options(machine.evaluate(parameter.annotation, env)):
            if isinstance(option, Lib) and option.kind == "annotated" and "depends" in option.attrs:
                return option.attrs["depends"]
    return None


def annotated(parts: list[Value]) -> Value:
    """Return what `Annotated[type, …]` stands for, with its dependency."""
    attrs: dict[str, Value] = {"type": parts[0] if parts else UNKNOWN}
    for part in parts[1:]:
        if isinstance(part, Lib) and part.kind == "depends":
            attrs["depends"] = part.attrs["of"]
    return Lib("annotated", None, attrs)


def override(machine: Machine, key: Value, value: Value) -> None:
    """`app.dependency_overrides[key] = value`."""
    node = getattr(key, "node", None)
    if node is not None:
        machine.patches["override", str(id(node))] = value
        machine.changed()


def override_all(machine: Machine, values: Value) -> None:
    """`app.dependency_overrides = {...}` with keys that are functions: which one stays unknown."""
    if isinstance(values, Map) and values.items:
        machine.changed()


def enter_client(machine: Machine, client: Lib, node: ast.AST) -> Value:
    """Enter a client: the app's lifespan runs."""
    app = client.attrs.get("app")
    lifespan = app.attrs.get("lifespan") if isinstance(app, Lib) else None
    if lifespan is not None:
        from dbsafe_runner.analysis.calling import Call as NewCall
        from dbsafe_runner.analysis.values import Suspended

        env = machine.frames[-1].space.env
        value = machine.call(lifespan, NewCall(machine, [app or UNKNOWN], {}, node, env))
        if isinstance(value, Suspended):
            contexts.enter_until_return(machine, value, node)
    return client
