"""What an expression can be, as far as the analysis follows it; what values do is elsewhere."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbsafe_runner.analysis.actions import Action
    from dbsafe_runner.analysis.modules import ModuleSpace

#: Stands in a string for a part that is not known before the program runs.
HOLE = "\x00"
#: In the text of a path: it lies in a directory that a test has for itself.
TEMPORARY = HOLE + "\x01"
#: Objects that a test or its own fixtures make have numbers from here on.
_FRESH = 1 << 40


class Births:
    """Numbers objects by when they were made, to tell what a call made itself from what it was given.

    What a module or a wide fixture makes has a low number: it is there before a test, and after it.
    """

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._early = 0

    def __next__(self) -> int:
        number = next(self._count)
        return number if self._early else number + _FRESH

    @contextlib.contextmanager
    def early(self) -> Iterator[None]:
        """What is made inside outlives the test."""
        self._early += 1
        try:
            yield
        finally:
            self._early -= 1


births = Births()
#: Alternatives kept for one expression; what goes beyond is not followed.
MOST_CHOICES = 6
#: The same for what may be called: each of them may do something else.
MOST_FUNCTIONS = 24


class Value:
    """Base of all values."""

    __slots__ = ()


class Unknown(Value):
    """Nothing is known."""

    __slots__ = ()


class Mock(Value):
    """A test double: whatever is done to it does nothing."""

    __slots__ = ()


UNKNOWN = Unknown()
MOCK = Mock()


@dataclasses.dataclass(slots=True, eq=False)
class Const(Value):
    """A literal; in strings, HOLE stands for what is not known."""

    value: str | int | float | bool | bytes | None


NONE = Const(None)


@dataclasses.dataclass(slots=True, eq=False)
class Module(Value):
    """A module; `space` is None for one outside the project."""

    name: str
    space: ModuleSpace | None


@dataclasses.dataclass(slots=True, eq=False)
class External(Value):
    """A name of a package outside the project, as the program spells it ("sqlalchemy.orm.Session")."""

    name: str


@dataclasses.dataclass(slots=True, eq=False)
class Lazy(Value):
    """An imported name that nobody has asked for yet; `name` is "" for the module itself."""

    module: str
    name: str
    file: str


class Env:
    """Names of a function call, with the scope that encloses it."""

    __slots__ = ("module", "names", "outer")

    def __init__(self, module: ModuleSpace, outer: Env | None = None) -> None:
        self.module = module
        self.outer = outer
        self.names: dict[str, Value] = {}


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclasses.dataclass(slots=True, eq=False)
class Function(Value):
    """A function of the project. `owner` is the class that defines it, if any."""

    node: FunctionNode
    module: ModuleSpace
    outer: Env | None = None
    owner: Class | None = None
    #: What decorators made of it: property, staticmethod, classmethod, or "".
    kind: str = ""
    #: Its result is kept and given to every caller.
    cached: bool = False
    #: The function that it was put in place of by a decorator.
    wrapped: Function | None = None
    #: Why calling it may do more than its body says.
    doubt: str = ""


@dataclasses.dataclass(slots=True, eq=False)
class Bound(Value):
    """A function with its receiver."""

    function: Function
    receiver: Value


@dataclasses.dataclass(slots=True, eq=False)
class Class(Value):
    """A class of the project."""

    node: ast.ClassDef
    module: ModuleSpace
    outer: Env | None = None
    attrs: dict[str, Value] = dataclasses.field(default_factory=dict)
    #: Filled on demand by `classes`: names that its body does not define, its ancestors, its tables.
    undefined: set[str] = dataclasses.field(default_factory=set)
    lineage: tuple[Class | External, ...] | None = None
    tables: frozenset[str] | None = None
    doubt: str = ""
    born: int = dataclasses.field(default_factory=births.__next__)


@dataclasses.dataclass(slots=True, eq=False)
class Instance(Value):
    """An object of a project class."""

    cls: Class
    attrs: dict[str, Value] = dataclasses.field(default_factory=dict)
    #: The connection it was loaded through, for rows of an ORM.
    link: Link | None = None
    born: int = dataclasses.field(default_factory=births.__next__)
    #: It was looked for, and there may be none.
    optional: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class Link:
    """One database connection, or a session's use of one.

    `name` is where it comes from; two links with the same name are the same connection.
    """

    name: str
    #: Each statement commits itself.
    autocommit: bool = False
    #: The connection that a session is bound to.
    parent: Link | None = None
    #: Leaving its `with` block commits.
    commits_on_exit: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class Lib(Value):
    """An object of a library in the catalogue. `kind` is the catalogue's word for its type."""

    kind: str
    link: Link | None = None
    attrs: dict[str, Value] = dataclasses.field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    #: Of a response: what the request did.
    done: list[Action] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True, eq=False)
class Method(Value):
    """A method of a library object, or of an unknown one, not yet called."""

    receiver: Value
    name: str


@dataclasses.dataclass(slots=True, eq=False)
class Seq(Value):
    """A list, tuple or set whose elements are known."""

    items: list[Value]
    born: int = dataclasses.field(default_factory=births.__next__)


@dataclasses.dataclass(slots=True, eq=False)
class Map(Value):
    """A dict; keys that are not known are under HOLE."""

    items: dict[str, Value]
    born: int = dataclasses.field(default_factory=births.__next__)


@dataclasses.dataclass(slots=True, eq=False)
class Suspended(Value):
    """A call of a generator function that has not begun: a context manager, or something to iterate."""

    function: Value
    args: list[Value]
    kwargs: dict[str, Value]
    node: ast.AST


@dataclasses.dataclass(slots=True, eq=False)
class Partial(Value):
    """`functools.partial`."""

    function: Value
    args: list[Value]
    kwargs: dict[str, Value]


@dataclasses.dataclass(slots=True, eq=False)
class Choice(Value):
    """One of several."""

    options: tuple[Value, ...]


def options(value: Value) -> Iterator[Value]:
    """Yield each alternative of a value."""
    if isinstance(value, Choice):
        yield from value.options
    else:
        yield value


def join(first: Value, second: Value) -> Value:
    """Return a value that may be either; knowing beats not knowing."""
    if first is second or isinstance(second, Unknown):
        return first
    if isinstance(first, Unknown):
        return second
    if isinstance(first, Const) and first.value is None:
        return second
    if isinstance(second, Const) and second.value is None:
        return first
    merged: list[Value] = []
    for option in (*options(first), *options(second)):
        if not any(option is known or _same(option, known) for known in merged):
            merged.append(option)
    called = any(isinstance(one, Function | Bound | Class) for one in merged)
    most = MOST_FUNCTIONS if called else MOST_CHOICES
    return merged[0] if len(merged) == 1 else Choice(tuple(merged[:most]))


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, Const) and isinstance(other, Const):
        return one.value == other.value
    if isinstance(one, External) and isinstance(other, External):
        return one.name == other.name
    return False


def outlives(value: Value) -> bool | None:
    """Return whether a value is there before a test and after it; None when that is not known."""
    if isinstance(value, Instance | Seq | Map | Class):
        return value.born < _FRESH
    if isinstance(value, Module | External):
        return True
    if isinstance(value, Method):
        return outlives(value.receiver)
    if isinstance(value, Choice):
        return any(outlives(option) for option in value.options) or None
    return value.outer is None if isinstance(value, Function) else None


def keep(value: Value, depth: int = 3) -> None:
    """Note that something which outlives the test refers to a value from now on."""
    if isinstance(value, Instance | Seq | Map | Class):
        value.born -= _FRESH if value.born >= _FRESH else 0
        inner = value.attrs if isinstance(value, Instance | Class) else value.items
        for one in (inner if isinstance(inner, list) else inner.values()) if depth else ():
            keep(one, depth - 1)


def text_of(value: Value | None) -> str | None:
    """Return the string that a value is, or None."""
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value
    return None


def number_of(value: Value | None) -> int | None:
    """Return the integer that a value is, or None."""
    if isinstance(value, Const) and isinstance(value.value, int) and not isinstance(value.value, bool):
        return value.value
    return None


def truth_of(value: Value | None) -> bool | None:
    """Return whether a value is true, or None when that is not known."""
    if isinstance(value, Const) and not (isinstance(value.value, str) and HOLE in value.value):
        return bool(value.value)
    return None
