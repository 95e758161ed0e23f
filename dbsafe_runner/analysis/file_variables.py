"""File variables: what a file of tests holds in its modules and classes, and what may change it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

from dbsafe_runner.analysis.modules import ModuleSpace
from dbsafe_runner.analysis.state_methods import CHANGING

_METHODS = "|".join(sorted(CHANGING))


#: A line in which something may be changed: a method, an attribute or item, `del`, `global`, and calls.
_CHANGE = re.compile(
    rf"\.\s*(?:{_METHODS})\s*\(|(?:\.\s*\w+|\])\s*(?:[-+*/|&^%@]|//|\*\*|<<|>>)?=(?!=)"
    r"|\b(?:del|global|next|setattr|delattr)\b"
)


_WORD = re.compile(r"[^\W\d]\w*")


_GLOBAL = re.compile(r"^\s+global\s+([\w, ]+)", re.MULTILINE)


#: What is called to make an object that every use may change.
_WORDS = """
    count cycle repeat chain islice accumulate starmap takewhile dropwhile tee zip_longest iter map
    filter zip enumerate reversed open StringIO BytesIO Queue LifoQueue PriorityQueue SimpleQueue Random
    Event Mock MagicMock AsyncMock Lock RLock Semaphore Barrier ContextVar local
"""
_STATEFUL = frozenset(_WORDS.split())


def stated_globals(text: str) -> set[str]:
    """Return the variables that functions declare to be the module's, which need not exist yet."""
    stated = _GLOBAL.findall(text) if "global " in text else []
    return {name.strip() for names in stated for name in names.split(",")}


def stateful(space: ModuleSpace) -> set[str]:
    """Return the variables of a module that every use may change: iterators, queues, test doubles."""
    found: set[str] = set()
    for statement in space.tree.body:
        value = getattr(statement, "value", None)
        called = value.func if isinstance(value, ast.Call) else None
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        generator = any(
            space.may_yield(node) for node, owner in space.definitions(name) if owner is None
        )
        if isinstance(value, ast.GeneratorExp) or name in _STATEFUL or generator:
            found.update(_assigned(statement))
    return found


def changed_names(text: str) -> set[str]:
    """Return the names in lines that may change something: cheaper than walking the tree."""
    found: set[str] = set()
    end = 0
    for change in _CHANGE.finditer(text):
        if change.start() >= end:
            start, end = text.rfind("\n", 0, change.start()) + 1, text.find("\n", change.end())
            end = len(text) if end < 0 else end
            found.update(_WORD.findall(text, start, end))
    return found


def module_variables(tree: ast.Module) -> set[str]:
    """Return what a module assigns or defines as a class at its top level."""
    found: set[str] = set()
    for statement in tree.body:
        found.update(_assigned(statement))
        if isinstance(statement, ast.ClassDef):
            found.add(statement.name)
    return found


def imported_modules(tree: ast.Module) -> set[str]:
    """Return the names under which the module's own `import` statements bind other modules."""
    return {
        alias.asname or alias.name.partition(".")[0]
        for statement in tree.body
        if isinstance(statement, ast.Import)
        for alias in statement.names
    }


def class_variables(space: ModuleSpace) -> dict[str, set[str]]:
    """Return the names that a class has for all its objects and something may change, by class."""
    found: dict[str, set[str]] = {}
    for statement in space.tree.body:
        if isinstance(statement, ast.ClassDef):
            names = {name for inner in statement.body for name in _assigned(inner)}
            names |= _set_on_class(statement, space.text)
            names = {name for name in names if _member_changes(name).search(space.text)}
            if names:
                found[statement.name] = names
    return found


def _set_on_class(node: ast.ClassDef, text: str) -> set[str]:
    """Return the attributes that functions set on a class: `setup_class(cls): cls.rows = []`."""
    if not any(part in text for part in ("cls.", "__class__", "type(self)", f"{node.name}.")):
        return set()
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
        if names_the_class(part.value)
        or (isinstance(part.value, ast.Name) and part.value.id == node.name)
    }


@functools.lru_cache(maxsize=512)
def _member_changes(name: str) -> re.Pattern[str]:
    changes = rf"(?:[^\n]*[^\n=!<>]=(?!=)|\s*=(?!=)|[^\n]*\.\s*(?:{_METHODS})\s*\()"
    return re.compile(rf"\.\s*{name}\b{changes}|\b(?:del|next|setattr|delattr)\b[^\n]*\.\s*{name}\b")


def _assigned(statement: ast.stmt) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def names_the_class(node: ast.expr) -> bool:
    """Whether an expression is `cls`, `type(self)` or `self.__class__`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "type"
    if isinstance(node, ast.Attribute):
        return node.attr == "__class__"
    return isinstance(node, ast.Name) and node.id == "cls"
