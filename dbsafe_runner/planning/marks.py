"""Marks: which tests pytest-dependency and pytest-order want together, and in what order.

The order in which the plugins want the tests is the order of collection, since pytest-order has sorted
the items by then and pytest-dependency never does. So nothing is sorted here: marks only say which
tests need the same worker, and between which the order of collection must be kept.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from dbsafe_runner.domain.test import Mark, Test
from dbsafe_runner.planning.circles import components


@dataclasses.dataclass(slots=True)
class Declared:
    """What the marks of all tests say. Tests are positions in the sequence that was read."""

    #: (test, test that it needs): same worker, order of collection.
    needs: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    #: (earlier, later): any worker, but never later before earlier has finished.
    precedes: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    #: Tests whose place in their file is declared.
    ordered: set[int] = dataclasses.field(default_factory=set)
    first: set[int] = dataclasses.field(default_factory=set)
    last: set[int] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)


def read_marks(tests: Sequence[Test]) -> Declared:
    """Read the marks of tests that are given in collection order."""
    declared = Declared()
    marked = [(p, t) for p, t in enumerate(tests) if t.marks]
    _read_dependency(marked, declared)
    _read_order(tests, marked, declared)
    return declared


def literal(text: str) -> object:
    """The value of a `repr`, or None where it is not a plain value."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def place_of(test: Test) -> str:
    """File and line of a test, for notes on its marks."""
    return f"{test.code_file}:{test.line}"


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list | tuple | set) else []


# -- pytest-dependency ---------------------------------------------------------------------------------


def _scope_key(test: Test, scope: str) -> str:
    if scope == "class":
        return f"class {test.file}::{test.cls}"
    if scope == "module":
        return f"module {test.file}"
    return "session" if scope == "session" else f"package {test.file.rpartition('/')[0]}"


def _own_names(test: Test, mark: Mark) -> Iterator[tuple[str, str]]:
    """The (scope, name) under which pytest-dependency knows a test."""
    given = literal(dict(mark.kwargs).get("name", "None"))
    local = test.nodeid.partition("::")[2]
    defaults = {
        "session": test.nodeid,
        "package": test.nodeid,
        "module": local,
        "class": local.rpartition("::")[2],
    }
    for scope, default in defaults.items():
        yield _scope_key(test, scope), str(given) if given else default


def _read_dependency(marked: Sequence[tuple[int, Test]], declared: Declared) -> None:
    found: dict[tuple[str, str], int] = {}
    for position, test in marked:
        for mark in test.marks:
            if mark.name == "dependency":
                for key in _own_names(test, mark):
                    found.setdefault(key, position)
    for position, test in marked:
        for mark in test.marks:
            keywords = dict(mark.kwargs)
            if mark.name != "dependency" or "depends" not in keywords:
                continue
            scope = str(literal(keywords.get("scope", "'module'")))
            for name in _names(literal(keywords["depends"])):
                other = found.get((_scope_key(test, scope), name))
                if other is None:
                    declared.notes.append(
                        f"{test.nodeid} depends on {name!r}, which is not selected ({place_of(test)}):"
                        " select it, too, or correct the name in the mark"
                    )
                else:
                    declared.needs.append((position, other))


# -- pytest-order --------------------------------------------------------------------------------------

_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "last"),
    *("second_to_last", "third_to_last", "fourth_to_last", "fifth_to_last", "sixth_to_last"),
    *("seventh_to_last", "eighth_to_last"),
)


def _place(mark: Mark) -> object:
    """The number or ordinal that a mark gives, or None."""
    keywords = dict(mark.kwargs)
    text = mark.args[0] if mark.args else keywords.get("index", keywords.get("order", "None"))
    value = literal(text)
    if value == -1:
        return "last"
    return value if isinstance(value, int) or value in _ORDINALS else None


def _read_order(tests: Sequence[Test], marked: Sequence[tuple[int, Test]], declared: Declared) -> None:
    placed: list[tuple[int, str, object]] = []
    relative: list[tuple[int, str, bool]] = []
    for position, test in marked:
        for mark in test.marks:
            if mark.name not in {"order", "run"}:
                continue
            declared.ordered.add(position)
            place = _place(mark)
            if place is not None:
                placed.append((position, test.file, place))
            keywords = dict(mark.kwargs)
            for key in ("after", "before"):
                names = _names(literal(keywords.get(key, "None")))
                relative.extend((position, name, key == "after") for name in names)
    _chain(placed, declared)
    if relative:
        _place_relative(tests, relative, declared)


def _place_relative(
    tests: Sequence[Test], relative: Sequence[tuple[int, str, bool]], declared: Declared
) -> None:
    numbers: dict[str, int] = {}
    for number, test in enumerate(tests):
        local = f"{test.file.rpartition('/')[2]}::{test.nodeid.partition('::')[2]}"
        numbers[test.nodeid] = number
        numbers.setdefault(local, number)
    pairs: list[tuple[int, int, str, bool]] = []
    for position, name, later in relative:
        test = tests[position]
        seen_from_here = (f"{test.file}::{test.cls}::{name}", f"{test.file}::{name}", name)
        other = next((numbers[key] for key in seen_from_here if key in numbers), None)
        if other is None or other == position:
            what = "itself" if other == position else f"{name!r}, which is not selected"
            advice = (
                "take that out of its mark" if other == position else "select it, or correct the mark"
            )
            declared.notes.append(
                f"{test.nodeid} is ordered relative to {what} ({place_of(test)}): {advice}"
            )
        else:
            pairs.append((position, other, name, later))
    circle_of = _note_circles(tests, pairs, declared)
    for position, other, name, later in pairs:
        if (other < position) == later:
            declared.precedes.append((min(position, other), max(position, other)))
            declared.ordered.add(other)
        elif circle_of.get(position, -1) != circle_of.get(other, -2):
            declared.notes.append(
                f"{tests[position].nodeid} is collected against its declared order relative to {name!r}"
                f" ({place_of(tests[position])}); is pytest-order installed?"
            )


def _note_circles(
    tests: Sequence[Test], pairs: Sequence[tuple[int, int, str, bool]], declared: Declared
) -> dict[int, int]:
    """Note the circles in which tests are to come behind each other; test -> its circle."""
    graph: dict[int, list[int]] = {}
    for position, other, _, later in pairs:
        first, second = (other, position) if later else (position, other)
        graph.setdefault(first, []).append(second)
    found: dict[int, int] = {}
    for number, circle in enumerate(components(graph)):
        found.update(dict.fromkeys(circle, number))
        names = ", ".join(f"{tests[one].nodeid} ({place_of(tests[one])})" for one in circle)
        declared.notes.append(
            "order marks put tests behind each other in a circle, so the order of collection is kept:"
            f" {names}; take one of the marks away"
        )
    return found


def _chain(placed: Sequence[tuple[int, str, object]], declared: Declared) -> None:
    """Keep the order between files, unless every file numbers its own tests.

    The same number in several files means that the author counted within each file: the order between
    those files says nothing, and keeping it would put all of them on one worker.
    """
    files: dict[object, set[str]] = {}
    for _, file, place in placed:
        files.setdefault(place, set()).add(file)
    if any(len(names) > 1 for names in files.values()):
        declared.notes.append(
            "the same place is declared by order marks in several files: order is kept within each file"
        )
        return
    for (earlier, _, _), (later, _, _) in itertools.pairwise(placed):
        declared.precedes.append((earlier, later))
    declared.first.update(position for position, _, place in placed if place == "first")
    declared.last.update(position for position, _, place in placed if place == "last")
