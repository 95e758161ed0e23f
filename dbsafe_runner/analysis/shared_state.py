"""Shared state: variables in the process by which tests of one file hang on each other.

These are variables of the module, attributes of its classes, what its class- and module-scoped
fixtures give, and the variables of other modules where tests get at all of them by `vars(module)`.
Functions of the same file that a test calls, and its fixtures there, are looked into. What a fixture
empties or sets before each test is shared by nobody. Other modules are not followed.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from collections.abc import Iterator

from dbsafe_runner.analysis.modules import Definition, ModuleSpace
from dbsafe_runner.domain.test import Test

_CHANGING = frozenset(
    [
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "pop",
        "popleft",
        "appendleft",
        "clear",
        "remove",
        "discard",
        "setdefault",
        "popitem",
    ]
)
_CHANGE = re.compile(
    rf"\b(\w+)\s*\.\s*(?:{'|'.join(sorted(_CHANGING))})\s*\("
    r"|\b(\w+)\s*\[[^\n]*\]\s*[-+*/|&^%]?=(?!=)"
    r"|\bdel\s+(\w+)\s*\["
    r"|\b(\w+)\s*\.\s*\w+\s*[-+*/|&^%]?=(?!=)"
    r"|\bglobal\s+([\w, ]+)"
)
_WIDE = frozenset({"class", "module"})
_OWN_CLASS = frozenset({"self", "cls"})


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """One variable that a test shares with others; `what` says how, in words."""

    name: str
    what: str
    file: str
    line: int


@dataclasses.dataclass(slots=True)
class _Uses:
    reads: dict[str, int] = dataclasses.field(default_factory=dict)
    writes: dict[str, int] = dataclasses.field(default_factory=dict)
    #: What is set before the test, whatever the tests before it have done.
    renewed: set[str] = dataclasses.field(default_factory=set)


def shared(space: ModuleSpace, file: str, tests: list[Test]) -> dict[str, list[Share]]:
    """Return, by node id, the variables by which a test hangs on others of its file."""
    names = _module_variables(space.tree) | _wide_fixtures(space, tests)
    if "global " in space.text or any(f"{n}." in space.text or f"{n}[" in space.text for n in names):
        names &= _changed_names(space.text)
    else:
        names = set()
    classes = _class_variables(space)
    modules = _imported_modules(space.tree) if "vars(" in space.text else set()
    if not names and not classes and not modules:
        return {}
    reader = _Reader(space, names, classes, modules)
    uses: dict[tuple[str, str], _Uses] = {}
    for test in tests:
        key = _key(test)
        if key not in uses:
            uses[key] = reader.uses(test)
    found: dict[str, list[Share]] = {}
    for test in tests:
        own = uses[_key(test)]
        shares = [
            share
            for name in sorted({*own.reads, *own.writes} - own.renewed)
            if (share := _share(name, _key(test), uses, file)) is not None
        ]
        if shares:
            found[test.nodeid] = shares
    return found


def _key(test: Test) -> tuple[str, str]:
    return (test.cls, test.function.partition("[")[0])


def _share(
    name: str, key: tuple[str, str], uses: dict[tuple[str, str], _Uses], file: str
) -> Share | None:
    """Return how a test shares a variable: one that shares it must change it, another read it."""
    own = uses[key]
    others = [(other, use) for other, use in uses.items() if other != key and name not in use.renewed]
    writers = [other for other, use in others if name in use.writes]
    readers = [other for other, use in others if name in use.reads]
    if name in own.reads and writers:
        what = f"reads the module's {name}, which {writers[0][1]} changes"
        return Share(name, what, file, own.reads[name])
    if name in own.writes and readers:
        what = f"changes the module's {name}, which {readers[0][1]} reads"
        return Share(name, what, file, own.writes[name])
    return None


def _changed_names(text: str) -> set[str]:
    """Return the names that something in a text may change: cheaper than walking its tree."""
    found: set[str] = set()
    for change in _CHANGE.finditer(text):
        found.update(name.strip() for group in change.groups() if group for name in group.split(","))
    return found


def _module_variables(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for statement in tree.body:
        found.update(_assigned(statement))
        if isinstance(statement, ast.ClassDef):
            found.add(statement.name)
    return found


def _imported_modules(tree: ast.Module) -> set[str]:
    """Return the names under which the module's own `import` statements bind other modules."""
    return {
        alias.asname or alias.name.partition(".")[0]
        for statement in tree.body
        if isinstance(statement, ast.Import)
        for alias in statement.names
    }


def _class_variables(space: ModuleSpace) -> dict[str, set[str]]:
    """Return the names that each class of the module assigns in its body and something may change."""
    found: dict[str, set[str]] = {}
    for statement in space.tree.body:
        if isinstance(statement, ast.ClassDef):
            names = {name for inner in statement.body for name in _assigned(inner)}
            names = {name for name in names if _member_changes(name).search(space.text)}
            if names:
                found[statement.name] = names
    return found


@functools.lru_cache(maxsize=512)
def _member_changes(name: str) -> re.Pattern[str]:
    changing = "|".join(sorted(_CHANGING))
    sets = r"(?:\s*\[[^\n]*\])?\s*[-+*/|&^%]?=(?!=)"
    return re.compile(rf"\.\s*{name}(?:{sets}|\s*\.\s*(?:{changing})\s*\()")


def _assigned(statement: ast.stmt) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _wide_fixtures(space: ModuleSpace, tests: list[Test]) -> set[str]:
    """Return the fixtures of this file that several tests get the same instance of."""
    return {
        fixture.name
        for test in tests
        for fixture in test.fixtures
        if fixture.scope in _WIDE and fixture.file == space.path
    }


class _Reader:
    """Finds what tests do with the variables of one file."""

    def __init__(
        self, space: ModuleSpace, names: set[str], classes: dict[str, set[str]], modules: set[str]
    ) -> None:
        self._space, self._names, self._classes, self._modules = space, names, classes, modules

    def uses(self, test: Test) -> _Uses:
        """Return what a test does, with its own fixtures in this file and all that they call there."""
        uses = _Uses()
        followed: set[int] = set()
        for fixture in test.fixtures:
            if fixture.file == self._space.path and fixture.scope == "function":
                node = self._nearest(fixture.function.rpartition(".")[2], fixture.line)
                if node is not None:
                    uses.renewed |= self._renewed(node, test.cls)
                    self._look(node, test.cls, uses, followed)
        node = self._nearest(test.function.partition("[")[0], test.line)
        if node is not None:
            self._look(node, test.cls, uses, followed)
        return uses

    def _nearest(self, name: str, line: int) -> Definition | None:
        found = [node for node, _ in self._space.definitions(name)]
        return min(found, key=lambda one: abs(one.lineno - line), default=None)

    def _look(self, node: Definition, cls: str, uses: _Uses, followed: set[int]) -> None:
        """Note what a function does, and the functions of the module that it calls."""
        if id(node) in followed:
            return
        followed.add(id(node))
        visible = self._visible(node)
        for part in ast.walk(node):
            for name, line in self._whole_modules(part):
                # What is done with the variables of another module is not followed: both is possible.
                uses.reads.setdefault(name, line)
                uses.writes.setdefault(name, line)
            for name, line, writes in self._touched(part, visible, cls):
                (uses.writes if writes else uses.reads).setdefault(name, line)
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                for called, owner in self._space.definitions(part.func.id):
                    if owner is None:
                        self._look(called, cls, uses, followed)

    def _whole_modules(self, part: ast.AST) -> Iterator[tuple[str, int]]:
        """Yield `vars(module)`, and its line, where a node is that of an imported module."""
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "vars":
            for argument in part.args:
                if isinstance(argument, ast.Name) and argument.id in self._modules:
                    yield f"vars({argument.id})", part.lineno

    def _visible(self, node: Definition) -> set[str]:
        """Return the shared variables that a function does not hide behind names of its own.

        A parameter hides a variable of the module, but is the fixture of that name.
        """
        stated = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
        hidden = {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id not in stated
        }
        fixtures = {name for name in self._names if self._space.definitions(name)}
        parameters = {argument.arg for argument in node.args.args}
        return (self._names | stated) - hidden - (parameters - fixtures)

    def _renewed(self, node: Definition, cls: str) -> set[str]:
        """Return what a fixture sets or empties at its very beginning."""
        visible = self._visible(node)
        found: set[str] = set()
        for statement in node.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield):
                break
            call = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                holder = self._holder(call.func.value, visible, cls)
                found.update([holder] if holder and call.func.attr == "clear" else [])
            elif isinstance(statement, ast.Assign):
                touched = [one for t in statement.targets for one in self._touched(t, visible, cls)]
                found.update(name for name, _, writes in touched if writes)
        return found

    def _touched(self, part: ast.AST, visible: set[str], cls: str) -> Iterator[tuple[str, int, bool]]:
        """Yield (variable, line, whether it is changed) for one node."""
        if isinstance(part, ast.Name) and part.id in visible:
            yield part.id, part.lineno, isinstance(part.ctx, ast.Store)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            holder = self._holder(part.func.value, visible, cls)
            if holder and part.func.attr in _CHANGING:
                yield holder, part.lineno, True
        elif isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
            holder = self._holder(part.value, visible, cls)
            if holder:
                yield holder, part.lineno, True
        elif isinstance(part, ast.Attribute):
            name, through_class = self._member(part, visible, cls)
            stored = isinstance(part.ctx, ast.Store)
            if name and (through_class or not stored):
                yield name, part.lineno, stored

    def _holder(self, node: ast.expr, visible: set[str], cls: str) -> str:
        """Return the variable that an expression names, or an empty string."""
        if isinstance(node, ast.Name):
            return node.id if node.id in visible else ""
        return self._member(node, visible, cls)[0] if isinstance(node, ast.Attribute) else ""

    def _member(self, node: ast.Attribute, visible: set[str], cls: str) -> tuple[str, bool]:
        """Return the shared attribute that an expression names, and whether it is the class's own."""
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id not in _OWN_CLASS:
            known = owner.id in visible and (owner.id == cls or isinstance(node.ctx, ast.Store))
            return (f"{owner.id}.{node.attr}" if known else ""), True
        if node.attr not in self._classes.get(cls, ()):
            return "", False
        through_class = _names_the_class(owner)
        own = through_class or (isinstance(owner, ast.Name) and owner.id in _OWN_CLASS)
        return (f"{cls}.{node.attr}" if own else ""), through_class


def _names_the_class(node: ast.expr) -> bool:
    """Whether an expression is `cls`, `type(self)` or `self.__class__`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "type"
    if isinstance(node, ast.Attribute):
        return node.attr == "__class__"
    return isinstance(node, ast.Name) and node.id == "cls"
