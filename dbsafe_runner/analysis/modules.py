"""Modules: the names of a project module, found by following its top level once, when first needed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis.values import (
    NONE,
    UNKNOWN,
    Class,
    Const,
    Env,
    External,
    Function,
    Lazy,
    Module,
    Value,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class ModuleSpace:
    """One module of the project: its syntax tree and, once it has been followed, its names."""

    def __init__(self, path: str, tree: ast.Module, text: str) -> None:
        self.path = path
        self.tree = tree
        self.text = text
        #: Modules of which it imports everything.
        self.starred: list[Lazy] = []
        self.env = Env(self)
        #: None: not followed yet; False: being followed, as in an import cycle; True: followed.
        self.followed: bool | None = None
        self._definitions: dict[str, list[tuple[Definition, ast.ClassDef | None]]] | None = None
        self._yields: list[int] | None = None

    def let_go(self) -> None:
        """Drop the tree, to which the circle of names that refer to their module would hold on."""
        self.env.names.clear()
        self.tree = ast.Module([], [])
        self._definitions = None

    def may_yield(self, node: Definition) -> bool:
        """Return whether the word yield stands in a function: cheaper than walking its tree."""
        if self._yields is None:
            lines = self.text.splitlines() if "yield" in self.text else []
            self._yields = [number for number, line in enumerate(lines, 1) if "yield" in line]
        last = node.end_lineno or node.lineno
        return any(node.lineno <= line <= last for line in self._yields)

    def definitions(self, name: str) -> list[tuple[Definition, ast.ClassDef | None]]:
        """Return the functions of that name anywhere in the file, with the class that holds each."""
        if self._definitions is None:
            self._definitions = {}
            _collect(self.tree.body, None, self._definitions)
        return self._definitions.get(name, [])


def _collect(
    body: list[ast.stmt],
    owner: ast.ClassDef | None,
    found: dict[str, list[tuple[Definition, ast.ClassDef | None]]],
) -> None:
    for statement in body:
        if isinstance(statement, Definition):
            found.setdefault(statement.name, []).append((statement, owner))
            _collect(statement.body, None, found)
        elif isinstance(statement, ast.ClassDef):
            _collect(statement.body, statement, found)
        elif isinstance(statement, ast.If | ast.Try | ast.With | ast.For):
            for field in ("body", "orelse", "finalbody"):
                _collect(getattr(statement, field, []), owner, found)
            for handler in getattr(statement, "handlers", []):
                _collect(handler.body, owner, found)


class ModuleIndex:
    """All modules of the project that were asked for, by path."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._spaces: dict[str, ModuleSpace | None] = {}

    def space(self, path: str) -> ModuleSpace | None:
        """Return the module at a path; None when it cannot be parsed."""
        if path not in self._spaces:
            tree = self._machine.sources.tree(path)
            text = self._machine.sources.text(path) or ""
            self._spaces[path] = ModuleSpace(path, tree, text) if tree is not None else None
        return self._spaces[path]

    def forget(self, path: str) -> None:
        """Let go of a module that nothing else is likely to ask for: a file of tests."""
        space = self._spaces.pop(path, None)
        if space is not None:
            space.let_go()
        self._machine.sources.forget(path)

    def find(self, dotted: str, from_file: str) -> Value:
        """Return the module of that dotted name: of the project, or external."""
        path = self._machine.sources.resolve(dotted, from_file)
        if path is None:
            return External(dotted.lstrip(".")) if not dotted.startswith(".") else UNKNOWN
        space = self.space(path)
        return Module(dotted, space) if space is not None else UNKNOWN

    def name(self, space: ModuleSpace, name: str) -> Value | None:
        """Return what a module calls `name`, or None when it has no such name."""
        patched = self._machine.patched(space.path, name)
        if patched is not None:
            return patched
        if space.followed is None:
            self._follow(space)
        found = space.env.names.get(name)
        if found is None and space.followed is False:
            found = self._ahead(space, name)
        if found is None and space.path.endswith("/__init__.py"):
            path = self._machine.sources.resolve("." + name, space.path)
            inner = self.space(path) if path is not None else None
            if inner is not None:
                return Module(name, inner)
        return found

    def _follow(self, space: ModuleSpace) -> None:
        space.followed = False
        space.env.names["__name__"] = Const(space.path.rpartition("/")[2].removesuffix(".py"))
        space.env.names["__file__"] = Const(space.path)
        space.env.names["__package__"] = NONE
        self._machine.run_module(space)
        space.followed = True

    def _ahead(self, space: ModuleSpace, name: str) -> Value | None:
        """Find a definition further down in a module that is still being followed."""
        for statement in space.tree.body:
            if isinstance(statement, Definition) and statement.name == name:
                return Function(statement, space)
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                return Class(statement, space)
        return None
