"""History files: opening, recognising and creating the SQLite file that a history is in."""

from __future__ import annotations

import contextlib
import importlib.resources
import sqlite3

VERSION = 2
#: Marks a SQLite file as a history of ours: "dbsf".
APPLICATION = 0x64627366
#: Seconds to wait for another run that writes.
_PATIENCE = 10.0


def in_memory() -> sqlite3.Connection:
    """An empty history that nobody else sees."""
    return create(connect(":memory:"))


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means that a file is no SQLite database, or a broken one."""
    # The low byte is the kind of error, what is above it says more.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(path: str) -> sqlite3.Connection:
    """A connection to a file, to one in memory, or by a URI. Raises sqlite3.Error."""
    # What is set here writes nothing: the file may be somebody else's, or damaged.
    connection = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level=None, uri=path.startswith("file:")
    )
    try:
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma synchronous = normal")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def identity(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """(application, version) of the file, or None when it is empty; all as of one moment."""
    alone = not connection.in_transaction
    if alone:
        connection.execute("begin")
    (tables,) = connection.execute("select count(*) from sqlite_schema").fetchone()
    (application,) = connection.execute("pragma application_id").fetchone()
    (version,) = connection.execute("pragma user_version").fetchone()
    if alone:
        connection.execute("commit")
    return (application, version) if tables or application or version else None


def create(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Make the tables, unless another run has made them a moment ago."""
    # Readers and a writer at the same time; where the file system cannot, it stays as it is.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("pragma journal_mode = wal")
    connection.execute("begin immediate")
    if identity(connection) is None:
        for statement in _statements(_schema()):
            connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION}")
        connection.execute(f"pragma user_version = {VERSION}")
    connection.execute("commit")
    return connection


def upgrade(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Add what a history of format 1 lacks, unless another run has done so a moment ago."""
    connection.execute("begin immediate")
    if identity(connection) == (APPLICATION, 1):
        connection.execute(next(one for one in _statements(_schema()) if "table whole_file" in one))
        connection.execute(f"pragma user_version = {VERSION}")
    connection.execute("commit")
    return connection


def _schema() -> str:
    return importlib.resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")


def _statements(script: str) -> list[str]:
    # executescript would commit first, and another run could be between.
    return [statement for statement in script.split(";\n") if statement.strip()]
