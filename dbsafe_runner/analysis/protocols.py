"""Protocols: methods of the project's classes that Python calls for operators, loops and built-ins."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Bound,
    Choice,
    Class,
    Const,
    Function,
    Instance,
    Seq,
    Value,
    join,
    options,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
#: Comparisons: what the left side is asked, and what the right side is asked instead.
_COMPARISONS: dict[type[ast.cmpop], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ast.Eq: (("__eq__",), ("__eq__",)),
    ast.NotEq: (("__ne__", "__eq__"), ("__ne__", "__eq__")),
    ast.Lt: (("__lt__",), ("__gt__",)),
    ast.LtE: (("__le__",), ("__ge__",)),
    ast.Gt: (("__gt__",), ("__lt__",)),
    ast.GtE: (("__ge__",), ("__le__",)),
}
_UNARY: dict[type[ast.unaryop], str] = {
    ast.USub: "__neg__",
    ast.UAdd: "__pos__",
    ast.Invert: "__invert__",
}


def ask(
    machine: Machine, value: Value, names: tuple[str, ...], node: ast.AST, *args: Value
) -> Value | None:
    """Call the first of some methods that an object's class has; None when it has none of them."""
    if not isinstance(value, Instance | Choice):
        return None
    result: Value | None = None
    for option in options(value):
        if not isinstance(option, Instance):
            continue
        for name in names:
            found = classes.member(machine, option.cls, name)
            if isinstance(found, Function):
                from dbsafe_runner.analysis.calling import Call

                call = Call(machine, list(args), {}, node, found.module.env)
                given = machine.call(Bound(found, option), call)
                result = given if result is None else join(result, given)
                break
    return result


def truth(machine: Machine, value: Value, node: ast.AST) -> None:
    """Follow what asking whether an object is true, or how long it is, does."""
    ask(machine, value, ("__bool__", "__len__"), node)


def text(machine: Machine, value: Value, node: ast.AST) -> Value:
    """Return how an object reads; of a list, follow its elements."""
    for one in value.items[:8] if isinstance(value, Seq) else ():
        ask(machine, one, ("__str__", "__repr__"), node)
    found = ask(machine, value, ("__format__", "__str__", "__repr__"), node, Const(""))
    return value if found is None else found


def binary(
    machine: Machine, operator: ast.operator, left: Value, right: Value, node: ast.AST
) -> Value | None:
    """Follow an operator between objects of the project; None when no class has a say in it."""
    if isinstance(operator, ast.Mod) and isinstance(left, Const):
        text(machine, right, node)
    name = _OPERATORS[type(operator)]
    found = ask(machine, left, (f"__{name}__",), node, right)
    return found if found is not None else ask(machine, right, (f"__r{name}__",), node, left)


def in_place(machine: Machine, operator: ast.operator, left: Value, right: Value, node: ast.AST) -> None:
    """Follow `left += right` where the class of the left side has a method for just that."""
    ask(machine, left, (f"__i{_OPERATORS[type(operator)]}__",), node, right)


def unary(machine: Machine, operator: ast.unaryop, value: Value, node: ast.AST) -> Value | None:
    """Follow an operator in front of an object."""
    name = _UNARY.get(type(operator))
    if name is None:
        truth(machine, value, node)
    return ask(machine, value, (name,), node) if name is not None else None


def compare(machine: Machine, operator: ast.cmpop, left: Value, right: Value, node: ast.AST) -> None:
    """Follow a comparison."""
    if isinstance(operator, ast.In | ast.NotIn):
        if ask(machine, right, ("__contains__",), node, left) is None and isinstance(right, Instance):
            iterate(machine, right, node)
    elif type(operator) in _COMPARISONS:
        own, others = _COMPARISONS[type(operator)]
        if ask(machine, left, own, node, right) is None:
            ask(machine, right, others, node, left)


def iterate(machine: Machine, value: Instance, node: ast.AST) -> Value:
    """Return what iterating over an object of the project yields."""
    from dbsafe_runner.analysis import lookup

    given = ask(machine, value, ("__iter__", "__aiter__"), node)
    if isinstance(given, Instance):
        return ask(machine, given, ("__next__", "__anext__"), node) or UNKNOWN
    if given is not None:
        return lookup.element(machine, given)
    return ask(machine, value, ("__getitem__", "__next__", "__anext__"), node, Const(0)) or UNKNOWN


def set_through(machine: Machine, instance: Instance, wanted: str, value: Value, node: ast.AST) -> bool:
    """Follow the setter of a property, or `__setattr__`; return whether that sets the attribute."""
    setter = _setter(machine, instance.cls, wanted)
    if setter is not None:
        machine.call_bound(setter, instance, node, [value])
        return True
    inside = any(getattr(frame.node, "name", "") == "__setattr__" for frame in machine.frames)
    if not inside:
        ask(machine, instance, ("__setattr__",), node, Const(wanted), value)
    return False


def _setter(machine: Machine, cls: Class, wanted: str) -> Function | None:
    member = classes.member(machine, cls, wanted)
    if not isinstance(member, Function) or member.kind != "property" or member.owner is None:
        return None
    owner = member.owner
    for statement in owner.node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == wanted:
            names = {getattr(decorator, "attr", "") for decorator in statement.decorator_list}
            if "setter" in names:
                return Function(statement, owner.module, owner.outer, owner)
    return None
