"""Fingerprints: keys under which calls with equal arguments are remembered."""

from __future__ import annotations

from collections.abc import Mapping

from dbsafe_runner.analysis.values import (
    Bound,
    Const,
    External,
    Function,
    Instance,
    Lib,
    Map,
    Seq,
    Unknown,
    Value,
)

#: How far into objects a key looks; below that, objects are told apart by identity.
_DEPTH = 3


def of_call(
    function: Function,
    receiver: Value | None,
    args: list[Value],
    kwargs: dict[str, Value],
    patches: Mapping[tuple[str, str], Value],
) -> object:
    """Return the key of a call."""
    return (
        id(function.node),
        id(function.outer) if function.outer is not None else 0,
        fingerprint(receiver) if receiver is not None else None,
        tuple(fingerprint(argument) for argument in args),
        tuple((name, fingerprint(argument)) for name, argument in sorted(kwargs.items()))
        if kwargs
        else (),
        tuple(sorted((key, id(value)) for key, value in patches.items())) if patches else (),
    )


def fingerprint(value: Value, depth: int = _DEPTH) -> object:  # noqa: PLR0911  # One for each type.
    """Return something hashable that is equal for values that behave equally."""
    if isinstance(value, Const):
        return (type(value.value).__name__, value.value)
    if isinstance(value, Unknown):
        return "?"
    if isinstance(value, External):
        return value.name
    if isinstance(value, Lib) and (not value.attrs or depth):
        link = value.link.name if value.link is not None else ""
        inner = tuple((name, fingerprint(attr, depth - 1)) for name, attr in sorted(value.attrs.items()))
        return (value.kind, link, value.tables, inner)
    if depth == 0:
        return id(value)
    if isinstance(value, Instance):
        link = value.link.name if value.link is not None else ""
        inner = tuple((name, fingerprint(attr, depth - 1)) for name, attr in sorted(value.attrs.items()))
        return (id(value.cls.node), link, value.optional, inner)
    if isinstance(value, Seq):
        return tuple(fingerprint(item, depth - 1) for item in value.items[:8])
    if isinstance(value, Map):
        return tuple(
            (name, fingerprint(item, depth - 1)) for name, item in list(value.items.items())[:16]
        )
    if isinstance(value, Bound):
        return (id(value.function.node), fingerprint(value.receiver, depth - 1))
    return id(value)
