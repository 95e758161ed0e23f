"""What a SQL text does: reads, writes, schema changes, cluster-wide changes, transaction control.

Most statements are told by their first words, which is what makes thousands of files affordable; those
whose nature hides deeper (WITH, SELECT … INTO) are parsed by sqlglot. It connects to nothing and never
raises: a text that nobody understands yields a fact of kind "doubt".
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator

from dbsafe_runner.analysis.values import HOLE


@dataclasses.dataclass(frozen=True, slots=True)
class SqlFact:
    """What one statement does.

    `kind` is read, write, clean (deletes everything in its tables), ddl, temp (makes a temporary
    table), cluster, lasting (a change that no rollback undoes), session, signal (has to do with all
    sessions of the database), begin, commit, rollback or doubt. `what` says it in words.
    """

    kind: str
    tables: frozenset[str] = frozenset()
    what: str = ""
    #: IF NOT EXISTS, IF EXISTS or OR REPLACE: it may change nothing.
    tolerant: bool = False


_NAME = r'(?:"[^"]+"|[\w$\x00]+)(?:\s*\.\s*(?:"[^"]+"|[\w$\x00]+))*'
_FLAGS = re.IGNORECASE | re.DOTALL
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_PIECE = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|(\$\w*\$).*?\1|;", re.DOTALL)
_STRING = re.compile(r"'(?:[^']|'')*'", re.DOTALL)
_FIRST = re.compile(r"\(*\s*([a-zA-Z]+)")
_FROM = re.compile(rf"\b(?:from|join)\s+(?:only\s+|lateral\s+)?({_NAME})(?!\s*\()", _FLAGS)
_WRITES = (
    re.compile(rf"\binsert\s+into\s+({_NAME})", _FLAGS),
    re.compile(rf"\bupdate\s+(?:only\s+)?({_NAME})(?:\s+(?:as\s+)?\w+)?\s+set\b", _FLAGS),
    re.compile(rf"\bdelete\s+from\s+(?:only\s+)?({_NAME})", _FLAGS),
    re.compile(rf"\bmerge\s+into\s+(?:only\s+)?({_NAME})", _FLAGS),
    re.compile(rf"\brefresh\s+materialized\s+view\s+(?:concurrently\s+)?({_NAME})", _FLAGS),
    re.compile(rf"\bcopy\s+({_NAME})\s*(?:\([^)]*\))?\s+from\b", _FLAGS),
    re.compile(
        rf"\b(?:vacuum|analyze|reindex\s+table|cluster)\s+(?:\([^)]*\)\s*|full\s+)?({_NAME})", _FLAGS
    ),
)
_TRUNCATE = re.compile(rf"\btruncate\s+(?:table\s+)?(?:only\s+)?({_NAME}(?:\s*,\s*{_NAME})*)", _FLAGS)
_DELETE_ALL = re.compile(rf"\s*delete\s+from\s+(?:only\s+)?({_NAME})\s*$", _FLAGS)
_TEMP = re.compile(
    r"\s*create\s+(?:or\s+replace\s+)?(?:(?:local|global)\s+)?temp(?:orary)?\s+(?:table|view|sequence|recursive\s+view)"
    rf"\s+(?:if\s+not\s+exists\s+)?({_NAME})",
    _FLAGS,
)
_SELECT_INTO = re.compile(
    rf"\binto\s+(temp(?:orary)?\s+)?(?:unlogged\s+)?(?:table\s+)?({_NAME})\s*"
    r"(?:$|\)|\b(?:from|where|group|having|window|union|intersect|except|order|limit|offset|fetch|for)\b)",
    _FLAGS,
)
_DDL_OBJECT = re.compile(
    r"\s*(create|alter|drop|comment\s+on)\s+(?:or\s+replace\s+)?(?:unique\s+|unlogged\s+|foreign\s+|event\s+|constraint\s+)?"
    r"([a-z]+(?:\s+view)?)\s+(?:concurrently\s+)?(?:if\s+(?:not\s+)?exists\s+)?(?:only\s+)?"
    rf"({_NAME})?",
    _FLAGS,
)
_TOLERANT = re.compile(r"\bif\s+(?:not\s+)?exists\b|\bor\s+replace\b", re.IGNORECASE)
_REPLACES = re.compile(r"\s*create\s+or\s+replace\b", re.IGNORECASE)
_CLUSTER = re.compile(
    r"\s*(?:(create|alter|drop)\s+(role|user(?!\s+mapping)|group|database|tablespace|subscription|system)\b"
    r"|(alter)\s+(system)\b|(reassign)\s+(owned)\b|(drop)\s+(owned)\b)"
    rf"\s*(?:if\s+(?:not\s+)?exists\s+)?({_NAME})?",
    _FLAGS,
)
_GRANT_ROLE = re.compile(r"\s*(?:grant|revoke)\s+(?!.*\bon\b)", _FLAGS)
_CLUSTER_CALL = re.compile(
    r"\b(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_switch_wal|pg_promote"
    r"|pg_create_(?:physical|logical)_replication_slot|pg_drop_replication_slot|pg_stat_reset\w*)\s*\(",
    re.IGNORECASE,
)
_LASTING_CALL = re.compile(r"\b(nextval|setval)\s*\(\s*'?([\w.\"$\x00]*)", re.IGNORECASE)
_LARGE_OBJECT_CALL = re.compile(
    r"\b(lo_create|lo_creat|lo_import|lo_from_bytea|lo_put|lo_unlink|lowrite)\s*\(", re.IGNORECASE
)
_SIGNAL_CALL = re.compile(r"\b(pg_notify|pg_(?:try_)?advisory_\w+)\s*\(", re.IGNORECASE)
_CALL = re.compile(r"([\w.\x00]+)\s*\(")
#: A function of the project's own that has one of these in its name is taken to write.
_WRITING_NAME = re.compile(
    r"(?:^|[_.])(insert|add|create|update|upsert|delete|remove|set|save|store|defer|enqueue|dequeue|fetch_job|finish"
    r"|cancel|abort|purge|prune|register|unregister|retry|reset|clear|truncate|drop|log|record|put|push|pop|move)(?:_|$)"
)
_BUILTIN_CALL = re.compile(
    r"^(?:pg_|lo_|json|array_|string_|regexp_|to_|date_|set_bit|set_byte|set_config|setseed|setweight|xml|st_|txid_|ts_)"
    r"|^(?:clock|statement|transaction)_timestamp$|^log$"
)
_KINDS = {
    **dict.fromkeys(
        ("select", "values", "table", "show", "explain", "declare", "fetch", "move"), "read"
    ),
    **dict.fromkeys(
        ("insert", "update", "delete", "merge", "truncate", "refresh", "copy", "vacuum"), "write"
    ),
    **dict.fromkeys(("analyze", "reindex", "cluster"), "write"),
    **dict.fromkeys(
        ("create", "alter", "drop", "comment", "grant", "revoke", "security", "import"), "ddl"
    ),
    **dict.fromkeys(("set", "reset", "discard", "lock", "close"), "session"),
    **dict.fromkeys(("prepare", "deallocate", "savepoint", "release", "checkpoint", "load"), "session"),
    **dict.fromkeys(("listen", "unlisten", "notify"), "signal"),
    **dict.fromkeys(("begin", "start"), "begin"),
    **dict.fromkeys(("commit", "end"), "commit"),
    **dict.fromkeys(("rollback", "abort"), "rollback"),
    **dict.fromkeys(("do", "call", "execute", "reassign"), "doubt"),
    "with": "with",
}
_PROSE = re.compile(
    r"\s*\(*\s*(?:select\s+\S|insert\s+into\s|update\s+.+\sset\s|delete\s+from\s|truncate\s|copy\s.+\s(?:from|to)\s|with\s.+\sas\s"
    r"|(?:create|alter|drop)\s+(?:or\s+replace\s+)?(?:temp\w*\s+|unique\s+)?(?:table|index|view|materialized|schema|type|function"
    r"|procedure|trigger|sequence|extension|role|user|database|domain|policy|system|tablespace|publication)\b"
    r"|merge\s+into\s|listen\s|notify\s|refresh\s+materialized|grant\s|vacuum\b|set\s+\w+)",
    _FLAGS,
)


def looks_like_sql(text: str) -> bool:
    """Return whether a string is surely SQL, and not prose that begins with the same word."""
    return _PROSE.match(text) is not None


@functools.lru_cache(maxsize=8192)
def sql_facts(text: str) -> tuple[SqlFact, ...]:
    """Return what each statement of the text does, in order."""
    facts: list[SqlFact] = []
    for statement in _statements(_COMMENT.sub(" ", text)):
        facts.extend(_facts(statement))
    return tuple(facts)


def _statements(text: str) -> Iterator[str]:
    start = 0
    for piece in _PIECE.finditer(text):
        if piece.group() == ";":
            if text[start : piece.start()].strip():
                yield text[start : piece.start()]
            start = piece.end()
    if text[start:].strip():
        yield text[start:]


def _facts(statement: str) -> list[SqlFact]:
    first = _FIRST.match(statement.strip())
    kind = _KINDS.get(first.group(1).lower()) if first else None
    if kind is None:
        return [SqlFact("doubt", what="SQL that is put together when the test runs")]
    word = first.group(1).upper() if first else ""
    if kind == "signal":
        return [SqlFact(kind, what="notifications")]
    if kind in {"begin", "commit", "rollback", "session"}:
        return _of_transaction(statement, kind, word)
    if kind == "with":
        return _of_with(statement)
    if kind == "ddl":
        return _of_ddl(statement)
    told = {"doubt": _of_block, "write": _of_write}.get(kind, _of_read)
    return told(statement, word)


def _of_transaction(statement: str, kind: str, word: str) -> list[SqlFact]:
    if kind == "commit" and re.match(r"\s*commit\s+prepared", statement, re.IGNORECASE):
        return [SqlFact("lasting", what="COMMIT PREPARED")]
    if kind == "rollback" and re.search(r"\bto\b", statement, re.IGNORECASE):
        return []
    return [SqlFact(kind, what=word if kind == "session" else "")]


def _of_write(statement: str, word: str) -> list[SqlFact]:
    everything = _DELETE_ALL.match(statement)
    if everything:
        return [SqlFact("clean", frozenset({_name(everything.group(1))}), "DELETE of every row")]
    truncate = _TRUNCATE.search(statement)
    if word == "TRUNCATE":
        names = re.split(r"\s*,\s*", truncate.group(1)) if truncate else ["?"]
        return [SqlFact("clean", frozenset(_name(name) for name in names), "TRUNCATE")]
    written = _written(statement)
    if not written and word == "COPY":
        return _of_read(statement, word)
    facts = [SqlFact("write", written or frozenset({"?"}), word)]
    if word in {"INSERT", "UPDATE", "DELETE", "MERGE"}:
        facts.extend(_calls(statement))
    return facts


def _of_read(statement: str, word: str) -> list[SqlFact]:
    into = _SELECT_INTO.search(_STRING.sub("''", statement)) if word in {"SELECT", "WITH"} else None
    if into:
        table = frozenset({_name(into.group(2))})
        return [SqlFact("temp" if into.group(1) else "ddl", table, "SELECT INTO")]
    if word == "EXPLAIN":
        inner = re.sub(r"^\s*explain\s*(\([^)]*\)|analyze|verbose|\s)*", "", statement, flags=_FLAGS)
        runs = re.match(r"\s*explain\s*(\([^)]*\banalyze\b|analyze)", statement, _FLAGS)
        return _facts(inner) if runs else [SqlFact("read", _read(inner), word)]
    return [SqlFact("read", _read(statement), word), *_calls(statement)]


def _of_with(statement: str) -> list[SqlFact]:
    if not re.search(r"\b(insert|update|delete|merge)\b", statement, re.IGNORECASE):
        return _of_read(statement, "WITH")
    written = _written_by_parser(statement)
    if written is None:
        written = _written(statement)
    if not written:
        return _of_read(statement, "WITH")
    return [SqlFact("write", written, "WITH … that writes"), *_calls(statement)]


def _written_by_parser(statement: str) -> frozenset[str] | None:
    import sqlglot
    from sqlglot import exp

    readable = re.sub(r"%\(\w+\)s|%s|\x00|(?<![:\w]):\w+|\$\d+", "NULL", statement)
    try:
        tree = sqlglot.parse_one(readable, dialect="postgres")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    found: set[str] = set()
    for node in tree.find_all(exp.Insert, exp.Update, exp.Delete, exp.Merge):
        table = node.this.find(exp.Table) if isinstance(node.this, exp.Expression) else None
        found.add(_name(".".join(part.name for part in table.parts)) if table is not None else "?")
    return frozenset(found)


def _of_ddl(statement: str) -> list[SqlFact]:
    temporary = _TEMP.match(statement)
    if temporary:
        return [SqlFact("temp", frozenset({_name(temporary.group(1))}), "temporary table")]
    cluster = _CLUSTER.match(statement)
    if cluster:
        words = " ".join(group.upper() for group in cluster.groups()[:-1] if group)
        name = _name(cluster.group(9) or "?")
        return [SqlFact("cluster", what=words if words == "ALTER SYSTEM" else f"{words} {name}")]
    if _GRANT_ROLE.match(statement):
        return [SqlFact("cluster", what="GRANT or REVOKE of a role")]
    found = _DDL_OBJECT.match(statement)
    tolerant = _TOLERANT.search(statement) is not None
    if not found:
        return [SqlFact("ddl", what=" ".join(statement.split()[:2]).upper(), tolerant=tolerant)]
    name = _name(found.group(3) or "?")
    if name.startswith("pg_temp"):
        return [SqlFact("temp", frozenset({name}), "temporary table")]
    # What replaces is told from what is content with what is there.
    verb = "CREATE OR REPLACE" if _REPLACES.match(statement) else found.group(1).upper()
    what = f"{verb} {found.group(2).upper()} {name}"
    return [SqlFact("ddl", frozenset({name}), what, tolerant)]


def _of_block(statement: str, word: str) -> list[SqlFact]:
    """Return the facts of DO, CALL and EXECUTE, whose text is judged by the words in it."""
    if word == "DO":
        facts = []
        if re.search(r"\b(create|alter|drop)\s+(?!temp)", statement, re.IGNORECASE):
            facts.append(
                SqlFact("ddl", what="DO block with DDL", tolerant=bool(_TOLERANT.search(statement)))
            )
        if _written(statement):
            facts.append(SqlFact("write", _written(statement), "DO"))
        if facts or re.search(r"\b(perform|execute)\b", statement, re.IGNORECASE) is None:
            return facts or [SqlFact("read", what=word)]
    return [SqlFact("doubt", what=f"{word} may write")]


def _calls(statement: str) -> list[SqlFact]:
    if "(" not in statement:
        return []
    facts = [
        SqlFact("cluster", what=f"{found.group(1)}()") for found in _CLUSTER_CALL.finditer(statement)
    ]
    facts += [
        SqlFact("lasting", frozenset({_name(found.group(2) or "?")}), f"{found.group(1)}()")
        for found in _LASTING_CALL.finditer(statement)
    ]
    facts += [
        SqlFact("signal", what="notifications" if "notify" in found.lower() else "advisory locks")
        for found in _SIGNAL_CALL.findall(statement)
    ]
    if _LARGE_OBJECT_CALL.search(statement):
        facts.append(SqlFact("write", frozenset({"pg_largeobject"}), "large object"))
    if re.match(r"\s*\(*\s*(select|with)\b", statement, re.IGNORECASE):
        for name in _CALL.findall(_STRING.sub("''", statement)):
            plain = name.rpartition(".")[2].lower()
            if _WRITING_NAME.search(plain) and not _BUILTIN_CALL.search(plain):
                facts.append(SqlFact("write", frozenset({"?"}), f"function {plain}() may write"))
    return facts


def _written(statement: str) -> frozenset[str]:
    found = {_name(name) for pattern in _WRITES for name in pattern.findall(statement)}
    truncate = _TRUNCATE.search(statement)
    if truncate:
        found.update(_name(name) for name in re.split(r"\s*,\s*", truncate.group(1)))
    return frozenset(found)


def _read(statement: str) -> frozenset[str]:
    return frozenset(_name(name) for name in _FROM.findall(_STRING.sub("''", statement)))


def _name(name: str) -> str:
    """Return a table's name as footprints spell it; "?" when it is not known."""
    parts = [part.strip().strip('"') for part in name.split(".")]
    plain = ".".join(part if name.count('"') else part.lower() for part in parts)
    plain = plain.removeprefix("public.")
    return "?" if HOLE in plain or not plain else plain
