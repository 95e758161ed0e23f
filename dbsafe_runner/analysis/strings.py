"""Strings and paths whose parts may be unknown: HOLE stands for what only the running program knows."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from dbsafe_runner.analysis.values import HOLE, UNKNOWN, Const, Lib, Seq, Value, number_of, text_of

_FORMAT_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_PERCENT_FIELD = re.compile(r"%(\((\w+)\))?[-+ #0]*\d*(?:\.\d+)?[srdifx]")


def spelled(value: Value) -> str:
    """Return how a value reads inside a string."""
    if isinstance(value, Const) and not isinstance(value.value, bytes):
        return str(value.value)
    if isinstance(value, Lib) and value.kind in {"path", "sql"}:
        return text_of(value.attrs.get("text")) or HOLE
    return HOLE


def combined(operator: ast.operator, left: Value, right: Value) -> Value:
    """Return the value of a binary operation."""
    if isinstance(left, Lib) and left.kind == "path" and isinstance(operator, ast.Div):
        return path(join_path(spelled(left), spelled(right)))
    if isinstance(left, Lib) and left.kind == "sql":
        return sql(spelled(left) + spelled(right))
    if isinstance(operator, ast.Add):
        if isinstance(left, Seq) and isinstance(right, Seq):
            return Seq([*left.items, *right.items])
        if text_of(left) is not None or text_of(right) is not None:
            return Const(spelled(left) + spelled(right))
    if isinstance(operator, ast.Mod) and (template := text_of(left)) is not None:
        return Const(_percent(template, right))
    one, other = number_of(left), number_of(right)
    if one is not None and other is not None:
        if isinstance(operator, ast.Add):
            return Const(one + other)
        if isinstance(operator, ast.Mult) and abs(one) < 10**9 and abs(other) < 10**9:
            return Const(one * other)
    return UNKNOWN


def _percent(template: str, values: Value) -> str:
    given = values.items if isinstance(values, Seq) else [values]
    pending = iter(given)

    def fill(_field: re.Match[str]) -> str:
        value = next(pending, None)
        return HOLE if value is None else spelled(value)

    return _PERCENT_FIELD.sub(fill, template)


def formatted(template: str, args: list[Value], kwargs: dict[str, Value]) -> str:
    """Return what `str.format` makes of a template."""
    position = 0

    def fill(field: re.Match[str]) -> str:
        nonlocal position
        if field.group(1) is None:
            return field.group()[0]
        name = re.split(r"[!:.\[]", field.group(1))[0]
        if not name:
            name = str(position)
            position += 1
        if name.isdigit():
            index = int(name)
            return spelled(args[index]) if index < len(args) else HOLE
        return spelled(kwargs[name]) if name in kwargs else HOLE

    return _FORMAT_FIELD.sub(fill, template)


def method(text: str, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Return what a method of `str` returns."""
    if name == "format":
        return Const(formatted(text, args, kwargs))
    if name == "join":
        pieces = args[0].items if args and isinstance(args[0], Seq) else None
        return Const(text.join(spelled(piece) for piece in pieces) if pieces else HOLE)
    if name in {"lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize"} and not args:
        changed: str = getattr(text, name)()
        return Const(changed)
    if name == "replace" and len(args) >= 2:
        old = spelled(args[0])
        return Const(text.replace(old, spelled(args[1])) if old and HOLE not in old else text)
    if name in {"split", "splitlines", "rsplit"}:
        separator = text_of(args[0]) if args else None
        parts: list[Value] = [Const(part) for part in text.split(separator or None)[:16]]
        return Seq(parts)
    if name in {"removeprefix", "removesuffix"} and args:
        trimmed: str = getattr(text, name)(spelled(args[0]))
        return Const(trimmed)
    if name in {"encode", "decode", "zfill", "center", "ljust", "rjust", "casefold"}:
        return Const(text)
    return UNKNOWN


def path(text: str) -> Lib:
    """Return the value of a `pathlib.Path`."""
    return Lib("path", attrs={"text": Const(text)})


def sql(text: str) -> Lib:
    """Return the value of a piece of SQL as a driver's or ORM's own type holds it."""
    return Lib("sql", attrs={"text": Const(text)})


def join_path(first: str, second: str) -> str:
    """Return two paths joined; the second may be absolute or go up."""
    if HOLE in first and not second.startswith("/"):
        return f"{first}/{second}"
    parts: list[str] = []
    for part in PurePosixPath(first, second).parts:
        if part == ".." and parts and parts[-1] != "/":
            parts.pop()
        else:
            parts.append(part)
    return str(PurePosixPath(*parts)) if parts else "."
