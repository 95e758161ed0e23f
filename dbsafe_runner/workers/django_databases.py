"""Django's test databases: made and migrated once, and called as in a serial run.

pytest-django makes them in a fixture of session scope. Migrating may take longer than many tests do, so
the fixture is run before the workers are forked, and the state of its server becomes the template of
every worker's. That is done only where no other wide fixture of the suite would have run before it, so
that all happens in the order of a serial run. Where each worker has a server of its own, pytest-django
need not tell the databases of its workers apart by a suffix, which a suite may be surprised by. On a
server of the user's, the names of workers do not suffice as one: other runs have workers of these names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import pytest
from _pytest.outcomes import OutcomeException

_FIXTURE: Final = "django_db_setup"
#: Bytes that PostgreSQL keeps of a name.
_LONGEST: Final = 63
_INSTALLED: Final = ("site-packages", "dist-packages")


def keep_names(worker: str) -> None:
    """Have pytest-django leave out the suffix that it would add for this worker."""
    _name_by(worker, lambda: "")


def tell_apart(worker: str, suffix: Callable[[], str]) -> None:
    """Have pytest-django add a suffix that no worker of any run has, instead of the worker's name.

    Args:
        worker: the worker's name.
        suffix: called when the databases are named; "" for the usual one.
    """
    _name_by(worker, lambda: suffix() or worker)


def _name_by(worker: str, chosen: Callable[[], str]) -> None:
    fixtures: Any = sys.modules.get("pytest_django.fixtures")
    usual = getattr(fixtures, "_set_suffix_to_test_databases", None)
    if usual is None:
        return

    def set_suffix(suffix: str) -> None:
        if suffix != worker:
            usual(suffix)
        elif own := chosen():
            usual(own)
            _shorten(own)

    fixtures._set_suffix_to_test_databases = set_suffix  # noqa: SLF001


def _shorten(suffix: str) -> None:
    """Cut names that the suffix makes too long, which Django refuses, in front of the suffix."""
    from django.conf import settings  # type: ignore[import-untyped]

    for database in settings.DATABASES.values():
        name = str(database.get("TEST", {}).get("NAME") or "")
        if len(name.encode()) > _LONGEST and name.endswith(f"_{suffix}"):
            start = name.encode()[: _LONGEST - len(suffix) - 1].decode(errors="ignore")
            database["TEST"]["NAME"] = f"{start}_{suffix}"


def come_first(session: pytest.Session) -> bool:
    """Whether tests need Django's databases, all PostgreSQL's, and their set-up would run first."""
    first = _first(session)
    return first is not None and _uses_postgresql(session) and _nothing_before(first)


def set_up(session: pytest.Session) -> None:
    """Run pytest-django's set-up of databases for all workers, if they `come_first`.

    Its result, or its failure, is cached in the fixture, where forked workers find it.
    """
    first = _first(session)
    assert first is not None
    # The session must be set up for a fixture to belong to it, and a test for it to ask for one.
    stack = session._setupstate.stack  # noqa: SLF001
    stack[session] = ([session.teardown], None)
    stack[first] = ([], None)
    try:
        first._request._get_active_fixturedef(_FIXTURE)  # noqa: SLF001
    except (Exception, OutcomeException):  # noqa: BLE001  # Each test that needs it will say so.
        return
    finally:
        del stack[first]
        first._initrequest()  # noqa: SLF001
        _close_connections()


def forget(session: pytest.Session) -> None:
    """Leave tearing down to the workers: what the zygote would tear down is in no server any more."""
    session._setupstate.stack.clear()  # noqa: SLF001


def _first(session: pytest.Session) -> pytest.Function | None:
    return next((item for item in session.items if isinstance(item, pytest.Function)), None)


def _uses_postgresql(session: pytest.Session) -> bool:
    """Whether tests need databases of Django's, and all of these are PostgreSQL's."""
    fixtures: Any = sys.modules.get("pytest_django.fixtures")
    needed = getattr(fixtures, "_get_databases_for_setup", None)
    if needed is None or "django.db" not in sys.modules:
        return False
    from django.core.exceptions import ImproperlyConfigured  # type: ignore[import-untyped]
    from django.db import connections  # type: ignore[import-untyped]

    try:
        aliases, _ = needed(session.items)
        vendors = {connections[alias].vendor for alias in aliases}
    except (ImproperlyConfigured, ImportError, AttributeError):
        return False
    return bool(aliases) and vendors == {"postgresql"}


def _nothing_before(item: pytest.Function) -> bool:
    """Whether no other fixture of the suite that is wider than a test runs before the set-up."""
    known = item._fixtureinfo.name2fixturedefs  # noqa: SLF001
    for name in item.fixturenames:
        if name == _FIXTURE:
            return True
        for fixture in known.get(name, ())[-1:]:
            place = getattr(getattr(fixture.func, "__code__", None), "co_filename", "")
            installed = any(part in place for part in _INSTALLED)
            if fixture.scope != "function" and not installed:
                return False
    return True


def _close_connections() -> None:
    """Close what the set-up opened: no connection may be shared with the workers."""
    from django.db import connections

    connections.close_all()
