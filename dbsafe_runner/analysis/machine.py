"""Machine: follows code without running it, and records what that code would do to a database.

It walks syntax trees with values that stand for what is known (`values`), in program order: both arms
of a branch, a loop's body once. Calls into the project are followed, calls into libraries are looked
up in the catalogue. It never imports or runs the suite's code, and never raises on what it reads.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from dbsafe_runner.analysis import calling, expressions, fingerprints, lookup, statements
from dbsafe_runner.analysis.actions import NO_TABLES, Action, Kind
from dbsafe_runner.analysis.modules import ModuleIndex, ModuleSpace
from dbsafe_runner.analysis.project import SourceTree
from dbsafe_runner.analysis.shared_state import Told
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Env,
    Function,
    Instance,
    Link,
    Map,
    Seq,
    Suspended,
    Value,
    births,
)

#: Project functions inside each other that are followed.
DEEPEST_CALL = 24
#: Steps (expressions and statements) spent on one test or fixture before it is given up.
MOST_STEPS = 60_000


_NOTHING_CHANGED = 1 << 62
_FORMS = expressions.HANDLERS


class TooMuchError(Exception):
    """A test or fixture takes more steps than the analysis spends on one."""


@dataclasses.dataclass(slots=True, eq=False)
class Frame:
    """One call being followed."""

    space: ModuleSpace
    node: ast.AST | None = None
    #: Called with the value of the first `yield`; what follows is teardown.
    on_yield: Callable[[Value], None] | None = None
    returned: Value | None = None
    yielded: Value | None = None
    #: Actions that happen when this call ends: teardown of what was entered through an exit stack.
    deferred: list[Action] = dataclasses.field(default_factory=list)
    #: How many exception handlers and conditional branches are around the current statement.
    handlers: int = 0
    branches: int = 0
    #: Actions of the trace from here on stand behind an early return.
    certain: int | None = None


class Machine:
    """The state of following code; one per analysis."""

    def __init__(self, sources: SourceTree) -> None:
        self.sources = sources
        self.modules = ModuleIndex(self)
        self.trace: list[Action] = []
        #: What modules do while they are imported: no test's doing.
        self.import_trace: list[Action] = []
        self.frames: list[Frame] = []
        self.steps = 0
        self.depth = 0
        #: When the oldest object was made that has been changed since a call began; 0 is before all.
        self.oldest_change = _NOTHING_CHANGED
        #: What calls did and returned, with what their keys name by identity kept alive.
        self.memory: dict[object, tuple[list[Action], Value, object]] = {}
        #: The same for functions of one file, which is let go of when its tests are done.
        self.passing: dict[object, tuple[list[Action], Value, object]] = {}
        self.passing_file = ""
        #: The changes in the file of tests that `shared_state` sees itself.
        self.told: Told | None = None
        #: Names of modules that a test has replaced: (path, name) -> what stands there now.
        self.patches: dict[tuple[str, str], Value] = {}
        #: Names that are being looked for behind `import *`, as (path, name).
        self.starring: set[tuple[str, str]] = set()
        #: Teardown registered by the fixture or test being followed.
        self.finalizers: list[Action] = []
        #: What the project connects to Django's `post_migrate`.
        self.after_migration: list[Value] = []
        #: One object for each class that the project gets from somewhere unknown.
        self.assumed: dict[int, Instance] = {}
        #: Returns the value of a fixture by name, for `request.getfixturevalue`.
        self.asked_for: list[str] = []
        self.fixture_value: Callable[[str], Value | None] = lambda _name: None

    def act(
        self,
        kind: Kind,
        link: Link | None,
        node: ast.AST | None,
        tables: frozenset[str] = NO_TABLES,
        what: str = "",
        *,
        flag: bool = False,
    ) -> None:
        """Record an action at the place of `node`."""
        self.trace.append(Action(kind, link, tables, what, *self._here(node), flag))

    def doubt(self, what: str, node: ast.AST | None, weight: float) -> None:
        """Record that something could not be followed; `weight` is the confidence it costs."""
        self.trace.append(Action(Kind.DOUBT, None, NO_TABLES, what, *self._here(node), weight=weight))

    def _here(self, node: ast.AST | None) -> tuple[str, int]:
        file = self.frames[-1].space.path if self.frames else ""
        return file, getattr(node, "lineno", 0)

    def place(self, node: ast.AST | None) -> str:
        """Return a name for the place of `node`, including the call that led here.

        Names of what is made while a module is imported begin with "import ".
        """
        frame = self.frames[-1] if self.frames else None
        path = frame.space.path if frame else ""
        here = f"{path}:{getattr(node, 'lineno', 0)}:{getattr(node, 'col_offset', 0)}"
        caller = self.frames[-2] if len(self.frames) > 1 else None
        if caller is not None:
            here = f"{here}<{getattr(caller.node, 'lineno', 0)}"
        return f"import {here}" if self.frames and self.frames[0].node is None else here

    def patched(self, path: str, name: str) -> Value | None:
        """Return what a test has put in place of a module's name, or None."""
        return self.patches.get((path, name)) if self.patches else None

    def evaluate(self, node: ast.expr | None, env: Env) -> Value:
        """Return what an expression is, recording what it does."""
        if node is None:
            return UNKNOWN
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooMuchError
        handler = _FORMS.get(type(node))
        return handler(self, node, env) if handler is not None else UNKNOWN

    def execute(self, body: list[ast.stmt], env: Env) -> bool:
        """Follow statements; return whether the block ended early (return, raise, break)."""
        return statements.execute(self, body, env)

    def bind(self, target: ast.expr, value: Value, env: Env) -> None:
        """Give a name, attribute, item or pattern of names a value."""
        statements.bind(self, target, value, env)

    def call(self, function: Value, call: calling.Call) -> Value:
        """Return what calling a value returns, recording what it does."""
        return calling.call(self, function, call)

    def begin_file(self, path: str) -> None:
        """Begin with a file of tests, letting go of the one before."""
        if self.passing_file:
            self.modules.forget(self.passing_file)
        self.passing.clear()
        self.passing_file = path

    def call_bound(
        self, function: Function, receiver: Value, node: ast.AST, args: list[Value] | None = None
    ) -> Value:
        """Return what calling a method of an object returns."""
        return self.follow(
            function, receiver, calling.Call(self, args or [], {}, node, function.module.env)
        )

    def follow(self, function: Function, receiver: Value | None, given: calling.Call) -> Value:
        """Follow a function of the project, or repeat what an equal call did before."""
        if self.depth >= DEEPEST_CALL:
            self.doubt("calls nested too deep to follow", given.node, 0.2)
            self.changed()
            return UNKNOWN
        if [frame.node for frame in self.frames].count(function.node) > 1:
            return UNKNOWN
        key = fingerprints.of_call(function, receiver, given.args, given.kwargs, self.patches)
        memory = self.passing if function.module.path == self.passing_file else self.memory
        known = memory.get(key)
        if known is not None:
            self.trace.extend(known[0])
            return known[1]
        before, self.oldest_change = self.oldest_change, _NOTHING_CHANGED
        start, mark = next(births), len(self.trace)
        env = calling.bind_parameters(self, function, receiver, given)
        frame = self.run_function(function, env, None)
        result = frame.returned if frame.returned is not None else UNKNOWN
        if result is UNKNOWN and not isinstance(function.node, ast.Lambda):
            outer = function.outer or function.module.env
            result = lookup.from_annotation(self, function.node.returns, outer)
        own = isinstance(result, Instance | Seq | Map) and result.born > start
        if self.oldest_change > start and not own:
            memory[key] = (
                self.trace[mark:],
                result,
                (function, receiver, given.args, given.kwargs),
            )
        self.oldest_change = min(before, self.oldest_change)
        return result

    def changed(self, born: int = 0) -> None:
        """Note that something that was made at `born` was changed; by default something older than all.

        Calls that change what was there before them are not remembered: repeating what they did to the
        database would not repeat the change.
        """
        self.oldest_change = min(self.oldest_change, born)

    def run_function(
        self, function: Function, env: Env, on_yield: Callable[[Value], None] | None
    ) -> Frame:
        """Follow a function's body in a frame of its own, and return the frame."""
        frame = Frame(function.module, function.node, on_yield)
        self.frames.append(frame)
        self.depth += 1
        try:
            if isinstance(function.node, ast.Lambda):
                frame.returned = self.evaluate(function.node.body, env)
            else:
                self.execute(function.node.body, env)
        finally:
            self.depth -= 1
            self.frames.pop()
            self.trace.extend(frame.deferred)
            if frame.certain is not None:
                self._doubtful(self.trace, frame.certain)
        return frame

    @contextlib.contextmanager
    def perhaps(self) -> Iterator[None]:
        """Mark what is recorded inside, and the teardown that is registered, as what may not happen."""
        mark, known = len(self.trace), set(map(id, self.finalizers))
        yield
        self._doubtful(self.trace, mark)
        for position, action in enumerate(self.finalizers):
            if id(action) not in known:
                self.finalizers[position] = action._replace(maybe=True)

    @staticmethod
    def _doubtful(actions: list[Action], start: int) -> None:
        for position in range(start, len(actions)):
            if not actions[position].maybe:
                actions[position] = actions[position]._replace(maybe=True)

    def resume(self, suspended: Suspended, inside: Callable[[Value], None]) -> None:
        """Follow a generator function, and at its first `yield` what is inside it."""
        function, receiver = calling.parts(suspended.function)
        if function is None or self.depth >= DEEPEST_CALL:
            return
        callers = self.frames

        def then(value: Value) -> None:
            frames, self.frames = self.frames, list(callers)
            depth, self.depth = self.depth, self.depth - 1
            # Work that is given up inside must not leave this function's frames to the ones around it.
            try:
                inside(value)
            finally:
                self.frames, self.depth = frames, depth

        given = calling.Call(self, suspended.args, suspended.kwargs, suspended.node, function.module.env)
        self.frames = list(callers)
        try:
            env = calling.bind_parameters(self, function, receiver, given)
            self.run_function(function, env, then)
        finally:
            self.frames = callers

    def run_generator(self, suspended: Suspended) -> Value:
        """Follow a generator to its end, and return what it yields."""
        found: list[Value] = []
        self.resume(suspended, found.append)
        return found[0] if found else UNKNOWN

    def in_frame(self, node: ast.AST, work: Callable[[], object]) -> None:
        """Do some work in a frame of its own, at whose end what it entered is left."""
        frame = Frame(self.frames[-1].space, node)
        self.frames.append(frame)
        try:
            work()
        finally:
            self.frames.pop()
            self.trace.extend(frame.deferred)

    def capture(self, work: Callable[[], object]) -> list[Action]:
        """Return what some work does, without recording it."""
        mark = len(self.trace)
        work()
        done = self.trace[mark:]
        del self.trace[mark:]
        return done

    def quietly(self, work: Callable[[], object]) -> None:
        """Do some work whose actions are nobody's."""
        self.capture(work)

    def run_module(self, space: ModuleSpace) -> None:
        """Follow a module's top level. What it does is kept apart, as no test's doing."""
        outer, self.trace = self.trace, []
        frames, self.frames = self.frames, [Frame(space)]
        steps, self.steps = self.steps, 0
        depth, self.depth = self.depth, min(self.depth, DEEPEST_CALL // 2)
        # It is imported once: a call that did it is remembered without that.
        oldest = self.oldest_change
        try:
            with births.early():
                self.execute(space.tree.body, space.env)
        except (TooMuchError, RecursionError):
            self.doubt("module too large to follow", None, 0.2)
        finally:
            self.oldest_change = oldest
            self.import_trace.extend(self.trace)
            self.trace, self.frames, self.steps, self.depth = outer, frames, steps, depth
