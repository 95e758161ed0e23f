"""search_path: put a namespace's schema first, beside what the application sets itself.

Works on the text of libpq's `options` and of the `search_path` setting; it talks to no server.
"""

from __future__ import annotations

import re

#: PostgreSQL's own default.
_DEFAULT = '"$user", public'
_TOKEN = re.compile(r"(?:[^\s\\]|\\.)+", re.DOTALL)
_SETTING = re.compile(r"(?:-c|--)?search_path=(?P<value>.*)", re.DOTALL | re.IGNORECASE)


def with_schema(search_path: str, schema: str) -> str:
    """The search path with the schema first; unchanged when it already is."""
    quoted = '"' + schema.replace('"', '""') + '"'
    rest = search_path or _DEFAULT
    return rest if rest.startswith(quoted) else quoted + ", " + rest


def options_with_schema(options: str, schema: str) -> str:
    """The value of libpq's `options` that puts the schema first, all other settings kept."""
    before = in_options(options)
    value = with_schema(before, schema)
    if value == before:
        return options
    escaped = re.sub(r"([\s\\])", r"\\\1", value)
    return (options + " " if options else "") + "-c search_path=" + escaped


def in_options(options: str) -> str:
    """The search path that a value of libpq's `options` sets, "" when it sets none."""
    found = ""
    tokens = [re.sub(r"\\(.)", r"\1", token) for token in _TOKEN.findall(options)]
    for before, token in zip(["", *tokens], tokens):  # noqa: B905 - `strict` needs Python 3.10.
        match = _SETTING.match(token)
        # A bare `search_path=…` counts only behind a `-c` of its own.
        if match and (token.startswith("-") or before == "-c"):
            found = match.group("value")
    return found
