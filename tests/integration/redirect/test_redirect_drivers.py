"""psycopg2, asyncpg and pg8000 through the redirection, against a real server."""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import asyncpg
import pg8000
import pg8000.dbapi
import pg8000.native
import psutil
import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
import pytest
from psycopg2 import connect as connect_imported_by_name

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers import redirect
from dbsafe_runner.workers.redirect import ConnectionRefusedByGuardError

if TYPE_CHECKING:
    from tests.integration.redirect.conftest import Recorder, Server

WHO = "SELECT name, current_database(), current_user FROM whoami"
OURS = ("first", "app", "app")


def ask(conn: Any, sql: str = WHO) -> tuple[Any, ...]:
    """The first row, by DB-API; the connection is closed."""
    try:
        cursor = conn.cursor()
        cursor.execute(sql)
        return tuple(cursor.fetchone())
    finally:
        conn.close()


async def ask_asyncpg(*args: Any, sql: str = WHO, **kwargs: Any) -> tuple[Any, ...]:
    conn = await asyncpg.connect(*args, **kwargs)
    try:
        return tuple(await conn.fetchrow(sql))
    finally:
        await conn.close()


class TestPsycopg2:
    def test_by_url_parts_and_name(self, redirected: Recorder, url: str, port: int) -> None:
        assert ask(psycopg2.connect(url)) == OURS
        assert ask(connect_imported_by_name(url + "?sslmode=verify-full")) == OURS
        assert ask(psycopg2.connect(host="127.0.0.1", port=port, user="app", database="app")) == OURS
        assert len(redirected.connected) == 3

    def test_factories_and_classes(self, redirected: Recorder, url: str) -> None:
        class Own(psycopg2.extensions.connection):
            pass

        assert ask(psycopg2.connect(url, connection_factory=Own)) == OURS
        assert ask(Own(url)) == OURS
        assert ask(psycopg2.extensions.connection(url)) == OURS
        assert ask(psycopg2.connect(url, connection_factory=psycopg2.extras.DictConnection)) == OURS
        conn = psycopg2.connect(url)
        assert type(conn) is psycopg2.extensions.connection
        psycopg2.extensions.register_type(psycopg2.extensions.UNICODE, conn)
        psycopg2.extras.register_uuid(conn_or_curs=conn)
        assert ask(conn) == OURS
        assert len(redirected.connected) == 5

    def test_pools_and_async(self, redirected: Recorder, url: str) -> None:
        pool = psycopg2.pool.ThreadedConnectionPool(1, 2, url)
        with pool.getconn() as conn, conn.cursor() as cursor:
            cursor.execute(WHO)
            assert cursor.fetchone() == OURS
        pool.closeall()
        conn = psycopg2.connect(url, async_=True)
        psycopg2.extras.wait_select(conn)
        assert conn.async_
        cursor = conn.cursor()
        cursor.execute(WHO)
        psycopg2.extras.wait_select(conn)
        assert cursor.fetchone() == OURS
        conn.close()

    def test_refused_and_left_alone(self, redirected: Recorder, own_server: Server) -> None:
        with pytest.raises(ConnectionRefusedByGuardError) as caught:
            psycopg2.connect("host=production.invalid")
        assert isinstance(caught.value, psycopg2.OperationalError)
        dsn = f"host=localhost port={own_server.tcp_port} user=app dbname=app"
        assert ask(psycopg2.connect(dsn), "SELECT name FROM whoami") == ("second",)

    def test_a_schema(self, server: Server, url: str, record: Callable[..., Recorder]) -> None:
        record(Endpoint(server.directory, server.port, schema="w1"))
        assert ask(psycopg2.connect(url), "SHOW search_path") == ('"w1", "$user", public',)

    def test_uninstall(self, redirected: Recorder, url: str) -> None:
        redirect.uninstall()
        assert psycopg2.extensions.connection.__module__ == "psycopg2.extensions"
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url)


class TestAsyncpg:
    @pytest.mark.parametrize(
        "kwargs",
        [
            {"host": "localhost", "port": 0, "user": "app", "database": "app"},
            {"host": ["localhost", "other"], "port": [0, 5432], "user": "app", "database": "app"},
            {"dsn": "postgresql://app:secret@127.0.0.1:PORT/app?sslmode=require"},
            {"dsn": "postgresql://app@localhost:PORT/app", "ssl": True},
            {"dsn": "postgresql://app@localhost:PORT/app", "ssl": ssl.create_default_context()},
            {"dsn": "postgresql://app@localhost:PORT/app?target_session_attrs=standby"},
        ],
    )
    def test_every_way_to_say_it(self, redirected: Recorder, port: int, kwargs: dict[str, Any]) -> None:
        kwargs = dict(kwargs)
        if "dsn" in kwargs:
            kwargs["dsn"] = kwargs["dsn"].replace("PORT", str(port))
        elif kwargs["port"] == 0:
            kwargs["port"] = port
        else:
            kwargs["port"] = [port, 5432]
        assert asyncio.run(ask_asyncpg(**kwargs)) == OURS
        assert len(redirected.connected) == 1

    def test_the_environment(
        self, redirected: Recorder, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = {"PGPORT": str(port), "PGUSER": "app", "PGSSLMODE": "require"}
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        assert asyncio.run(ask_asyncpg()) == OURS

    def test_a_pool_and_a_subclass(self, redirected: Recorder, url: str) -> None:
        class Own(asyncpg.Connection):
            pass

        async def both() -> tuple[Any, ...]:
            async with asyncpg.create_pool(url, min_size=2, max_size=2, connection_class=Own) as pool:
                assert await pool.fetchval("SHOW application_name") == ""
                return tuple(await pool.fetchrow(WHO))

        assert asyncio.run(both()) == OURS

    def test_settings_stay_beside_the_schema(
        self, server: Server, url: str, record: Callable[..., Recorder]
    ) -> None:
        endpoint = Endpoint(
            server.directory, server.port, schema="w1", options={"options": "-c jit=off"}
        )
        record(endpoint)
        settings = {"application_name": "shop", "search_path": "shop"}

        def show(name: str, **kwargs: Any) -> str:
            return str(asyncio.run(ask_asyncpg(url, sql="SHOW " + name, **kwargs))[0])

        assert show("search_path") == '"w1", "$user", public'
        assert show("search_path", server_settings=settings) == '"w1", shop'
        assert show("application_name", server_settings=settings) == "shop"
        assert show("search_path", server_settings={"options": "-csearch_path=a"}) == '"w1", a'
        assert show("jit") == "off"

    def test_refused_and_left_alone(self, redirected: Recorder, own_server: Server) -> None:
        with pytest.raises(ConnectionRefusedByGuardError) as caught:
            asyncio.run(ask_asyncpg("postgresql://app@production.invalid/app"))
        assert isinstance(caught.value, OSError)
        dsn = f"postgresql://app@localhost:{own_server.tcp_port}/app"
        assert asyncio.run(ask_asyncpg(dsn, sql="SELECT name FROM whoami")) == ("second",)


class TestPg8000:
    def test_all_three_faces(self, redirected: Recorder, port: int) -> None:
        for connect in (pg8000.connect, pg8000.dbapi.connect, pg8000.dbapi.Connection):
            assert ask(connect("app", "localhost", "app", port, "secret")) == OURS
            assert ask(connect(user="app", host="127.0.0.1", port=port)) == OURS
        with pg8000.native.Connection("app", port=port, password="secret") as conn:
            assert tuple(conn.run(WHO)[0]) == OURS
        assert len(redirected.connected) == 7

    def test_tls_and_sockets(self, redirected: Recorder, port: int) -> None:
        for context in (True, None, False, ssl.create_default_context()):
            assert ask(pg8000.dbapi.connect("app", port=port, ssl_context=context)) == OURS
        socket = f"/var/run/postgresql/.s.PGSQL.{port}"
        assert ask(pg8000.dbapi.connect("app", unix_sock=socket)) == OURS

    def test_a_tcp_endpoint(
        self, own_server: Server, port: int, record: Callable[..., Recorder]
    ) -> None:
        record(Endpoint("127.0.0.1", own_server.tcp_port, options={"sslmode": "disable"}))
        assert ask(pg8000.dbapi.connect("app", port=port), "SELECT name FROM whoami") == ("second",)

    def test_a_schema_and_another_user(
        self, server: Server, port: int, record: Callable[..., Recorder]
    ) -> None:
        record(Endpoint(server.directory, server.port, schema="w1", user="postgres", password="x"))
        sql = "SELECT current_setting('search_path'), current_user, current_database()"
        own = {"search_path": "shop", "work_mem": "3MB"}
        assert ask(pg8000.dbapi.connect("app", port=port), sql) == (
            '"w1", "$user", public',
            "postgres",
            "app",
        )
        assert ask(pg8000.dbapi.connect("app", port=port, startup_params=own), sql)[0] == '"w1", shop'
        assert ask(pg8000.dbapi.connect("app", port=port, startup_params=own), "SHOW work_mem") == (
            "3MB",
        )

    def test_refused_and_errors(self, redirected: Recorder, port: int) -> None:
        with pytest.raises(ConnectionRefusedByGuardError) as caught:
            pg8000.dbapi.connect("app", host="production.invalid")
        assert isinstance(caught.value, pg8000.dbapi.InterfaceError)
        with pytest.raises(pg8000.dbapi.DatabaseError, match="no_such"):
            pg8000.dbapi.connect("app", port=port, database="no_such")
        with pytest.raises(TypeError):
            pg8000.dbapi.connect("app", nonsense=1)

    def test_a_refused_login_leaves_no_connection(self, redirected: Recorder, port: int) -> None:
        gc.disable()
        try:
            before = psutil.Process().num_fds()
            with pytest.raises(pg8000.dbapi.DatabaseError, match="no_such"):
                pg8000.dbapi.connect("app", port=port, database="no_such")
            assert psutil.Process().num_fds() == before
        finally:
            gc.enable()


def test_a_driver_built_otherwise_is_reported_and_stays_usable(
    server: Server, record: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.delattr(asyncpg.connect_utils, "_parse_connect_arguments")
        recorder = record()
    assert len(recorder.warnings) == 1
    assert f"asyncpg {asyncpg.__version__}" in recorder.warnings[0]
    assert "_parse_connect_arguments" in recorder.warnings[0]
