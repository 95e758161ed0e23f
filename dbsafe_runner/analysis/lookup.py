"""Lookup: what a name, an attribute, an item or an annotation stands for."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbsafe_runner.analysis import catalogue, classes, process_state, protocols
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.values import (
    HOLE,
    MOCK,
    NONE,
    UNKNOWN,
    Choice,
    Class,
    Const,
    Env,
    External,
    Function,
    Instance,
    Lazy,
    Lib,
    Map,
    Method,
    Mock,
    Module,
    Seq,
    Suspended,
    Value,
    join,
    options,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine
    from dbsafe_runner.analysis.modules import ModuleSpace

_BUILTINS = frozenset(dir(builtins))


def name(machine: Machine, wanted: str, env: Env) -> Value:
    """Return what a name stands for in a scope."""
    scope: Env | None = env
    top = env.module.env
    while scope is not None and scope is not top:
        found = scope.names.get(wanted)
        if found is not None:
            if isinstance(found, Lazy):
                found = scope.names[wanted] = imported(machine, found)
            return found
        scope = scope.outer
    return global_name(machine, env.module, wanted)


def global_name(machine: Machine, space: ModuleSpace, wanted: str) -> Value:
    """Return what a module calls `wanted`; a built-in when the module has no such name."""
    found = space.env.names.get(wanted) if space.followed and not machine.patches else None
    if found is None:
        found = machine.modules.name(space, wanted)
    if found is None:
        starred = _starred(machine, space, wanted) if space.starred else None
        return starred if starred is not None else External(wanted)
    if isinstance(found, Lazy):
        found = imported(machine, found)
        space.env.names[wanted] = found
    return found


def _starred(machine: Machine, space: ModuleSpace, wanted: str) -> Value | None:
    """Return what a module has under a name by `from … import *`; None when nothing is known of it."""
    if wanted in _BUILTINS or (space.path, wanted) in machine.starring:
        return None
    machine.starring.add((space.path, wanted))
    try:
        for lazy in space.starred:
            module = imported(machine, lazy)
            if isinstance(module, External):
                return External(f"{module.name}.{wanted}")
            if isinstance(module, Module) and module.space is not None:
                found = global_name(machine, module.space, wanted)
                if not isinstance(found, External) or "." in found.name:
                    return found
    finally:
        machine.starring.discard((space.path, wanted))
    return None


def imported(machine: Machine, lazy: Lazy) -> Value:
    """Return what an import binds."""
    module = machine.modules.find(lazy.module, lazy.file)
    if not lazy.name:
        return module
    if isinstance(module, Module) and module.space is not None:
        found = machine.modules.name(module.space, lazy.name)
        if found is None and module.space.env.names:
            found = global_name(machine, module.space, lazy.name)
            found = None if isinstance(found, External) and "." not in found.name else found
        if isinstance(found, Lazy):
            found = global_name(machine, module.space, lazy.name) if found is not lazy else UNKNOWN
        if found is not None:
            return found
    separator = "" if lazy.module.endswith(".") else "."
    inner = machine.modules.find(f"{lazy.module}{separator}{lazy.name}", lazy.file)
    if isinstance(inner, External):
        constant = catalogue.constant(inner.name)
        return constant if constant is not None else inner
    return inner


def attribute(machine: Machine, receiver: Value, wanted: str, node: ast.AST) -> Value:
    """Return an attribute of a value."""
    if not isinstance(receiver, Choice):
        handler = _ATTRIBUTES.get(type(receiver))
        return Method(receiver, wanted) if handler is None else handler(machine, receiver, wanted, node)
    result: Value = UNKNOWN
    for option in receiver.options:
        result = join(result, attribute(machine, option, wanted, node))
    return result


def _of_instance(machine: Machine, instance: Instance, wanted: str, node: ast.AST) -> Value:
    return classes.instance_attribute(machine, instance, wanted, node)


def _of_library(machine: Machine, lib: Lib, wanted: str, _node: ast.AST) -> Value:
    found = lib.attrs.get(wanted)
    found = found if found is not None else catalogue.attribute(machine, lib, wanted)
    return found if found is not None else Method(lib, wanted)


def _of_mock(_machine: Machine, _mock: Mock, _wanted: str, _node: ast.AST) -> Value:
    return MOCK


def _of_module(machine: Machine, module: Module, wanted: str, _node: ast.AST) -> Value:
    assert module.space is not None
    found = global_name(machine, module.space, wanted)
    if isinstance(found, External) and "." not in found.name:
        inner = machine.modules.find(f"{module.name}.{wanted}", module.space.path)
        return inner if isinstance(inner, Module) else UNKNOWN
    return found


def _of_external(machine: Machine, external: External, wanted: str, node: ast.AST) -> Value:
    dotted = f"{external.name}.{wanted}"
    if dotted == "sys.modules" and machine.frames and _in_tests(machine):
        process_state.note(machine, dotted, node)
    constant = catalogue.constant(dotted)
    if constant is not None:
        return constant
    if not catalogue.knows(external.name) and external.name[:1].islower():
        path = machine.sources.lookup(dotted, "")
        space = machine.modules.space(path) if path is not None else None
        if space is not None:
            return Module(dotted, space)
    return External(dotted)


def _in_tests(machine: Machine) -> bool:
    return machine.frames[-1].space.path == machine.passing_file


_ATTRIBUTES: dict[type[Value], Callable[[Machine, Any, str, ast.AST], Value]] = {
    Module: _of_module,
    External: _of_external,
    Instance: _of_instance,
    Class: classes.class_attribute,
    Lib: _of_library,
    Mock: _of_mock,
}


def set_attribute(machine: Machine, receiver: Value, wanted: str, value: Value, node: ast.AST) -> None:
    """Follow an assignment to an attribute."""
    for option in options(receiver):
        process_state.stored(option, value)
        if isinstance(option, Instance) and protocols.set_through(machine, option, wanted, value, node):
            continue
        if isinstance(option, Instance | Class):
            machine.changed(option.born if isinstance(option, Instance) else 0)
            option.attrs[wanted] = value
            if isinstance(option, Instance) and option.link is not None:
                tables = classes.tables_of(machine, option.cls)
                machine.act(Kind.WRITE, option.link, node, tables, "a changed row")
        elif isinstance(option, Lib):
            machine.changed()
            catalogue.set_attribute(machine, option, wanted, value, node)
        elif isinstance(option, Module) and option.space is not None:
            machine.changed()
            option.space.env.names[wanted] = value


def set_item(machine: Machine, holder: Value, key: Value, value: Value) -> None:
    """Follow an assignment to an item."""
    machine.changed(holder.born if isinstance(holder, Map | Seq) else 0)
    process_state.stored(holder, value)
    if isinstance(holder, Lib):
        catalogue.set_item(machine, holder, key, value)
    elif isinstance(holder, Instance):
        protocols.ask(machine, holder, ("__setitem__",), holder.cls.node, key, value)
    elif isinstance(holder, Map):
        holder.items[text_of(key) or HOLE] = value


def item(machine: Machine, value: Value, position: int) -> Value:
    """Return one element by position."""
    if isinstance(value, Seq):
        if -len(value.items) <= position < len(value.items):
            return value.items[position]
        return element(machine, value)
    if isinstance(value, Choice):
        result: Value = UNKNOWN
        for option in value.options:
            result = join(result, item(machine, option, position))
        return result
    return element(machine, value)


def element(machine: Machine, value: Value) -> Value:
    """Return what iterating over a value yields."""
    if isinstance(value, Seq):
        result: Value = UNKNOWN
        for position, one in enumerate(value.items[:24]):
            result = join(result, one) if position else one
        return result
    if isinstance(value, Map):
        return element(machine, Seq([Const(key) for key in value.items])) if value.items else UNKNOWN
    if isinstance(value, Suspended):
        return machine.run_generator(value)
    if isinstance(value, Lib):
        return catalogue.element(machine, value)
    if isinstance(value, Instance):
        return protocols.iterate(machine, value, value.cls.node)
    if isinstance(value, Choice):
        return element(machine, value.options[0])
    return UNKNOWN


def awaited(machine: Machine, value: Value, node: ast.AST) -> Value:
    """Return what awaiting a value gives; coroutines are followed when they are called."""
    return catalogue.awaited(machine, value, node) if isinstance(value, Lib) else value


def is_type(value: Value) -> bool:
    """Return whether a value is a class, so that a subscript only parametrises it."""
    return isinstance(value, Class | External)


def same(left: Value, right: Value) -> bool | None:
    """Return whether two values are equal, or None when that is not known."""
    if isinstance(left, Const) and isinstance(right, Const):
        spelled = (str(left.value), str(right.value))
        return None if any("\x00" in part for part in spelled) else left.value == right.value
    if (_is_there(left) and right is NONE) or (left is NONE and _is_there(right)):
        return False
    return None


def _is_there(value: Value) -> bool:
    """Return whether a value is surely not None: what a query gives may be."""
    if isinstance(value, Instance):
        return value.link is None and not value.optional
    if isinstance(value, Lib):
        return value.kind not in {"Result", "driver"}
    return isinstance(value, Function | Class | Module)


def is_builtin(wanted: str) -> bool:
    """Return whether a name is one of Python's own."""
    return wanted in _BUILTINS


def super_of(env: Env) -> Value:
    """Return what `super()` stands for in a method."""
    receiver = env.names.get("self") or env.names.get("cls")
    owner = env.names.get("super owner")
    if isinstance(owner, Class) and isinstance(receiver, Instance | Class):
        return Lib("super", attrs={"owner": owner, "receiver": receiver})
    return UNKNOWN


def from_annotation(machine: Machine, annotation: ast.expr | None, env: Env) -> Value:
    """Return an object of the type that an annotation names; UNKNOWN when nothing is known of it."""
    if annotation is None:
        return UNKNOWN
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return from_annotation(machine, ast.parse(annotation.value, mode="eval").body, env)
        except SyntaxError:
            return UNKNOWN
    if isinstance(annotation, ast.BinOp):
        return join(
            from_annotation(machine, annotation.left, env),
            from_annotation(machine, annotation.right, env),
        )
    if isinstance(annotation, ast.Subscript):
        return _from_generic(machine, annotation, env)
    if not isinstance(annotation, ast.Name | ast.Attribute):
        return UNKNOWN
    return from_type(machine, machine.evaluate(annotation, env), annotation)


_WRAPPERS = {
    "Optional",
    "Union",
    "Annotated",
    "Generator",
    "AsyncGenerator",
    "Iterator",
    "AsyncIterator",
    "Iterable",
    "AsyncIterable",
    "ContextManager",
    "AsyncContextManager",
    "AbstractContextManager",
    "AbstractAsyncContextManager",
    "Awaitable",
    "Coroutine",
}


def _from_generic(machine: Machine, annotation: ast.Subscript, env: Env) -> Value:
    holder = machine.evaluate(annotation.value, env)
    label = holder.name.rpartition(".")[2] if isinstance(holder, External) else ""
    inner = annotation.slice
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if label in _WRAPPERS:
        wanted = parts[-1] if label == "Coroutine" else parts[0]
        return from_annotation(machine, wanted, env)
    if label in {"Callable", "Type", "type", "list", "List", "dict", "Dict", "Sequence", "Literal"}:
        return UNKNOWN
    return from_type(machine, holder, annotation)


def from_type(machine: Machine, kind: Value, node: ast.AST) -> Value:
    """Return an object of a type that is a value."""
    if isinstance(kind, External):
        return catalogue.instance(kind.name) or UNKNOWN
    if isinstance(kind, Class):
        return classes.assumed_instance(machine, kind, node)
    if isinstance(kind, Lib) and kind.kind == "annotated":
        return from_type(machine, kind.attrs["type"], node)
    return UNKNOWN
