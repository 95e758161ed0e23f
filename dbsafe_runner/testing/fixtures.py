"""Fixtures on the suite's own database: `db`, `db_url` and `lock_rows`."""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

LockRows = Callable[..., AbstractContextManager[psycopg.Connection[Any]]]


@pytest.fixture(scope="session")
def db_url(pytestconfig: pytest.Config) -> str:
    """The URL of the suite's database: `DATABASE_URL`, else the first `[database] source`.

    The source is looked for in runner.toml, and under `[tool.dbsafe]` in pyproject.toml, at pytest's
    root directory. A suite that knows better has a fixture of this name of its own.

    Raises:
        pytest.UsageError: neither says anything.
    """
    url = os.environ.get("DATABASE_URL") or source_in(pytestconfig.rootpath)
    if not url:
        raise pytest.UsageError(
            "The fixture db needs a database: set DATABASE_URL, or [database] source in runner.toml, "
            "or have a fixture db_url of your own."
        )
    return url


@pytest.fixture
def db(db_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose transaction is rolled back when the test has ended.

    What a test commits on it stays, as anywhere; dbsafe sees that and brings it back after the test.
    """
    with contextlib.closing(psycopg.connect(plain(db_url))) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def lock_rows(db_url: str) -> LockRows:
    """Give a context in which another session has locked some rows.

    `with lock_rows("orders", id=1):` holds `SELECT ... FOR UPDATE` on the rows with these values, in a
    session of its own, and gives that session. Rows have to be committed to be seen there.
    """

    @contextlib.contextmanager
    def lock(table: str, **values: object) -> Iterator[psycopg.Connection[Any]]:
        conditions = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values]
        where = sql.SQL(" where ") + sql.SQL(" and ").join(conditions) if values else sql.SQL("")
        name = sql.Identifier(*table.split("."))
        query = sql.SQL("select from {}{} for update").format(name, where)
        with contextlib.closing(psycopg.connect(plain(db_url))) as connection:
            connection.execute(query, list(values.values()))
            yield connection
            connection.rollback()

    return lock


def plain(url: str) -> str:
    """A URL without the name of a driver, as SQLAlchemy has it: psycopg takes none."""
    scheme, found, rest = url.partition("://")
    return scheme.partition("+")[0] + found + rest


def source_in(root: Path) -> str:
    """The first `[database] source` of the project at `root`; "" where there is none."""
    for name, section in (("runner.toml", ()), ("pyproject.toml", ("tool", "dbsafe"))):
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
            table: Any = tomllib.loads((root / name).read_text(encoding="utf-8"))
            for key in (*section, "database"):
                table = table.get(key, {})
            source = table.get("source", "")
            found = source if isinstance(source, str) else next(iter(source), "")
            if found:
                return str(found)
    return ""
