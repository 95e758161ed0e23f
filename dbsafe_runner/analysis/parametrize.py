"""Parametrize: what the arguments of a parametrized test are, read from its decorators."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import lookup
from dbsafe_runner.analysis.values import HOLE, Env, Function, Instance, Lib, Seq, Value, join, text_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine


def arguments(
    machine: Machine, function: Function, receiver: Instance | None, variant: tuple[int, int]
) -> dict[str, Value]:
    """Return what each parametrized argument is; what it may be, where the variant cannot be told."""
    node = function.node
    decorators = [] if isinstance(node, ast.Lambda) else list(node.decorator_list)
    decorators.extend(receiver.cls.node.decorator_list if receiver is not None else [])
    env = Env(function.module, function.outer)
    tables: list[tuple[list[str], list[Value]]] = []
    for decorator in decorators:
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            continue
        if decorator.func.attr == "parametrize" and len(decorator.args) >= 2:
            values = machine.evaluate(decorator.args[1], env)
            names = _names(machine.evaluate(decorator.args[0], env))
            tables.append((names, values.items if isinstance(values, Seq) else []))
    position, count = variant
    if len(tables) == 1 and count and len(tables[0][1]) == count:
        tables = [(tables[0][0], [tables[0][1][position]])]
    return _joined(machine, tables)


def _joined(machine: Machine, tables: list[tuple[list[str], list[Value]]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for names, rows in tables:
        for row in rows:
            cells = row.attrs["values"] if isinstance(row, Lib) and row.kind == "param" else row
            for position, name in enumerate(names):
                single = len(names) == 1 and cells is row
                cell = cells if single else lookup.item(machine, cells, position)
                found[name] = join(found[name], cell) if name in found else cell
    return found


def _names(value: Value) -> list[str]:
    text = text_of(value)
    if text is not None:
        return [part.strip() for part in text.split(",") if part.strip() and HOLE not in part]
    return [text_of(item) or "" for item in value.items] if isinstance(value, Seq) else []
