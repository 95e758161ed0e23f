from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbsafe_runner.config.positions import find_lines, line_of

TEXT = '''\
# A comment with [brackets] and = signs
title = "a # in a text"

[database]   # comment
source = [
  "one",   # the first
  """two
  lines""",
  'three',
]
"quoted key" = { inner = 1, "other.one" = [1, 2] }
a.b.c = 3

[[rules]]
level = 1
[[rules]]

level = 2
[rules.deeper]
x = 1979-05-27 07:32:00
[strategies.mine]
y = \'\'\'
[not.a.table]
\'\'\'
z = true
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("database",), 4),
        (("database", "source"), 5),
        (("database", "source", 0), 6),
        (("database", "source", 1), 7),
        (("database", "source", 2), 9),
        (("database", "quoted key", "inner"), 11),
        (("database", "quoted key", "other.one", 1), 11),
        (("database", "a", "b", "c"), 12),
        (("rules", 0, "level"), 15),
        (("rules", 1, "level"), 18),
        (("rules", 1, "deeper", "x"), 20),
        (("strategies", "mine", "z"), 25),
    ],
)
def test_finds_the_line_of_every_form(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert find_lines(TEXT)[path] == line


def test_a_name_in_a_text_is_no_table() -> None:
    assert ("not",) not in find_lines(TEXT)


def test_an_unknown_path_has_the_line_of_what_is_around_it() -> None:
    lines = find_lines(TEXT)
    assert line_of(lines, ("rules", 1, "nodeid")) == 16
    assert line_of(lines, ("workers", "count")) == 0


keys = st.text(min_size=1, max_size=6)
scalars = st.integers(-5, 5) | st.booleans() | st.text(max_size=12) | st.floats(-10, 10)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


def paths_of(value: Any, prefix: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return []
    return [path for key, inner in items for path in ((*prefix, key), *paths_of(inner, (*prefix, key)))]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, values, max_size=5))
def test_every_path_of_any_document_has_a_line(document: dict[str, Any]) -> None:
    text = tomli_w.dumps(document)
    lines = find_lines(text)
    assert set(paths_of(document)) <= set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
