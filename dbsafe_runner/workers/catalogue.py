"""The collected tests on their way from the zygote to the dispatcher.

`describe` reads pytest's items; `encode` and `decode` carry the result over a channel. Fixture
definitions are sent once and referred to by number: a suite has thousands of tests and a few dozen
fixtures. No decision about the tests is made here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dbsafe_runner.domain.test import FixtureDef, Mark, Test

if TYPE_CHECKING:
    import pytest

#: Marks that say nothing about a test's needs and may carry large arguments.
_SILENT_MARKS = frozenset({"parametrize", "usefixtures", "filterwarnings"})
_LONGEST_ARGUMENT = 500


def describe(items: Sequence[pytest.Item]) -> list[Test]:
    """Describe pytest's items, in their order, as values."""
    fixtures = _Fixtures()
    return [_describe_item(index, item, fixtures) for index, item in enumerate(items)]


def urgent(items: Sequence[pytest.Item], config: pytest.Config) -> list[int]:
    """Indices of the tests that --failed-first and --new-first have put at the front."""
    if not hasattr(config, "cache"):
        return []
    wanted: list[int] = []
    if config.getoption("failedfirst", False):
        failed = config.cache.get("cache/lastfailed", {})
        wanted += [index for index, item in enumerate(items) if item.nodeid in failed]
    if config.getoption("newfirst", False):
        known = set(config.cache.get("cache/nodeids", []))
        wanted += [index for index, item in enumerate(items) if item.nodeid not in known]
    return wanted


def digest(items: Sequence[pytest.Item]) -> str:
    """A digest of the node ids in order: two processes collected the same if it is the same."""
    joined = "\n".join(item.nodeid for item in items)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def encode(tests: Sequence[Test]) -> bytes:
    """Pack tests for a channel."""
    numbers: dict[FixtureDef, int] = {}
    rows = []
    for test in tests:
        closure = tuple(numbers.setdefault(fixture, len(numbers)) for fixture in test.fixtures)
        marks = tuple((mark.name, mark.args, mark.kwargs) for mark in test.marks)
        place = (test.nodeid, test.file, test.line, test.cls, test.function)
        rows.append((*place, closure, marks, test.xdist_group, test.elsewhere))
    table = [dataclasses.astuple(fixture) for fixture in numbers]
    return pickle.dumps((table, rows), protocol=5)


def decode(blob: bytes) -> list[Test]:
    """Unpack what `encode` packed."""
    table, rows = pickle.loads(blob)  # noqa: S301  # Our own child process made it.
    fixtures = [FixtureDef(*row) for row in table]
    return [
        Test(
            index=index,
            nodeid=nodeid,
            file=file,
            line=line,
            cls=cls,
            function=function,
            fixtures=tuple(fixtures[number] for number in closure),
            marks=tuple(Mark(*mark) for mark in marks),
            xdist_group=group,
            elsewhere=elsewhere,
        )
        for index, (nodeid, file, line, cls, function, closure, marks, group, elsewhere) in enumerate(
            rows
        )
    ]


class _Fixtures:
    """Fixture definitions as values, each made once."""

    def __init__(self) -> None:
        self._known: dict[int, FixtureDef] = {}

    def get(self, name: str, definition: Any) -> FixtureDef:
        known = self._known.get(id(definition))
        if known is None:
            known = self._known[id(definition)] = self._describe(name, definition)
        return known

    @staticmethod
    def _describe(name: str, definition: Any) -> FixtureDef:
        function = inspect.unwrap(getattr(definition, "func", lambda: None))
        code = getattr(function, "__code__", None)
        return FixtureDef(
            name=name,
            scope=str(getattr(definition, "scope", "function")),
            file=code.co_filename if code is not None else "",
            line=code.co_firstlineno if code is not None else 0,
            function=getattr(function, "__qualname__", name),
            autouse=bool(getattr(definition, "_autouse", False)),
            params=bool(getattr(definition, "params", None)),
        )


def _describe_item(index: int, item: pytest.Item, fixtures: _Fixtures) -> Test:
    code_file, line, _ = item.location
    file = _collected_from(item, code_file)
    # The dispatcher, which uses this module too, has no need of pytest.
    import pytest

    cls = item.getparent(pytest.Class)
    return Test(
        index=index,
        nodeid=item.nodeid,
        file=file,
        line=(line or 0) + 1,
        cls=cls.name if cls is not None else "",
        function=getattr(item, "originalname", None) or item.name,
        fixtures=_closure(item, fixtures),
        marks=tuple(
            Mark(mark.name, *_arguments(mark))
            for mark in item.iter_markers()
            if mark.name not in _SILENT_MARKS
        ),
        xdist_group=_xdist_group(item),
        elsewhere="" if file == code_file else code_file,
    )


def _collected_from(item: pytest.Item, code_file: str) -> str:
    """The file that holds the test, which is not always the one that its function is written in."""
    if item.nodeid.partition("::")[0] == code_file:
        return code_file
    return os.path.relpath(item.path, item.config.rootpath).replace(os.sep, "/")


def _closure(item: pytest.Item, fixtures: _Fixtures) -> tuple[FixtureDef, ...]:
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return ()
    found: list[FixtureDef] = []
    for name in info.names_closure:
        definitions = info.name2fixturedefs.get(name)
        if definitions:
            # A fixture that overrides another of the same name usually calls it.
            found.extend(fixtures.get(name, definition) for definition in definitions)
    return tuple(found)


def _arguments(mark: pytest.Mark) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    args = tuple(_represent(value) for value in mark.args)
    kwargs = tuple((name, _represent(value)) for name, value in mark.kwargs.items())
    return args, kwargs


def _represent(value: object) -> str:
    try:
        return repr(value)[:_LONGEST_ARGUMENT]
    except Exception as error:  # noqa: BLE001  # A repr in the user's code may raise anything.
        return f"<{type(value).__name__}: repr raised {type(error).__name__}>"


def _xdist_group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    if mark is None:
        return ""
    name = mark.args[0] if mark.args else mark.kwargs.get("name", "default")
    return str(name)
