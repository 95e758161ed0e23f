"""Telling callables from commands, and reading what a set-up complains about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbsafe_runner.database.setup_command import (
    Setup,
    SetupFailedError,
    is_callable,
    missing_extensions,
)


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


def call(folder: Path, body: str) -> None:
    (folder / "made.py").write_text(f"import asyncio, pathlib\n{body}")
    Setup("made:prepare", folder, folder / "log").run(os.environ, 60.0)


@pytest.mark.parametrize(
    "body",
    [
        "def prepare(): pathlib.Path('done').touch()",
        "async def prepare():\n  await asyncio.sleep(0)\n  pathlib.Path('done').touch()",
        "class Later:\n def __await__(self):\n  yield\n  pathlib.Path('done').touch()\nprepare = Later",
    ],
    ids=["function", "async", "awaitable"],
)
def test_a_callable_is_run_to_its_end(tmp_path: Path, body: str) -> None:
    call(tmp_path, body)
    assert (tmp_path / "done").exists()


def test_an_async_callable_that_raises_has_failed(tmp_path: Path) -> None:
    with pytest.raises(SetupFailedError, match="exited with 1") as caught:
        call(tmp_path, "async def prepare(): raise KeyError('no such thing')")
    assert "no such thing" in caught.value.cause


def test_the_hint_for_a_full_disk_says_where_to_make_room(tmp_path: Path) -> None:
    with pytest.raises(SetupFailedError) as caught:
        Setup(
            "echo 'could not extend file: No space left on device'; exit 1", tmp_path, tmp_path / "log"
        ).run(os.environ, 60.0)
    assert caught.value.cause == "could not extend file: No space left on device"
    assert "DBSAFE_SERVERS_DIR" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_callable_of_which_nothing_has_run_has_failed(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SetupFailedError) as caught:
        call(tmp_path, f"{kind} prepare(): yield")
    assert caught.value.code == "setup-failed"
    assert "made:prepare returned a generator, so nothing of it has run." in caught.value.cause
