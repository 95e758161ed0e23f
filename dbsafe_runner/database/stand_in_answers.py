"""What the stand-in for PostgreSQL answers: the command tag, the names of the columns, and no rows.

Only what drivers ask on their own account, to get started, gets a row. Pure: it opens nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from sqlglot import exp

#: Statements that return rows whatever they are about.
_QUERIES: Final = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "FETCH"))
_STATUS: Final = {
    "BEGIN": b"T", "START": b"T", "COMMIT": b"I", "END": b"I", "ROLLBACK": b"I", "ABORT": b"I",
}  # fmt: skip
_COUNTED: Final = {
    "INSERT": "INSERT 0 0",
    "UPDATE": "UPDATE 0",
    "DELETE": "DELETE 0",
    "MERGE": "MERGE 0",
}
_TAGS: Final = {"START": "START TRANSACTION", "END": "COMMIT", "ABORT": "ROLLBACK"}

#: What drivers and SQLAlchemy ask when they connect -> column and value; "" for the database's name.
_KNOWN: Final = (
    (r"select (pg_catalog\.)?version\(\)", "version", "PostgreSQL 18.0 (stand-in of dbsafe)"),
    (r"select (pg_catalog\.)?current_schema\(\)", "current_schema", "public"),
    (r"select (pg_catalog\.)?current_database\(\)", "current_database", ""),
    (r"show standard_conforming_strings", "standard_conforming_strings", "on"),
    (r"show server_version_num", "server_version_num", "180000"),
    (r"show server_version", "server_version", "18.0"),
    (r"show transaction[ _]isolation([ _]level)?", "transaction_isolation", "read committed"),
    (r"show (\w+)", "setting", "off"),
)
#: Types by the names that casts use, for drivers that encode by the type that the server names.
_TYPES: Final = {
    "bool": 16, "boolean": 16, "bytea": 17, "bigint": 20, "int8": 20, "smallint": 21, "int2": 21,
    "int": 23, "integer": 23, "int4": 23, "text": 25, "json": 114, "real": 700, "float4": 700,
    "float": 701, "float8": 701, "double": 701, "varchar": 1043, "character": 1043, "date": 1082,
    "time": 1083, "timestamp": 1114, "timestamptz": 1184, "interval": 1186, "numeric": 1700,
    "decimal": 1700, "uuid": 2950, "jsonb": 3802,
}  # fmt: skip
_TEXT: Final = 25
_PARAMETER: Final = re.compile(r"\$(\d+)(?:::\s*(\w+)( with time zone)?)?", re.IGNORECASE)
_COMMENT: Final = re.compile(r"\s*(--[^\n]*(\n|$)|/\*.*?\*/)\s*", re.DOTALL)
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What one statement is answered with."""

    tag: str
    #: Names of the columns; None for a statement that returns no rows.
    columns: tuple[str, ...] | None = None
    #: The one row of a statement that drivers need an answer to.
    row: tuple[str, ...] | None = None
    #: The state of the transaction from then on; b"" when it stays.
    status: bytes = b""
    copy: Literal["", "in", "out"] = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared statement, with the types of its parameters as oids."""

    statement: str
    answer: Answer
    parameters: tuple[int, ...]


def prepare(statement: str, given: Sequence[int], database: str) -> Prepared:
    """Prepare a statement of which the client has given the types of some parameters."""
    bare = statement.strip().rstrip(";").strip()
    return Prepared(bare, answer(bare, database), parameter_types(bare, given))


@functools.lru_cache(maxsize=512)
def answer(statement: str, database: str) -> Answer:
    """The answer to one statement in a database of this name."""
    bare = _without_comments(statement)
    for pattern, column, value in _KNOWN:
        if re.fullmatch(pattern, bare, re.IGNORECASE):
            return Answer("SELECT 1", (column,), (value or database,))
    words = bare.upper().split(None, 2)
    first = words[0] if words else ""
    if first == "COPY":
        into = re.search(r"\bFROM\s+STDIN\b", bare, re.IGNORECASE)
        return Answer("COPY 0", copy="in" if into else "out")
    if first in _QUERIES:
        return Answer("SHOW" if first == "SHOW" else "SELECT 0", column_names(bare))
    if first in _COUNTED:
        returning = re.search(r"\bRETURNING\b", bare, re.IGNORECASE)
        return Answer(_COUNTED[first], column_names(bare) if returning else None)
    savepoint = first == "ROLLBACK" and len(words) > 1 and re.search(r"\bTO\b", bare, re.IGNORECASE)
    tag = _TAGS.get(first) or " ".join(words[:2] if first in {"CREATE", "DROP", "ALTER"} else words[:1])
    return Answer(tag, status=b"" if savepoint else _STATUS.get(first, b""))


def column_names(statement: str) -> tuple[str, ...]:
    """The names of the columns that a statement returns, as far as its text tells; of `*` one."""
    # Most runs need no stand-in, and this is a large library to import for nothing.
    import sqlglot

    try:
        parsed = sqlglot.parse_one(statement, read="postgres")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return ("?column?",)
    returning = parsed.args.get("returning")
    selected = returning.expressions if returning is not None else getattr(parsed, "selects", [])
    return tuple(_name(one) for one in selected) or ("?column?",)


def parameter_types(statement: str, given: Sequence[int]) -> tuple[int, ...]:
    """The oids of a statement's parameters: as the client gave them, as they are cast, else text."""
    found = dict.fromkeys(range(1, len(given) + 1), 0)
    for match in _PARAMETER.finditer(statement):
        number, cast = int(match[1]), (match[2] or "").lower()
        name = f"{cast}tz" if match[3] and cast == "timestamp" else cast
        found[number] = found.get(number, 0) or _TYPES.get(name, 0)
    types = [found.get(number, 0) for number in range(1, max(found, default=0) + 1)]
    for place, oid in enumerate(given):
        types[place] = oid or types[place]
    return tuple(oid or _TEXT for oid in types)


def split(text: str) -> list[str]:
    """The statements of a simple query; semicolons in quotes and comments separate nothing."""
    hidden = _QUOTED.sub(lambda match: " " * len(match[0]), text)
    statements = []
    start = 0
    for place in [*(index for index, letter in enumerate(hidden) if letter == ";"), len(hidden)]:
        if part := text[start:place].strip():
            statements.append(part)
        start = place + 1
    return statements


def _without_comments(statement: str) -> str:
    while match := _COMMENT.match(statement):
        statement = statement[match.end() :]
    return " ".join(statement.split())


def _name(one: exp.Expression) -> str:
    name = str(one.alias_or_name)
    return name if name and name != "*" else "?column?"
