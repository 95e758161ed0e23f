"""Expressions: what each form of expression is, as far as that can be known without running it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbsafe_runner.analysis import catalogue, lookup, protocols, strings
from dbsafe_runner.analysis.calling import Call
from dbsafe_runner.analysis.values import (
    HOLE,
    MOST_CHOICES,
    NONE,
    UNKNOWN,
    Const,
    Env,
    External,
    Function,
    Instance,
    Lib,
    Map,
    Seq,
    Unknown,
    Value,
    join,
    number_of,
    options,
    text_of,
    truth_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine


def _constant(_machine: Machine, node: ast.Constant, _env: Env) -> Value:
    if node.value is None:
        return NONE
    known: Value | None = getattr(node, "known", None)
    if known is None:
        simple = isinstance(node.value, str | int | float | bool | bytes)
        known = Const(node.value) if simple else UNKNOWN  # type: ignore[arg-type]  # Not an ellipsis.
        node.known = known  # type: ignore[attr-defined]  # The tree is ours; equal constants are one.
    return known


def _name(machine: Machine, node: ast.Name, env: Env) -> Value:
    return lookup.name(machine, node.id, env)


def _attribute(machine: Machine, node: ast.Attribute, env: Env) -> Value:
    return lookup.attribute(machine, machine.evaluate(node.value, env), node.attr, node)


def _call(machine: Machine, node: ast.Call, env: Env) -> Value:
    if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
        return lookup.super_of(env)
    function = machine.evaluate(node.func, env)
    args: list[Value] = []
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            spread = machine.evaluate(argument.value, env)
            args.extend(spread.items if isinstance(spread, Seq) else [])
        else:
            args.append(machine.evaluate(argument, env))
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value, env)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value, Map):
            kwargs.update({key: item for key, item in value.items.items() if key != HOLE})
    if isinstance(node.func, ast.Subscript) and _is_any_element(function):
        machine.doubt("calls an element of something that is not known", node, 0.55)
    return machine.call(function, Call(machine, args, kwargs, node, env))


def _is_any_element(function: Value) -> bool:
    """Return whether what is called as an element is not known; `Generic[int]()` is a class."""
    if not isinstance(function, External):
        return isinstance(function, Unknown)
    last = function.name.rpartition(".")[2]
    plain = last.isupper() or not last[:1].isupper()
    return plain and "." in function.name and not catalogue.knows(function.name)


def _joined(machine: Machine, node: ast.JoinedStr, env: Env) -> Value:
    parts = []
    for piece in node.values:
        value = machine.evaluate(piece.value if isinstance(piece, ast.FormattedValue) else piece, env)
        parts.append(strings.spelled(protocols.text(machine, value, node)))
    return Const("".join(parts))


def _binary(machine: Machine, node: ast.BinOp, env: Env) -> Value:
    left = machine.evaluate(node.left, env)
    right = machine.evaluate(node.right, env)
    found = protocols.binary(machine, node.op, left, right, node)
    return found if found is not None else strings.combined(node.op, left, right)


def _boolean(machine: Machine, node: ast.BoolOp, env: Env) -> Value:
    result: Value | None = None
    for operand in node.values:
        if result is None:
            value = machine.evaluate(operand, env)
        else:
            with machine.perhaps():
                value = machine.evaluate(operand, env)
        protocols.truth(machine, value, node)
        truth = truth_of(value)
        if isinstance(node.op, ast.Or) and truth is False:
            result = value if result is None else result
            continue
        result = value if result is None else join(result, value)
    return result or UNKNOWN


def _unary(machine: Machine, node: ast.UnaryOp, env: Env) -> Value:
    value = machine.evaluate(node.operand, env)
    found = protocols.unary(machine, node.op, value, node)
    if found is not None:
        return found
    if isinstance(node.op, ast.Not):
        truth = truth_of(value)
        return UNKNOWN if truth is None else Const(not truth)
    number = number_of(value)
    return Const(-number) if isinstance(node.op, ast.USub) and number is not None else UNKNOWN


def _compare(machine: Machine, node: ast.Compare, env: Env) -> Value:
    left = machine.evaluate(node.left, env)
    rights = [machine.evaluate(operand, env) for operand in node.comparators]
    for operator, one, other in zip(node.ops, [left, *rights], rights, strict=False):
        protocols.compare(machine, operator, one, other, node)
    if len(rights) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
        known = lookup.same(left, rights[0])
        if known is not None:
            return Const(known == isinstance(node.ops[0], ast.Is | ast.Eq))
    return UNKNOWN


def _conditional(machine: Machine, node: ast.IfExp, env: Env) -> Value:
    tested = machine.evaluate(node.test, env)
    protocols.truth(machine, tested, node)
    truth = truth_of(tested)
    if truth is not None:
        return machine.evaluate(node.body if truth else node.orelse, env)
    with machine.perhaps():
        return join(machine.evaluate(node.body, env), machine.evaluate(node.orelse, env))


def _sequence(machine: Machine, node: ast.List | ast.Tuple | ast.Set, env: Env) -> Value:
    items: list[Value] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            spread = machine.evaluate(element.value, env)
            items.extend(spread.items if isinstance(spread, Seq) else [])
        else:
            items.append(machine.evaluate(element, env))
    return Seq(items)


def _dict(machine: Machine, node: ast.Dict, env: Env) -> Value:
    items: dict[str, Value] = {}
    for key, expression in zip(node.keys, node.values, strict=True):
        value = machine.evaluate(expression, env)
        if key is None:
            items.update(value.items if isinstance(value, Map) else {})
            continue
        name = text_of(machine.evaluate(key, env))
        if name is None:
            items[HOLE] = join(items[HOLE], value) if HOLE in items else value
        else:
            items[name] = value
    return Map(items)


def _subscript(machine: Machine, node: ast.Subscript, env: Env) -> Value:
    holder = machine.evaluate(node.value, env)
    key = machine.evaluate(node.slice, env)
    if isinstance(holder, External) and holder.name.endswith("Annotated"):
        return catalogue.annotated(key.items if isinstance(key, Seq) else [key])
    position, name = number_of(key), text_of(key)
    if isinstance(holder, Map):
        if name is not None and name in holder.items:
            return holder.items[name]
        named = [text_of(option) for option in options(key)]
        if 1 < len(named) < MOST_CHOICES and all(one in holder.items for one in named):
            return lookup.element(machine, Seq([holder.items[one] for one in named if one is not None]))
        return lookup.element(machine, Seq(list(holder.items.values())))
    if position is not None and not isinstance(holder, Instance):
        return lookup.item(machine, holder, position)
    asked = protocols.ask(machine, holder, ("__getitem__",), node, key)
    if asked is not None:
        return asked
    if isinstance(holder, Lib):
        return catalogue.subscript(machine, holder, key, node)
    return holder if lookup.is_type(holder) else lookup.element(machine, holder)


def _comprehension(
    machine: Machine, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, env: Env
) -> Value:
    inner = Env(env.module, env)
    first = node.generators[0]
    iterated = machine.evaluate(first.iter, env)
    elements = [lookup.element(machine, iterated)]
    if isinstance(iterated, Seq) and len(node.generators) == 1 and 0 < len(iterated.items) <= 6:
        elements = iterated.items
    results = [_round(machine, node, element, inner) for element in elements]
    if isinstance(node, ast.DictComp):
        return Map({HOLE: results[0]})
    return Seq(results)


def _round(machine: Machine, node: Any, element: Value, inner: Env) -> Value:
    """Return what one round of a comprehension yields, given the element of its first loop."""
    for position, generator in enumerate(node.generators):
        if position:
            element = lookup.element(machine, machine.evaluate(generator.iter, inner))
        machine.bind(generator.target, element, inner)
        for condition in generator.ifs:
            protocols.truth(machine, machine.evaluate(condition, inner), node)
    if isinstance(node, ast.DictComp):
        machine.evaluate(node.key, inner)
        return machine.evaluate(node.value, inner)
    return machine.evaluate(node.elt, inner)


def _lambda(_machine: Machine, node: ast.Lambda, env: Env) -> Value:
    return Function(node, env.module, env)


def _await(machine: Machine, node: ast.Await, env: Env) -> Value:
    value = machine.evaluate(node.value, env)
    return lookup.awaited(machine, value, node)


def _yield(machine: Machine, node: ast.Yield, env: Env) -> Value:
    value = machine.evaluate(node.value, env) if node.value is not None else NONE
    frame = machine.frames[-1]
    frame.yielded = value if frame.yielded is None else join(frame.yielded, value)
    if frame.on_yield is not None:
        then, frame.on_yield = frame.on_yield, None
        then(value)
    return UNKNOWN


def _yield_from(machine: Machine, node: ast.YieldFrom, env: Env) -> Value:
    value = lookup.element(machine, machine.evaluate(node.value, env))
    frame = machine.frames[-1]
    frame.yielded = value if frame.yielded is None else join(frame.yielded, value)
    if frame.on_yield is not None:
        then, frame.on_yield = frame.on_yield, None
        then(value)
    return UNKNOWN


def _walrus(machine: Machine, node: ast.NamedExpr, env: Env) -> Value:
    value = machine.evaluate(node.value, env)
    env.names[node.target.id] = value
    return value


def _starred(machine: Machine, node: ast.Starred, env: Env) -> Value:
    return machine.evaluate(node.value, env)


#: What the machine does with each form of expression.
HANDLERS: dict[type[ast.expr], Callable[[Machine, Any, Env], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.JoinedStr: _joined,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.NamedExpr: _walrus,
    ast.Starred: _starred,
}
