"""Shared state: variables in the process by which tests of one file hang on each other.

These are variables of the module, attributes of its classes, what its class- and module-scoped
fixtures give, and the variables of other modules where tests get at all of them by `vars(module)`.
Functions of the same file that a test calls, and its fixtures there, are looked into. What a fixture
empties or sets before each test is shared by nobody. What the code of other modules holds is noted
by `process_state` while it is followed; `lasting` sums that up.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from dbsafe_runner.analysis import file_variables
from dbsafe_runner.analysis.modules import Definition, ModuleSpace
from dbsafe_runner.analysis.state_methods import CHANGING
from dbsafe_runner.domain.test import Test

_CHANGING = CHANGING
#: Methods that pytest and unittest call around each test of a class, and those of them that go before.
_AROUND = ("setup_method", "setUp", "asyncSetUp", "teardown_method", "tearDown", "asyncTearDown")
_BEFORE = frozenset(_AROUND[:3])
_WIDE = frozenset({"class", "module"})
_OWN_CLASS = frozenset({"self", "cls"})


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """One variable that a test shares with others; `what` says how, in words."""

    name: str
    what: str
    file: str
    line: int
    #: Where that is, when it is not in `file`, absolute.
    place: str = ""


@dataclasses.dataclass(slots=True)
class _Uses:
    reads: dict[str, int] = dataclasses.field(default_factory=dict)
    writes: dict[str, int] = dataclasses.field(default_factory=dict)
    #: What is set before the test, whatever the tests before it have done.
    renewed: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(slots=True)
class Told:
    """The variables of a file of tests whose changes are told from its text, test by test."""

    names: set[str]
    classes: dict[str, set[str]]
    wide: set[str]
    #: The class of the test that is being followed.
    own: str = ""

    def tells(self, part: ast.expr, *, local: bool) -> bool:
        """Return whether a change is told; `local`: it begins with a name of the function."""
        place: ast.expr = part
        while isinstance(place, ast.Attribute | ast.Subscript | ast.Call):
            if isinstance(place, ast.Attribute) and place.attr in self.classes.get(self.own, ()):
                owner = place.value
                named = isinstance(owner, ast.Name) and owner.id in {*_OWN_CLASS, self.own}
                if named or file_variables.names_the_class(owner):
                    return True
            place = place.func if isinstance(place, ast.Call) else place.value
        if not isinstance(place, ast.Name):
            return False
        return place.id in self.wide or (place.id in self.names and not local)


def told(space: ModuleSpace, tests: list[Test]) -> Told:
    """Return what `shared` looks after in a file."""
    wide = _wide_fixtures(space, tests)
    names = file_variables.module_variables(space.tree) | file_variables.stated_globals(space.text)
    return Told(names | wide, file_variables.class_variables(space), wide)


def shared(space: ModuleSpace, file: str, tests: list[Test], known: Told) -> dict[str, list[Share]]:
    """Return, by node id, the variables by which a test hangs on others of its file."""
    stateful = file_variables.stateful(space)
    names = known.names & (
        file_variables.changed_names(space.text) | file_variables.stated_globals(space.text) | stateful
    )
    classes = known.classes
    modules = file_variables.imported_modules(space.tree) if "vars(" in space.text else set()
    if not names and not classes and not modules:
        return {}
    reader = _Reader(space, names, classes, modules, stateful & names)
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
        self,
        space: ModuleSpace,
        names: set[str],
        classes: dict[str, set[str]],
        modules: set[str],
        stateful: set[str],
    ) -> None:
        self._space, self._names, self._classes, self._modules = space, names, classes, modules
        self._stateful = stateful

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
        for name in _AROUND if test.cls else ("setup_function", "teardown_function"):
            for node in self._methods(name, test.cls):
                uses.renewed |= self._renewed(node, test.cls) if name in _BEFORE else set()
                self._look(node, test.cls, uses, followed)
        node = self._nearest(test.function.partition("[")[0], test.line)
        if node is not None:
            self._look(node, test.cls, uses, followed)
        return uses

    def _methods(self, name: str, cls: str) -> list[Definition]:
        """Return the functions of a class by name, or of the module where `cls` is empty."""
        found = self._space.definitions(name)
        return [node for node, owner in found if (owner.name if owner is not None else "") == cls]

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
            for called in self._called(part, cls):
                self._look(called, cls, uses, followed)

    def _called(self, part: ast.AST, cls: str) -> list[Definition]:
        """Return the functions that a name may call: those of the module, and the class's own."""
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            return self._methods(part.id, "")
        own = isinstance(part, ast.Attribute) and cls and _names_own(part.value, cls)
        return self._methods(part.attr, cls) if own and isinstance(part, ast.Attribute) else []

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
                found.update(
                    self._exact(call.func.value, visible, cls) if call.func.attr == "clear" else ()
                )
            elif isinstance(statement, ast.Assign):
                for target in statement.targets:
                    found.update(self._exact(target, visible, cls))
        return found - self._stateful

    def _exact(self, node: ast.expr, visible: set[str], cls: str) -> set[str]:
        """Return the variable that an expression is, all of it and not a part."""
        if isinstance(node, ast.Name):
            return {node.id} & visible
        member = self._member(node, cls) if isinstance(node, ast.Attribute) else ""
        return {member} if member else set()

    def _touched(self, part: ast.AST, visible: set[str], cls: str) -> Iterator[tuple[str, int, bool]]:
        """Yield (variable, line, whether it is changed) for one node."""
        if isinstance(part, ast.Name) and part.id in visible:
            yield part.id, part.lineno, not isinstance(part.ctx, ast.Load)
            if part.id in self._stateful:
                yield part.id, part.lineno, True
        elif isinstance(part, ast.Call):
            for changed in _changed_by_call(part):
                if holder := self._holder(changed, visible, cls):
                    yield holder, part.lineno, True
        elif isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
            if holder := self._holder(part.value, visible, cls):
                yield holder, part.lineno, True
        elif isinstance(part, ast.Attribute):
            yield from self._touched_attribute(part, visible, cls)

    def _touched_attribute(
        self, part: ast.Attribute, visible: set[str], cls: str
    ) -> Iterator[tuple[str, int, bool]]:
        stored = not isinstance(part.ctx, ast.Load)
        name = self._member(part, cls)
        if name:
            # An assignment through `self` makes an attribute of the object, which hides the class's.
            if not stored or not _is_self(part.value):
                yield name, part.lineno, stored
        elif stored and (holder := self._holder(part.value, visible, cls)):
            yield holder, part.lineno, True

    def _holder(self, node: ast.expr, visible: set[str], cls: str) -> str:
        """Return the variable of which an expression names a part, or an empty string."""
        place: ast.expr | None = node
        while place is not None:
            if isinstance(place, ast.Name):
                return place.id if place.id in visible else ""
            if isinstance(place, ast.Attribute) and (name := self._member(place, cls)):
                return name
            place = place.func if isinstance(place, ast.Call) else getattr(place, "value", None)
        return ""

    def _member(self, node: ast.Attribute, cls: str) -> str:
        """Return the attribute of the test's class that an expression names, or an empty string."""
        known = node.attr in self._classes.get(cls, ()) and _names_own(node.value, cls)
        return f"{cls}.{node.attr}" if known else ""


def _changed_by_call(node: ast.Call) -> Iterator[ast.expr]:
    """Yield what a call surely changes, if it is of those that are known to."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
        yield node.func.value
    elif isinstance(node.func, ast.Name) and node.func.id in {"next", "setattr", "delattr"}:
        yield from node.args[:1]


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _names_own(node: ast.expr, cls: str) -> bool:
    """Whether an expression is the test's object or its class."""
    return (
        _is_self(node)
        or file_variables.names_the_class(node)
        or (isinstance(node, ast.Name) and node.id == cls)
    )
