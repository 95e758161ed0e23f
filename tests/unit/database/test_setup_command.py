"""Telling callables from commands, and reading what a set-up complains about."""

from __future__ import annotations

import pytest

from dbsafe_runner.database.setup_command import is_callable, missing_extensions


@pytest.mark.parametrize("setup", ["project.testing:prepare", "conftest:Database.create", " a:b "])
def test_callables(setup: str) -> None:
    assert is_callable(setup)


@pytest.mark.parametrize(
    "setup", ["alembic upgrade head", "make db:reset", "./manage.py migrate", "a:b c", "npm:run:x"]
)
def test_commands(setup: str) -> None:
    assert not is_callable(setup)


def test_missing_extensions_are_read_from_the_output() -> None:
    output = """
    psycopg.errors.FeatureNotSupported: extension "uuid-ossp" is not available
    DETAIL:  Could not open extension control file "/x/extension/uuid-ossp.control": No such file
    ERROR:  could not open extension control file "/usr/share/13/extension/pgcrypto.control": No
    """
    assert missing_extensions(output) == ("uuid-ossp", "pgcrypto")
    assert missing_extensions('relation "extension" does not exist') == ()
