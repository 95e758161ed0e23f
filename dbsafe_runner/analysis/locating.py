"""Locating: the definitions that pytest's names of fixtures, classes and tests stand for."""

from __future__ import annotations

import ast

from dbsafe_runner.analysis import classes
from dbsafe_runner.analysis.machine import Machine
from dbsafe_runner.analysis.modules import Definition, ModuleSpace
from dbsafe_runner.analysis.values import Class, Function, Instance, Lib, Value, options
from dbsafe_runner.domain.test import FixtureDef, Test


def definition_of(
    space: ModuleSpace, fixture: FixtureDef
) -> tuple[Definition, ast.ClassDef | None] | None:
    """Return the function that defines a fixture: by its name, nearest to the line that pytest gave."""
    found = space.definitions(fixture.function.rpartition(".")[2]) or space.definitions(fixture.name)
    return min(found, key=lambda one: abs(_first_line(one[0]) - fixture.line), default=None)


def _first_line(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def class_named(machine: Machine, space: ModuleSpace, dotted: str) -> Class | None:
    """Return the class of a module by its name, also one inside others; None when there is none."""
    value: Value | None = None
    for part in dotted.replace("::", ".").split("."):
        if value is None:
            value = machine.modules.name(space, part)
        else:
            value = classes.member(machine, value, part) if isinstance(value, Class) else None
        value = next((one for one in options(value) if isinstance(one, Class)), None) if value else None
    return value if isinstance(value, Class) else None


def test_function(
    machine: Machine, space: ModuleSpace, test: Test, receiver: Instance | None
) -> Function | None:
    """Return the function of a test, `receiver` being its class's object; None when it is not found."""
    name = test.function.partition("[")[0]
    if receiver is not None:
        member = classes.member(machine, receiver.cls, name)
        return _unwrapped(member)
    found = _unwrapped(machine.modules.name(space, name))
    if found is None:
        nodes = space.definitions(name)
        node = min(nodes, key=lambda one: abs(one[0].lineno - test.line), default=None)
        return Function(node[0], space) if node is not None else None
    return found


def _unwrapped(value: Value | None) -> Function | None:
    if isinstance(value, Lib) and value.kind == "wrapped":
        return _unwrapped(value.attrs["function"])
    return value if isinstance(value, Function) else None


def fixture_named(machine: Machine, file: str, name: str) -> FixtureDef | None:
    """Return the fixture that a test file sees under a name: its own, or of the nearest conftest.py."""
    path = machine.sources.absolute(file)
    folder = path.rpartition("/")[0]
    places = [path]
    while folder:
        places.append(f"{folder}/conftest.py")
        if folder == machine.sources.project.rootdir.rstrip("/"):
            break
        folder = folder.rpartition("/")[0]
    for place in places:
        space = machine.modules.space(place)
        for node, _owner in space.definitions(name) if space is not None else ():
            for decorator in node.decorator_list:
                if "fixture" in ast.unparse(decorator):
                    return FixtureDef(name, _scope(decorator), place, _first_line(node), name)
    return None


def _scope(decorator: ast.expr) -> str:
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    given = next((one.value for one in keywords if one.arg == "scope"), None)
    return str(given.value) if isinstance(given, ast.Constant) else "function"
