"""search_path: put a namespace's schema first, beside what the application sets itself.

Works on the text of libpq's `options` and of the `search_path` setting; it talks to no server.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbsafe_runner.domain.namespace import Endpoint

#: PostgreSQL's own default.
_DEFAULT = '"$user", public'
_NAME = re.compile(r'"(?:[^"]|"")*"|[^",\s][^,]*')
_TOKEN = re.compile(r"(?:[^\s\\]|\\.)+", re.DOTALL)
_SETTING = re.compile(r"(?:-c|--)?search_path=(?P<value>.*)", re.DOTALL | re.IGNORECASE)


def with_schema(search_path: str, endpoint: Endpoint) -> str:
    """The search path with the endpoint's schema first; unchanged when it already is."""
    schema = _quoted(endpoint.schema)
    path = search_path or endpoint.search_path or _DEFAULT
    if path.startswith(schema):
        return path
    names = [name.strip() for name in _NAME.findall(path)]
    kept = [name for name in names if _plain(name) not in endpoint.replaced]
    rest = [path] if kept == names and path.strip() else kept
    rest += [_quoted(name) for name in endpoint.shared if name not in map(_plain, kept)]
    return ", ".join([schema, *rest])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(name: str) -> str:
    """A name as the catalog has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def options_with_schema(options: str, endpoint: Endpoint) -> str:
    """The value of libpq's `options` that puts the endpoint's schema first, all other settings kept."""
    before = in_options(options)
    value = with_schema(before, endpoint)
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
