"""Decorating: what decorators of the project and of libraries make of functions and classes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import catalogue, classes
from dbsafe_runner.analysis.values import (
    Bound,
    Choice,
    Class,
    External,
    Function,
    Instance,
    Lib,
    Mock,
    Partial,
    Suspended,
    Value,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine

_KINDS = {"property", "cached_property", "staticmethod", "classmethod"}
_CALLABLE = Function | Bound | Class | Instance | Partial | Choice | Mock


def decorated(machine: Machine, value: Value, decorator: Value, node: ast.expr) -> Value:
    """Return what a decorator makes of a function or class."""
    plain = decorator.name.rpartition(".")[2] if isinstance(decorator, External) else ""
    if isinstance(value, Function) and plain:
        _label(value, plain)
        return value
    if isinstance(decorator, Lib):
        found = catalogue.decorate(machine, decorator, value, node)
        return found if found is not None else value
    if isinstance(decorator, Suspended) or _only_enters(machine, decorator):
        return Lib("wrapped", None, {"around": decorator, "function": value})
    if isinstance(decorator, Function | Bound | Class | Instance | Partial):
        return _by_project(machine, value, decorator, node)
    return value


def _label(function: Function, plain: str) -> None:
    """Keep what a decorator of the standard library makes of a function."""
    if plain in _KINDS:
        function.kind = plain.removeprefix("cached_")
    elif plain in {"contextmanager", "asynccontextmanager"}:
        function.kind = function.kind or "contextmanager"
    elif plain in {"lru_cache", "cache"}:
        function.cached = True


def _only_enters(machine: Machine, decorator: Value) -> bool:
    """Return whether an object is a context manager that decorates: a `ContextDecorator`."""
    if not isinstance(decorator, Instance):
        return False
    called = classes.member(machine, decorator.cls, "__call__")
    return called is None and classes.member(machine, decorator.cls, "__enter__") is not None


def _by_project(machine: Machine, value: Value, decorator: Value, node: ast.expr) -> Value:
    """Call a decorator of the project, and return what it returns."""
    from dbsafe_runner.analysis.calling import Call

    space = value.module if isinstance(value, Function | Class) else None
    if machine.frames:
        space = machine.frames[-1].space
    if space is None:
        return value
    result = machine.call(decorator, Call(machine, [value], {}, node, space.env))
    if isinstance(result, _CALLABLE) or (isinstance(result, Lib) and result.kind == "wrapped"):
        if isinstance(result, Function) and result is not value and isinstance(value, Function):
            result.wrapped = value
        return result
    if isinstance(value, Function | Class):
        value.doubt = f"what the decorator {ast.unparse(node)[:60]} makes of it is not known"
    return value
