"""Fixture results: follows one fixture function, and keeps what it gives and does."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import calling, lookup
from dbsafe_runner.analysis.actions import NO_TABLES, Action, Kind
from dbsafe_runner.analysis.machine import Machine, TooMuchError
from dbsafe_runner.analysis.modules import Definition, ModuleSpace
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Bound,
    Class,
    Function,
    Instance,
    Lib,
    Map,
    Seq,
    Value,
    births,
    keep,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclasses.dataclass(slots=True, eq=False)
class FixtureResult:
    """What a fixture gives and does."""

    value: Value
    setup: list[Action]
    teardown: list[Action]
    patches: dict[tuple[str, str], Value]
    reach: str
    #: The values that it was made from: results are remembered under their identities.
    given: list[Value] = dataclasses.field(default_factory=list)
    #: Fixtures that it asks for by name, which have to be brought in wherever it is.
    asked_for: list[str] = dataclasses.field(default_factory=list)


def guarded(machine: Machine, work: Callable[[], object], *, wide: bool = False) -> list[Action]:
    """Return what some work does; work that is too much or too deep ends in a doubt.

    `wide`: what it makes outlives the test.
    """
    outer, machine.trace = machine.trace, []
    frames = machine.frames
    machine.steps, depth = 0, machine.depth
    try:
        with births.early() if wide else contextlib.nullcontext():
            work()
    except (TooMuchError, RecursionError):
        machine.frames, machine.depth = frames, depth
        machine.doubt("too much code to follow", None, 0.55)
    done, machine.trace = machine.trace, outer
    return done


def run_fixture(
    machine: Machine, space: ModuleSpace, node: Definition, given: dict[str, Value], reach: str
) -> FixtureResult:
    """Follow a fixture; what comes after its `yield` is teardown."""
    function = Function(node, space)
    value: Value = UNKNOWN
    mark: int | None = None
    guards: dict[tuple[str, str], Value] = {}
    patches = dict(machine.patches)
    finalizers, machine.finalizers = machine.finalizers, []
    asked = len(machine.asked_for)

    def at_yield(given_out: Value) -> None:
        nonlocal value, mark
        value, mark = given_out, len(machine.trace)
        # `patch.dict` around a `yield` is kept: it stands for nothing else, and guards from changes.
        guards.update({key: new for key, new in machine.patches.items() if not key[0]})

    def work() -> None:
        nonlocal value
        call = calling.Call(machine, [], given, node, space.env)
        env = calling.bind_parameters(machine, function, None, call)
        frame = machine.run_function(function, env, at_yield)
        if mark is None and frame.returned is not None:
            value = frame.returned
        if value is UNKNOWN:
            value = lookup.from_annotation(machine, node.returns, space.env)

    actions = guarded(machine, work, wide=reach != "own")
    if reach != "own":
        keep(value)
    late, machine.finalizers = machine.finalizers, finalizers
    position = len(actions) if mark is None else mark
    made = {key: new for key, new in machine.patches.items() if patches.get(key) is not new} | guards
    setup = [*_doubtful_decorators(machine, space, node), *actions[:position]]
    teardown = [*actions[position:], *late]
    asked_for = machine.asked_for[asked:]
    return FixtureResult(value, setup, teardown, made, reach, list(given.values()), asked_for)


def _doubtful_decorators(machine: Machine, space: ModuleSpace, node: Definition) -> list[Action]:
    """Return doubts of a fixture with decorators of the project's own, which are not followed."""
    found: list[Action] = []
    for decorator in node.decorator_list:
        used = None
        if "fixture" not in ast.unparse(decorator):
            used = machine.evaluate(decorator, space.env)
        if isinstance(used, Function | Class | Instance | Bound):
            what = f"what the decorator {ast.unparse(decorator)[:60]} makes of it is not known"
            line = decorator.lineno
            found.append(Action(Kind.DOUBT, None, NO_TABLES, what, space.path, line, weight=0.55))
    return found


def links_of(value: Value, depth: int = 3) -> set[str]:
    """Return the names of the connections inside a value."""
    found: set[str] = set()
    if isinstance(value, Lib) and value.link is not None:
        found.add(value.link.name)
    inner: list[Value] = []
    if isinstance(value, Seq):
        inner = value.items
    elif isinstance(value, Map):
        inner = list(value.items.values())
    elif isinstance(value, Instance | Lib):
        inner = list(value.attrs.values())
    if depth:
        for one in inner[:16]:
            found |= links_of(one, depth - 1)
    return found
