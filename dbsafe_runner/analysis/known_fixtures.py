"""Fixtures of pytest and of well-known plugins: what they give, and what they do to a database."""

from __future__ import annotations

import dataclasses
import re

from dbsafe_runner.analysis import strings
from dbsafe_runner.analysis.actions import NO_TABLES, Action, Kind
from dbsafe_runner.analysis.catalogue import orms
from dbsafe_runner.analysis.fixture_results import FixtureResult
from dbsafe_runner.analysis.transactions import GUARD
from dbsafe_runner.analysis.values import TEMPORARY, UNKNOWN, Lib, Link, Value

_LIBRARY = re.compile(r"/(site-packages|dist-packages)/|/lib/python3[^/]*/|/_pytest/")
_SMELLS_OF_DATABASE = re.compile(
    r"(^|_)(db|database|session|conn|connection|cursor|engine|postgres\w*|pg|psql)(_|$)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class KnownFixture:
    """A fixture of a plugin. `does` is "", rolls-back, rolls-back-itself, flushes, user or connects."""

    kind: str = ""
    does: str = ""


_KNOWN = {
    "db": KnownFixture(does="rolls-back"),
    "_django_db_helper": KnownFixture(),
    "_django_db_fixture_helper": KnownFixture(),
    "transactional_db": KnownFixture(does="flushes"),
    "django_db_reset_sequences": KnownFixture(does="flushes"),
    "django_db_serialized_rollback": KnownFixture(),
    "live_server": KnownFixture(does="flushes"),
    "client": KnownFixture("DjangoClient"),
    "async_client": KnownFixture("DjangoClient"),
    "admin_client": KnownFixture("DjangoClient", "user"),
    "admin_user": KnownFixture("DjangoModel", "user"),
    "django_user_model": KnownFixture("DjangoModel"),
    "django_db_blocker": KnownFixture("blocker"),
    "request": KnownFixture("request"),
    "monkeypatch": KnownFixture("monkeypatch"),
    "mocker": KnownFixture("mocker"),
    "class_mocker": KnownFixture("mocker"),
    "module_mocker": KnownFixture("mocker"),
    "session_mocker": KnownFixture("mocker"),
    "tmp_path": KnownFixture("path"),
    "tmpdir": KnownFixture("path"),
    "tmp_path_factory": KnownFixture("temporary"),
    "tmpdir_factory": KnownFixture("temporary"),
    "pytester": KnownFixture("temporary"),
    "testdir": KnownFixture("temporary"),
    "postgresql": KnownFixture("Connection", "connects"),
}


#: Those of dbsafe_runner.testing: a psycopg connection whose transaction is rolled back.
_OURS = {"db": KnownFixture("Connection", "rolls-back-itself"), "lock_rows": KnownFixture()}
_OWN_LINK = Link("the fixture db")


def is_ours(path: str) -> bool:
    """Return whether a file is that of the fixtures that dbsafe offers."""
    return "/dbsafe_runner/testing/" in path


def find_ours(name: str) -> KnownFixture | None:
    """Return what is known of a fixture that dbsafe offers."""
    return _OURS.get(name)


def is_library(path: str) -> bool:
    """Return whether a file belongs to Python or to an installed package."""
    return _LIBRARY.search(path) is not None


def find(name: str) -> KnownFixture | None:
    """Return what is known of a fixture by its name."""
    return _KNOWN.get(name)


def result(known: KnownFixture | None, name: str = "", reach: str = "own") -> FixtureResult:
    """Return what a library's fixture gives and does."""
    if known is None:
        return FixtureResult(_guess(name), [], [], {}, reach)
    setup: list[Action] = []
    teardown: list[Action] = []
    if known.does == "rolls-back":
        setup.append(_django(Kind.CONNECT))
        setup.append(_django(Kind.BEGIN, GUARD))
        teardown.append(_django(Kind.END, flag=True))
    elif known.does == "rolls-back-itself":
        setup.append(_own(Kind.CONNECT))
        teardown.append(_own(Kind.ROLLBACK))
        return FixtureResult(Lib(known.kind, _OWN_LINK), setup, teardown, {}, reach)
    elif known.does == "flushes":
        setup.append(_django(Kind.CONNECT))
        teardown.append(_django(Kind.WRITE, "flush after a transactional test", tables=frozenset({"?"})))
    elif known.does == "user":
        setup.append(_django(Kind.WRITE, "creates a user", tables=frozenset({"auth_user"})))
    elif known.does == "connects":
        setup.append(Action(Kind.CONNECT, Link("postgresql fixture"), NO_TABLES, "", "", 0))
    return FixtureResult(_value(known.kind), setup, teardown, {}, reach)


def _own(kind: Kind) -> Action:
    return Action(kind, _OWN_LINK, NO_TABLES, "", "", 0)


def _django(
    kind: Kind, what: str = "", *, tables: frozenset[str] = NO_TABLES, flag: bool = False
) -> Action:
    return Action(kind, orms.DJANGO, tables, what, "", 0, flag)


def _value(kind: str) -> Value:
    if not kind:
        return UNKNOWN
    if kind == "path":
        return strings.path(TEMPORARY)
    if kind == "DjangoModel":
        return Lib(kind, orms.DJANGO, {}, frozenset({"auth_user"}))
    if kind == "Connection":
        return Lib(kind, Link("postgresql fixture"))
    return Lib(kind)


def _guess(name: str) -> Value:
    """Return a connection for a plugin's fixture whose name says that it is one."""
    if _SMELLS_OF_DATABASE.search(name) and "scope" not in name:
        return Lib("Session", Link(f"fixture {name}", autocommit=True))
    return UNKNOWN
