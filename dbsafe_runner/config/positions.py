"""Where things stand in a TOML text: the line of every key, table and array element.

`tomllib` gives values without places, and a message without a line sends the user searching. This
scanner finds the places; it relies on `tomllib` having accepted the text, and reads no values itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

TomlPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\r\n#]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'", re.DOTALL
)


def find_lines(text: str) -> Mapping[TomlPath, int]:
    """The line, counted from 1, of every path in `text`, which must be valid TOML.

    A path names tables and keys by name and elements of arrays by number:
    `("rules", 0, "level")`.
    """
    return _Scanner(text).scan()


def line_of(lines: Mapping[TomlPath, int], path: TomlPath) -> int:
    """The line of `path`, or of the nearest thing around it; 0 when there is none."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


class _Scanner:
    """Walks the text once. `_at` is the offset of the next character to read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[TomlPath, int] = {}
        #: Number of the last table in each array of tables.
        self._last: dict[TomlPath, int] = {}

    def scan(self) -> Mapping[TomlPath, int]:
        prefix: TomlPath = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                prefix = self._table_element()
            elif self._text[self._at] == "[":
                self._at += 1
                prefix = self._resolved(self._names())
                self._at += 1
            else:
                self._key_and_value(prefix)
            self._skip_blank()
        return self._lines

    def _table_element(self) -> TomlPath:
        self._at += 2
        names = self._names()
        self._at += 2
        array = (*self._resolved(names[:-1]), names[-1])
        self._last[array] = self._last.get(array, -1) + 1
        self._note(array)
        element = (*array, self._last[array])
        self._note(element)
        return element

    def _key_and_value(self, prefix: TomlPath) -> None:
        path = prefix
        for name in self._names():
            path = (*path, name)
            self._note(path)
        self._at += 1
        self._value(path)

    def _resolved(self, names: TomlPath) -> TomlPath:
        """The path that a table's name means: of an array of tables, its last element."""
        path: TomlPath = ()
        for name in names:
            path = (*path, name)
            if path in self._last:
                path = (*path, self._last[path])
            self._note(path)
        return path

    def _names(self) -> TomlPath:
        names: TomlPath = ()
        while True:
            self._skip_blank()
            names = (*names, self._simple_key())
            self._skip_blank()
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _simple_key(self) -> str:
        quoted = _STRING.match(self._text, self._at)
        if quoted:
            self._at = quoted.end()
            return str(tomllib.loads(f"key = {quoted.group()}")["key"])
        bare = _BARE_KEY.match(self._text, self._at)
        if bare is None:
            raise ValueError(f"no key at offset {self._at}")
        self._at = bare.end()
        return bare.group()

    def _value(self, path: TomlPath) -> None:
        self._skip_blank()
        self._note(path)
        opening = self._text[self._at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            if match:
                self._at = match.end()

    def _array(self, path: TomlPath) -> None:
        self._at += 1
        number = 0
        while not self._closes("]"):
            self._value((*path, number))
            number += 1

    def _inline_table(self, path: TomlPath) -> None:
        self._at += 1
        while not self._closes("}"):
            self._key_and_value(path)

    def _closes(self, bracket: str) -> bool:
        """Skip blanks and a comma; whether `bracket` ended the list there."""
        self._skip_blank()
        if self._text[self._at] == ",":
            self._at += 1
            self._skip_blank()
        if self._text[self._at] == bracket:
            self._at += 1
            return True
        return False

    def _skip_blank(self) -> None:
        match = _BLANK.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _note(self, path: TomlPath) -> None:
        self._lines.setdefault(path, self._text.count("\n", 0, self._at) + 1)
