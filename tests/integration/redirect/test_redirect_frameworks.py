"""SQLAlchemy and Django through the redirection, as a suite would use them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

if TYPE_CHECKING:
    from tests.integration.redirect.conftest import Recorder, Server

WHO = "SELECT name, current_database(), current_user FROM whoami"
OURS = ("first", "app", "app")


@pytest.fixture
def engine_of() -> Any:
    """Make engines that are disposed of at the end."""
    engines: list[sqlalchemy.Engine] = []

    def make(url: str, **kwargs: Any) -> sqlalchemy.Engine:
        engines.append(sqlalchemy.create_engine(url, **kwargs))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_an_engine_made_before_the_redirection(
    driver: str, url: str, engine_of: Any, record: Callable[..., Recorder]
) -> None:
    engine = engine_of(url.replace("postgresql", "postgresql+" + driver))
    recorder = record()
    with engine.connect() as conn:
        assert tuple(conn.execute(sqlalchemy.text(WHO)).one()) == OURS
    assert len(recorder.connected) == 1


async def _ask(url: str) -> tuple[Any, ...]:
    import sqlalchemy.ext.asyncio

    engine = sqlalchemy.ext.asyncio.create_async_engine(url)
    try:
        async with engine.connect() as conn:
            return tuple((await conn.execute(sqlalchemy.text(WHO))).one())
    finally:
        await engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_asynchronous_engine(driver: str, url: str, redirected: Recorder) -> None:
    pytest.importorskip("greenlet")
    assert asyncio.run(_ask(url.replace("postgresql", "postgresql+" + driver))) == OURS


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_several_hosts_and_urls_of_the_engine(
    driver: str, url: str, port: int, engine_of: Any, redirected: Recorder
) -> None:
    engine = engine_of(url.replace("postgresql", "postgresql+" + driver), pool_pre_ping=True)
    with engine.connect() as conn:
        assert tuple(conn.execute(sqlalchemy.text(WHO)).one()) == OURS
    assert engine.url.port == port
    other = engine_of(engine.url.set(database="postgres"))
    with other.connect() as conn:
        assert conn.execute(sqlalchemy.text("SELECT current_database()")).scalar_one() == "postgres"


DJANGO_TESTS = """
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": "app",
            "USER": "app", "PASSWORD": "secret", "HOST": "localhost", "PORT": @PORT@,
        }},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        USE_TZ=True,
    )
    django.setup()

    import sys
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import TestCase
    from django.test.runner import DiscoverRunner


    class Users(TestCase):
        def test_create(self):
            User.objects.create_user("alice")
            assert User.objects.count() == 1
            assert connection.settings_dict["NAME"] == "test_app"
            with connection.cursor() as cursor:
                cursor.execute("SHOW port")
                assert cursor.fetchone() == ("@EXPECTED@",)
            print("driver", connection.Database.__name__)


    runner = DiscoverRunner(verbosity=0, interactive=False)
    sys.exit(runner.run_tests(["__main__"]))
"""


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_django_makes_its_test_database_in_the_namespace(
    driver: str, server: Server, port: int, redirected: Recorder, tmp_path: Path
) -> None:
    code = textwrap.dedent(DJANGO_TESTS).replace("@PORT@", str(port))
    code = code.replace("@EXPECTED@", str(server.port))
    if driver == "psycopg2":
        code = "import sys\nsys.modules['psycopg'] = None\n" + code
    (tmp_path / "shop_tests.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "shop_tests.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "driver " + driver in done.stdout
    assert server.run("SELECT count(*) FROM pg_database WHERE datname = 'test_app'") == [["0"]]
