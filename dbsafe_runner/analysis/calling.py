"""Calling: binds arguments, follows a function of the project, and remembers what it did."""

from __future__ import annotations

import ast
import dataclasses
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import catalogue, classes, lookup, strings
from dbsafe_runner.analysis.values import (
    MOCK,
    NONE,
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
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine


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
    if isinstance(function, Function):
        return _follow(machine, function, None, given)
    if isinstance(function, Bound):
        return _follow(machine, function.function, function.receiver, given)
    if isinstance(function, Class):
        return classes.construct(machine, function, given)
    if isinstance(function, External):
        return catalogue.call_external(machine, function.name, given)
    if isinstance(function, Method):
        return _call_method(machine, function, given)
    if isinstance(function, Instance):
        return _call_instance(machine, function, given)
    if isinstance(function, Partial):
        merged = Call(
            machine,
            [*function.args, *given.args],
            {**function.kwargs, **given.kwargs},
            given.node,
            given.env,
        )
        return machine.call(function.function, merged)
    if isinstance(function, Lib):
        return catalogue.call_object(machine, function, given)
    if isinstance(function, Choice):
        result: Value = UNKNOWN
        for option in function.options:
            result = join(result, machine.call(option, given))
        return result
    if isinstance(function, Mock):
        return MOCK
    return catalogue.call_unknown(machine, given)


def _call_instance(machine: Machine, instance: Instance, given: Call) -> Value:
    member = classes.member(machine, instance.cls, "__call__")
    if isinstance(member, Function):
        return _follow(machine, member, instance, given)
    return catalogue.call_unknown(machine, given)


def _call_method(machine: Machine, method: Method, given: Call) -> Value:
    receiver = method.receiver
    text = text_of(receiver)
    if text is not None:
        return strings.method(text, method.name, given.args, given.kwargs)
    if isinstance(receiver, Lib):
        return catalogue.call_method(machine, receiver, method.name, given)
    if isinstance(receiver, Seq | Map):
        return _call_collection(machine, receiver, method.name, given)
    if isinstance(receiver, Instance | Class):
        return catalogue.call_inherited(machine, receiver, method.name, given)
    if isinstance(receiver, Function | Bound | Partial):
        return catalogue.call_on_function(machine, receiver, method.name, given)
    return catalogue.call_on_unknown(machine, receiver, method.name, given)


def _call_collection(machine: Machine, holder: Seq | Map, name: str, given: Call) -> Value:
    if isinstance(holder, Seq):
        if name in {"append", "add", "appendleft"} and given.args:
            holder.items.append(given.args[0])
            machine.changed(holder.born)
        elif name in {"extend", "update"} and given.args and isinstance(given.args[0], Seq):
            holder.items.extend(given.args[0].items)
            machine.changed(holder.born)
        elif name in {"pop", "popleft"}:
            return lookup.element(machine, holder)
        elif name == "copy":
            return Seq(list(holder.items))
        return UNKNOWN
    if name in {"get", "pop", "setdefault"} and given.args:
        key = text_of(given.args[0])
        if key is not None and key in holder.items:
            return holder.items[key]
        return (
            given.args[1]
            if len(given.args) > 1
            else lookup.element(machine, Seq([*holder.items.values()]))
        )
    if name == "values":
        return Seq(list(holder.items.values()))
    if name == "items":
        return Seq([Seq([Const(key), value]) for key, value in holder.items.items()])
    if name == "update":
        machine.changed(holder.born)
        holder.items.update(given.kwargs)
        if given.args and isinstance(given.args[0], Map):
            holder.items.update(given.args[0].items)
    if name == "copy":
        return Map(dict(holder.items))
    return UNKNOWN


def _follow(machine: Machine, function: Function, receiver: Value | None, given: Call) -> Value:
    node = function.node
    if not isinstance(node, ast.Lambda) and is_generator(node):
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
    args = list(given.args)
    if receiver is not None:
        args.insert(0, receiver)
    if function.owner is not None:
        env.names["super owner"] = function.owner
    for parameter, value in zip(names, args, strict=False):
        env.names[parameter.arg] = value
    if parameters.vararg is not None:
        env.names[parameters.vararg.arg] = Seq(args[len(names) :])
    known = {parameter.arg for parameter in (*names, *parameters.kwonlyargs)}
    env.names.update({name: value for name, value in given.kwargs.items() if name in known})
    if parameters.kwarg is not None:
        rest = {name: value for name, value in given.kwargs.items() if name not in known}
        env.names[parameters.kwarg.arg] = Map(rest)
    _fill_missing(machine, function, env, given)
    return env


def _fill_missing(machine: Machine, function: Function, env: Env, given: Call) -> None:
    parameters = function.node.args
    names = [*parameters.posonlyargs, *parameters.args]
    defaults: dict[str, ast.expr] = {}
    for parameter, default in zip(reversed(names), reversed(parameters.defaults), strict=False):
        defaults[parameter.arg] = default
    for parameter, keyword_default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
        if keyword_default is not None:
            defaults[parameter.arg] = keyword_default
    outer = function.outer or function.module.env
    for parameter in (*names, *parameters.kwonlyargs):
        value = env.names.get(parameter.arg)
        if value is None and parameter.arg in defaults:
            value = machine.evaluate(defaults[parameter.arg], outer)
        if value is None or value is UNKNOWN or value is NONE:
            assumed = lookup.from_annotation(machine, parameter.annotation, outer)
            if value is None or value is UNKNOWN:
                value = assumed
        env.names[parameter.arg] = value if value is not None else UNKNOWN
    del given


def parts(function: Value) -> tuple[Function | None, Value | None]:
    """Return a function and its receiver, if it has one."""
    if isinstance(function, Bound):
        return function.function, function.receiver
    return (function, None) if isinstance(function, Function) else (None, None)


def is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function has a `yield` of its own."""
    known = getattr(node, "is_generator", None)
    if known is None:
        known = _has_yield(node.body)
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
