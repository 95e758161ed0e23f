"""Walks a test as pytest would: its fixtures, its set-up methods, its body, its teardown."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import calling, classes, known_fixtures, locating, lookup, parametrize
from dbsafe_runner.analysis.actions import Action
from dbsafe_runner.analysis.django_apps import DjangoApps
from dbsafe_runner.analysis.fixture_results import FixtureResult, guarded, links_of, run_fixture
from dbsafe_runner.analysis.machine import Frame, Machine, TooMuchError
from dbsafe_runner.analysis.modules import Definition, ModuleSpace
from dbsafe_runner.analysis.values import (
    MOCK,
    UNKNOWN,
    Bound,
    Env,
    Function,
    Instance,
    Lib,
    Value,
    text_of,
)
from dbsafe_runner.domain.test import FixtureDef, Test

if TYPE_CHECKING:
    from collections.abc import Callable

#: Scopes by how wide they are; what is wider than a test is not its own doing.
OWN, BATCH, WIDE = "own", "batch", "wide"
_REACH = {"function": OWN, "class": BATCH, "module": BATCH, "package": WIDE, "session": WIDE}


@dataclasses.dataclass(slots=True, eq=False)
class Walk:
    """Everything that happens around one test, by phase."""

    wide: list[Action] = dataclasses.field(default_factory=list)
    batch: list[Action] = dataclasses.field(default_factory=list)
    setup: list[Action] = dataclasses.field(default_factory=list)
    body: list[Action] = dataclasses.field(default_factory=list)
    teardown: list[Action] = dataclasses.field(default_factory=list)
    #: Connections that belong to fixtures wider than the test.
    shared_links: set[str] = dataclasses.field(default_factory=set)
    #: Files that the walk started from.
    files: set[str] = dataclasses.field(default_factory=set)
    #: Why a file could not be followed, in words, by file.
    problems: dict[str, str] = dataclasses.field(default_factory=dict)
    #: External names of the test class's ancestors.
    ancestors: list[str] = dataclasses.field(default_factory=list)
    #: What Django's flush does beside emptying the tables; for tests that end with one.
    after_flush: Callable[[], list[Action]] = list


class Walker:
    """Walks tests; fixtures that were walked before with equal surroundings are not walked again."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._results: dict[object, FixtureResult] = {}
        #: Results of fixtures that the current file of tests defines.
        self._passing: dict[object, FixtureResult] = {}
        self._apps = DjangoApps(machine)

    def walk(self, test: Test, variant: tuple[int, int] = (0, 0)) -> Walk:
        """Follow one test from its widest fixture to its teardown.

        `variant` is its place among the tests made of the same function, and how many there are.
        """
        walk = Walk()
        file = self._machine.sources.absolute(test.code_file)
        walk.files.add(file)
        walk.after_flush = functools.partial(self._after_flush, walk.files)
        space = self._space(file, walk)
        cls = (
            locating.class_named(self._machine, space, test.cls)
            if space is not None and test.cls
            else None
        )
        walk.ancestors = classes.ancestors(self._machine, cls) if cls is not None else []
        if self._machine.told is not None:
            self._machine.told.own = test.cls.rpartition(".")[2].rpartition("::")[2]
        visit = _Visit(self, self._machine, test, walk, Instance(cls) if cls is not None else None)
        visit.variant = variant
        self._machine.patches.clear()
        for fixture in test.fixtures:
            visit.value(fixture.name)
        if space is not None:
            visit.body(space)
        visit.finish()
        self._machine.patches.clear()
        return walk

    def begin_file(self, path: str) -> None:
        """Begin with a file of tests; what only the one before needed is let go of."""
        self._passing.clear()
        self._machine.begin_file(path)

    def _space(self, file: str, walk: Walk) -> ModuleSpace | None:
        space = self._machine.modules.space(file)
        if space is None:
            walk.problems[file] = self._machine.sources.problem(file)
        return space

    def _after_flush(self, files: set[str]) -> list[Action]:
        """Return what the project does behind a flush; the test rests on the settings from now on."""
        if self._apps.settings is not None:
            files.add(self._apps.settings)
        return self._apps.after_migration()

    def remembered(self, file: str, key: object, make: Callable[[], FixtureResult]) -> FixtureResult:
        """Return the result of a file's fixture under a key, walking it if there is none yet."""
        results = self._passing if file == self._machine.passing_file else self._results
        if key not in results:
            results[key] = make()
        return results[key]


class _Visit:
    """The walk of one test."""

    def __init__(
        self, walker: Walker, machine: Machine, test: Test, walk: Walk, receiver: Instance | None
    ) -> None:
        self._walker, self._machine, self._test, self._walk = walker, machine, test, walk
        self._receiver = receiver
        self.variant = (0, 0)
        self._definitions: dict[str, list[FixtureDef]] = {}
        machine.fixture_value = self._asked_for
        machine.asked_for = []
        for fixture in test.fixtures:
            self._definitions.setdefault(fixture.name, []).append(fixture)
        self._done: dict[tuple[str, int], FixtureResult] = {}
        self._running: set[tuple[str, int]] = set()
        self._teardowns: list[list[Action]] = []

    def value(self, name: str, below: int | None = None) -> Value | None:
        """Return a fixture's value, following it first; `below` asks for the one that it overrides."""
        found = self._definitions.get(name, [])
        position = len(found) - 1 if below is None else below - 1
        if position < 0 and below is None and self._found_by_name(name):
            return self.value(name)
        if position < 0:
            known = known_fixtures.find(name)
            return (
                None if known is None else self._finished((name, -1), known_fixtures.result(known)).value
            )
        key = (name, position)
        if key in self._done:
            return self._done[key].value
        if key in self._running:
            return UNKNOWN
        self._running.add(key)
        result = self._follow(found[position], position)
        self._running.discard(key)
        return self._finished(key, result).value

    def _asked_for(self, name: str) -> Value | None:
        """Return the value of a fixture that running code asks for by name."""
        self._machine.asked_for.append(name)
        return self.value(name)

    def _found_by_name(self, name: str) -> bool:
        """Find a fixture that pytest has not listed, as nothing but running code asks for it."""
        found = locating.fixture_named(self._machine, self._test.code_file, name)
        if found is not None:
            self._definitions[name] = [found]
        return found is not None

    def _finished(self, key: tuple[str, int], result: FixtureResult) -> FixtureResult:
        if key in self._done:
            return self._done[key]
        self._done[key] = result
        walk = self._walk
        phase = {OWN: walk.setup, BATCH: walk.batch, WIDE: walk.wide}[result.reach]
        phase.extend(result.setup)
        self._machine.patches.update(result.patches)
        if result.reach == OWN:
            self._teardowns.append(result.teardown)
        else:
            walk.shared_links |= {action.link.name for action in result.setup if action.link is not None}
            walk.shared_links |= links_of(result.value)
        return result

    def _follow(self, fixture: FixtureDef, position: int) -> FixtureResult:
        # Outside a class, pytest sets one of class scope up for each test.
        alone = fixture.scope == "class" and not self._test.cls
        reach = OWN if alone else _REACH.get(fixture.scope, OWN)
        if known_fixtures.is_ours(fixture.file):
            ours = known_fixtures.find_ours(fixture.name)
            return known_fixtures.result(ours, fixture.name, reach)
        if not fixture.file or known_fixtures.is_library(fixture.file):
            known = known_fixtures.find(fixture.name)
            if known is not None and known.does == "user":
                # It asks for `db` itself: the transaction begins before the user is made.
                self.value("db")
            return known_fixtures.result(known, fixture.name, reach)
        walk = self._walk
        walk.files.add(fixture.file)
        space = self._machine.modules.space(fixture.file)
        found = locating.definition_of(space, fixture) if space is not None else None
        if space is None or found is None:
            walk.problems[fixture.file] = self._machine.sources.problem(fixture.file) or (
                f"fixture {fixture.name} was not found where pytest says it is"
            )
            return FixtureResult(UNKNOWN, [], [], {}, reach)
        node, owner = found
        given = self._given(fixture, node, position)
        receiver = self._receiver if owner is not None else None
        if node.args.args and receiver is not None:
            given[node.args.args[0].arg] = receiver
        values = tuple((name, id(value)) for name, value in given.items())
        place = (fixture.file, node.lineno, reach, values)
        result = self._walker.remembered(
            fixture.file, place, lambda: run_fixture(self._machine, space, node, given, reach)
        )
        for name in result.asked_for:
            self.value(name)
        return result

    def _given(self, fixture: FixtureDef, node: Definition, position: int) -> dict[str, Value]:
        """Return what a fixture's function is called with."""
        found: dict[str, Value] = {}
        for argument in (*node.args.args, *node.args.kwonlyargs):
            name = argument.arg
            value = self.value(name, position if name == fixture.name else None)
            if value is not None:
                found[name] = value
        return found

    def body(self, space: ModuleSpace) -> None:
        """Follow the set-up methods, the test, and the teardown methods."""
        machine, walk = self._machine, self._walk
        parametrized: dict[str, Value] = {}
        before: tuple[str, ...] = _XUNIT_FUNCTION
        after: tuple[str, ...] = _XUNIT_FUNCTION_AFTER
        machine.steps = 0
        function = locating.test_function(machine, space, self._test, self._receiver)
        if self._receiver is not None:
            before, after = _XUNIT_METHOD, _XUNIT_METHOD_AFTER
            self._members(_XUNIT_CLASS, walk.batch)
            self._members(before, walk.setup)
        else:
            self._functions(space, before, walk.setup)
        self._functions(space, ("setup_module", "setUpModule"), walk.batch)
        if function is None:
            walk.problems[space.path] = f"{self._test.function} was not found where pytest says it is"
        else:
            frame = Frame(space, function.node)
            machine.frames.append(frame)
            # What is evaluated to find the parameters counts by itself, and may be too much.
            machine.steps = 0
            with contextlib.suppress(TooMuchError, RecursionError):
                parametrized = parametrize.arguments(machine, function, self._receiver, self.variant)
            walk.body.extend(self._guarded(lambda: self._call(function, parametrized)))
            machine.frames.pop()
        late: list[Action] = []
        if self._receiver is not None:
            self._members(after, late)
        else:
            self._functions(space, after, late)
        self._teardowns.append(late)

    def finish(self) -> None:
        """Put the teardowns behind, last set-up first."""
        self._walk.teardown.extend(self._machine.finalizers)
        self._machine.finalizers = []
        for actions in reversed(self._teardowns):
            self._walk.teardown.extend(actions)

    def _call(self, function: Function, parametrized: dict[str, Value]) -> None:
        machine = self._machine
        node = function.node
        patches = _entered_patches(machine, function)
        kwargs: dict[str, Value] = {}
        for argument in _parameters(function):
            value = parametrized.get(argument.arg)
            if value is None:
                value = self.value(argument.arg)
            if value is not None:
                kwargs[argument.arg] = value
            elif patches:
                kwargs[argument.arg] = MOCK
        given = calling.Call(machine, [], kwargs, node, function.module.env)
        result = machine.call(
            function if self._receiver is None else Bound(function, self._receiver), given
        )
        lookup.element(machine, result)

    def _members(self, names: tuple[str, ...], into: list[Action]) -> None:
        receiver = self._receiver
        assert receiver is not None
        for name in names:
            member = classes.member(self._machine, receiver.cls, name)
            if isinstance(member, Function):
                target = receiver.cls if member.kind == "classmethod" else receiver
                work = functools.partial(self._follow_plain, member, target)
                into.extend(guarded(self._machine, work, wide=into is self._walk.batch))

    def _functions(self, space: ModuleSpace, names: tuple[str, ...], into: list[Action]) -> None:
        for name in names:
            member = self._machine.modules.name(space, name)
            if isinstance(member, Function):
                work = functools.partial(self._follow_plain, member, None)
                into.extend(guarded(self._machine, work, wide=into is self._walk.batch))

    def _follow_plain(self, function: Function, receiver: Value | None) -> None:
        self._machine.follow(
            function, receiver, calling.Call(self._machine, [], {}, function.node, function.module.env)
        )

    def _guarded(self, work: Callable[[], object]) -> list[Action]:
        return guarded(self._machine, work)


_XUNIT_CLASS = ("setup_class", "setUpClass", "setUpTestData")
_XUNIT_METHOD = ("setup_method", "setUp", "asyncSetUp")
_XUNIT_METHOD_AFTER = ("asyncTearDown", "tearDown", "teardown_method")
_XUNIT_FUNCTION = ("setup_function",)
_XUNIT_FUNCTION_AFTER = ("teardown_function",)


def _parameters(function: Function) -> list[ast.arg]:
    """Return the parameters of a function, and of those that decorators have put it in place of."""
    found = [*function.node.args.args, *function.node.args.kwonlyargs]
    while function.wrapped is not None:
        function = function.wrapped
        found += [*function.node.args.args, *function.node.args.kwonlyargs]
    return list({argument.arg: argument for argument in found}.values())


def _entered_patches(machine: Machine, function: Function) -> bool:
    """Put the replacements of `@patch` decorators in place; return whether there are any."""
    from dbsafe_runner.analysis.catalogue import doubles

    found = False
    node = function.node
    for decorator in [] if isinstance(node, ast.Lambda) else node.decorator_list:
        if isinstance(decorator, ast.Call) and "patch" in ast.dump(decorator.func):
            value = machine.evaluate(decorator, Env(function.module, function.outer))
            if isinstance(value, Lib) and value.kind == "patch":
                doubles.enter_patch(machine, value)
                # `patch.dict` adds no parameter.
                found = found or text_of(value.attrs.get("path")) != ""
    return found
