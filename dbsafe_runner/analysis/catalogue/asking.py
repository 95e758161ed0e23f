"""Built-in functions that ask an object for something, or go through what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import lookup, protocols, strings
from dbsafe_runner.analysis.values import UNKNOWN, Const, Value

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

#: Built-in functions and the methods that they call.
_ASKED = {
    "len": ("__len__",),
    "bool": ("__bool__", "__len__"),
    "hash": ("__hash__",),
    "int": ("__int__", "__index__"),
    "float": ("__float__",),
    "abs": ("__abs__",),
    "round": ("__round__",),
}


def _str(machine: Machine, call: Call) -> Value:
    texts = [strings.spelled(protocols.text(machine, one, call.node)) for one in call.args]
    return Const(texts[0] if texts else "")


def _measured(machine: Machine, call: Call) -> Value:
    """`len`, `bool`, `hash`, `int`: each asks the object."""
    for argument in call.args[:1]:
        protocols.ask(machine, argument, _ASKED[_called(call)], call.node)
    return UNKNOWN


def _called(call: Call) -> str:
    """Return the name of the built-in that is called; `len` for what only looks like one."""
    name = getattr(getattr(call.node, "func", None), "id", "len")
    return name if name in _ASKED else "len"


def _consumed(machine: Machine, call: Call) -> Value:
    """`sum`, `any`, `min`: they go through what they are given, and may call a key function."""
    result: Value = UNKNOWN
    for argument in call.args:
        result = lookup.element(machine, argument)
    key = call.kwargs.get("key")
    if key is not None:
        machine.call(key, type(call)(machine, [result], {}, call.node, call.env))
    return UNKNOWN


HANDLERS: dict[str, Callable[[Machine, Call], Value]] = {
    **dict.fromkeys(("str", "repr", "format", "print"), _str),
    **dict.fromkeys(_ASKED, _measured),
    **dict.fromkeys(("sum", "any", "all", "min", "max"), _consumed),
}
