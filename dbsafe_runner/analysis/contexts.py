"""Contexts: follows what is entered and left: context managers of the project and of libraries."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import catalogue, classes
from dbsafe_runner.analysis.actions import Action
from dbsafe_runner.analysis.values import (
    NONE,
    UNKNOWN,
    Choice,
    Function,
    Instance,
    Lib,
    Suspended,
    Value,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine


def within(machine: Machine, manager: Value, node: ast.AST, inside: Callable[[Value], None]) -> None:
    """Enter a context manager, follow what is `inside` with what it gives, and leave it."""
    if isinstance(manager, Choice):
        manager = manager.options[0]
    if isinstance(manager, Suspended):
        entered = False

        def once(value: Value) -> None:
            nonlocal entered
            entered = True
            inside(value)

        machine.resume(manager, once)
        if not entered:
            inside(UNKNOWN)
    elif isinstance(manager, Instance):
        _within_instance(machine, manager, node, inside)
    elif isinstance(manager, Lib):
        inside(catalogue.enter(machine, manager, node))
        catalogue.leave(machine, manager, node)
    else:
        inside(catalogue.enter_unknown(machine, manager, node))


def _within_instance(
    machine: Machine, manager: Instance, node: ast.AST, inside: Callable[[Value], None]
) -> None:
    entry = classes.member(machine, manager.cls, "__enter__") or classes.member(
        machine, manager.cls, "__aenter__"
    )
    leave = classes.member(machine, manager.cls, "__exit__") or classes.member(
        machine, manager.cls, "__aexit__"
    )
    value: Value = manager
    if isinstance(entry, Function):
        value = machine.call_bound(entry, manager, node)
    inside(value if value is not UNKNOWN else manager)
    if isinstance(leave, Function):
        machine.call_bound(leave, manager, node, [NONE, NONE, NONE])


def enter_until_return(machine: Machine, manager: Value, node: ast.AST) -> Value:
    """Enter a context manager now and leave it when the current function ends (exit stacks)."""
    value, left = _enter_now(machine, manager, node)
    machine.frames[-1].deferred.extend(left)
    return value


def enter_until_teardown(machine: Machine, manager: Value, node: ast.AST) -> Value:
    """Enter a context manager now and leave it when the test is torn down (`enterContext`)."""
    value, left = _enter_now(machine, manager, node)
    machine.finalizers[:0] = left
    machine.changed()
    return value


def _enter_now(machine: Machine, manager: Value, node: ast.AST) -> tuple[Value, list[Action]]:
    """Enter a context manager; return what it gives, and what leaving it does."""
    found: list[Value] = []
    mark = 0

    def inside(value: Value) -> None:
        nonlocal mark
        found.append(value)
        mark = len(machine.trace)

    within(machine, manager, node, inside)
    left = machine.trace[mark:]
    del machine.trace[mark:]
    return (found[0] if found else UNKNOWN), left
