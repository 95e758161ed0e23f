"""Calling: binds arguments, follows a function of the project, and remembers what it did."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbsafe_runner.analysis import catalogue, classes, lookup, process_state, protocols, strings
from dbsafe_runner.analysis.values import (
    MOCK,
    UNKNOWN,
    Bound,
    Choice,
    Class,
    Const,
    Env,
    External,
    Function,
    Instance,
    Lib,
    Map,
    Method,
    Mock,
    Partial,
    Seq,
    Suspended,
    Value,
    join,
    keep,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine
    from dbsafe_runner.analysis.modules import ModuleSpace


@dataclasses.dataclass(slots=True, eq=False)
class Call:
    """The arguments of one call, and where it stands."""

    machine: Machine
    args: list[Value]
    kwargs: dict[str, Value]
    node: ast.AST
    env: Env

    def argument(self, position: int, *names: str) -> Value | None:
        """Return an argument by position or by one of its names; None when it is not given."""
        if 0 <= position < len(self.args):
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), None)

    def all_values(self) -> list[Value]:
        """Return all arguments."""
        return [*self.args, *self.kwargs.values()]


def call(machine: Machine, function: Value, given: Call) -> Value:
    """Return what calling a value returns, recording what it does."""
    handler = _HANDLERS.get(type(function))
    return (
        handler(machine, function, given)
        if handler is not None
        else catalogue.call_unknown(machine, given)
    )


def _call_function(machine: Machine, function: Function, given: Call) -> Value:
    _doubted(machine, function, given)
    return _kept(function, _follow(machine, function, None, given))


def _call_bound(machine: Machine, bound: Bound, given: Call) -> Value:
    _doubted(machine, bound.function, given)
    return _kept(bound.function, _follow(machine, bound.function, bound.receiver, given))


def _doubted(machine: Machine, called: Function | Class, given: Call) -> None:
    if called.doubt:
        machine.doubt(called.doubt, given.node, 0.55)
        catalogue.call_unknown(machine, given)


def _kept(function: Function, result: Value) -> Value:
    """Return a result; what a cache keeps is the same object for every test."""
    if function.cached:
        keep(result)
    return result


def _call_class(machine: Machine, cls: Class, given: Call) -> Value:
    _doubted(machine, cls, given)
    return classes.construct(machine, cls, given)


def _call_partial(machine: Machine, partial: Partial, given: Call) -> Value:
    args, kwargs = [*partial.args, *given.args], {**partial.kwargs, **given.kwargs}
    return machine.call(partial.function, Call(machine, args, kwargs, given.node, given.env))


def _call_external(machine: Machine, external: External, given: Call) -> Value:
    return catalogue.call_external(machine, external.name, given)


def _call_choice(machine: Machine, choice: Choice, given: Call) -> Value:
    result: Value = UNKNOWN
    for option in choice.options:
        result = join(result, machine.call(option, given))
    return result


def _call_mock(_machine: Machine, _mock: Mock, _given: Call) -> Value:
    return MOCK


def _call_instance(machine: Machine, instance: Instance, given: Call) -> Value:
    member = classes.member(machine, instance.cls, "__call__")
    if isinstance(member, Function):
        return _follow(machine, member, instance, given)
    return catalogue.call_unknown(machine, given)


def _call_method(machine: Machine, method: Method, given: Call) -> Value:
    receiver = method.receiver
    if not isinstance(receiver, Lib):
        process_state.method_called(machine, receiver, method.name, given.node, given.env)
    text = text_of(receiver)
    if text is not None:
        for value in given.all_values() if method.name in {"format", "join"} else ():
            protocols.text(machine, value, given.node)
        return strings.method(text, method.name, given.args, given.kwargs)
    if isinstance(receiver, Lib):
        return catalogue.call_method(machine, receiver, method.name, given)
    if isinstance(receiver, Seq):
        return _call_list(machine, receiver, method.name, given)
    if isinstance(receiver, Map):
        return _call_dict(machine, receiver, method.name, given)
    if isinstance(receiver, Instance | Class):
        return catalogue.call_inherited(machine, receiver, method.name, given)
    if isinstance(receiver, Function | Bound | Partial):
        return catalogue.call_on_function(machine, receiver, method.name, given)
    return catalogue.call_on_unknown(machine, receiver, method.name, given)


def _call_list(machine: Machine, holder: Seq, name: str, given: Call) -> Value:
    first = given.args[0] if given.args else None
    if name in {"append", "add", "appendleft"} and first is not None:
        process_state.stored(holder, first)
        holder.items.append(first)
        machine.changed(holder.born)
    elif name in {"extend", "update"} and isinstance(first, Seq):
        holder.items.extend(first.items)
        machine.changed(holder.born)
    elif name in {"pop", "popleft"}:
        return lookup.element(machine, holder)
    return Seq(list(holder.items)) if name == "copy" else UNKNOWN


def _call_dict(machine: Machine, holder: Map, name: str, given: Call) -> Value:
    first = given.args[0] if given.args else None
    if name in {"get", "pop", "setdefault"} and first is not None:
        key = text_of(first)
        if key is not None and key in holder.items:
            return holder.items[key]
        any_value = lookup.element(machine, Seq([*holder.items.values()]))
        return given.args[1] if len(given.args) > 1 else any_value
    if name == "update":
        machine.changed(holder.born)
        holder.items.update({**(first.items if isinstance(first, Map) else {}), **given.kwargs})
    if name == "values":
        return Seq(list(holder.items.values()))
    if name == "items":
        return Seq([Seq([Const(key), value]) for key, value in holder.items.items()])
    return Map(dict(holder.items)) if name == "copy" else UNKNOWN


def _follow(machine: Machine, function: Function, receiver: Value | None, given: Call) -> Value:
    node = function.node
    if not isinstance(node, ast.Lambda) and is_generator(function.module, node):
        bound: Value = Bound(function, receiver) if receiver is not None else function
        return Suspended(bound, given.args, given.kwargs, given.node)
    if receiver is not None and function.kind == "staticmethod":
        receiver = None
    return machine.follow(function, receiver, given)


def bind_parameters(machine: Machine, function: Function, receiver: Value | None, given: Call) -> Env:
    """Return the scope of a call: parameters by position and name, defaults, then annotations."""
    env = Env(function.module, function.outer)
    parameters = function.node.args
    names = [*parameters.posonlyargs, *parameters.args]
    args = given.args if receiver is None else [receiver, *given.args]
    if function.owner is not None:
        env.names["super owner"] = function.owner
    env.names.update(zip([parameter.arg for parameter in names], args, strict=False))
    if parameters.vararg is not None:
        env.names[parameters.vararg.arg] = Seq(args[len(names) :])
    rest: dict[str, Value] = {}
    if given.kwargs:
        known = {parameter.arg for parameter in (*names, *parameters.kwonlyargs)}
        for name, value in given.kwargs.items():
            (env.names if name in known else rest)[name] = value
    if parameters.kwarg is not None:
        env.names[parameters.kwarg.arg] = Map(rest)
    _fill_missing(machine, function, env)
    return env


def _fill_missing(machine: Machine, function: Function, env: Env) -> None:
    outer = function.outer or function.module.env
    for parameter, default in _parameters(function.node.args):
        value = env.names.get(parameter.arg)
        if value is None and default is not None:
            value = machine.evaluate(default, outer)
        if value is None or value is UNKNOWN:
            value = lookup.from_annotation(machine, parameter.annotation, outer)
        env.names[parameter.arg] = value


def _parameters(arguments: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    """Return named parameters with their defaults."""
    known: list[tuple[ast.arg, ast.expr | None]] | None = getattr(arguments, "with_defaults", None)
    if known is None:
        names = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(names) - len(arguments.defaults)) + arguments.defaults
        both = zip((*names, *arguments.kwonlyargs), (*defaults, *arguments.kw_defaults), strict=True)
        known = list(both)
        arguments.with_defaults = known  # type: ignore[attr-defined]  # The tree is ours; see below.
    return known


def parts(function: Value) -> tuple[Function | None, Value | None]:
    """Return a function and its receiver, if it has one."""
    if isinstance(function, Bound):
        return function.function, function.receiver
    return (function, None) if isinstance(function, Function) else (None, None)


def is_generator(space: ModuleSpace, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function has a `yield` of its own."""
    known = getattr(node, "is_generator", None)
    if known is None:
        known = space.may_yield(node) and _has_yield(node.body)
        node.is_generator = known  # type: ignore[union-attr]  # The tree is ours; this saves walking it again.
    return bool(known)


def _has_yield(body: list[ast.stmt]) -> bool:
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))
    return False


_HANDLERS: dict[type[Value], Callable[[Machine, Any, Call], Value]] = {
    Function: _call_function,
    Bound: _call_bound,
    Class: _call_class,
    External: _call_external,
    Method: _call_method,
    Instance: _call_instance,
    Partial: _call_partial,
    Lib: catalogue.call_object,
    Choice: _call_choice,
    Mock: _call_mock,
}
