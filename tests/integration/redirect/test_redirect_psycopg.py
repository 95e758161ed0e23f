"""psycopg 3 through the redirection, against a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers import redirect
from dbsafe_runner.workers.redirect import ConnectionRefusedByGuardError, Target

if TYPE_CHECKING:
    from tests.integration.redirect.conftest import Recorder, Server

WHO = "SELECT name, current_database(), current_user FROM whoami"
OURS = ("first", "app", "app")


def test_a_hard_coded_url(redirected: Recorder, port: int) -> None:
    with psycopg.connect(f"postgresql://app:secret@127.0.0.1:{port}/app") as conn:
        assert conn.execute(WHO).fetchone() == OURS
    assert redirected.connected == [Target("localhost", port, "app", "app")]


@pytest.mark.parametrize(
    ("conninfo", "kwargs"),
    [
        ("host=localhost port=PORT user=app dbname=app", {}),
        ("", {"host": "127.0.0.1", "port": "PORT", "user": "app", "dbname": "app"}),
        ("dbname=app user=app", {"host": "/var/run/postgresql", "port": "PORT"}),
        ("postgresql://app@[::1]:PORT/app", {}),
        ("postgresql:///app?host=/tmp&port=PORT&user=app", {}),
        ("postgresql://app@localhost:PORT,other:PORT/app", {}),
        ("postgresql://app@localhost:PORT/app?sslmode=require&channel_binding=require", {}),
        ("postgresql://app@localhost:PORT/app?sslmode=verify-full&sslrootcert=/nowhere", {}),
        ("postgresql://app@localhost:PORT/app?target_session_attrs=standby", {}),
        (
            "postgresql://app@localhost:PORT/app",
            {"hostaddr": "127.0.0.1", "gssencmode": "require"},
        ),
        (
            "postgresql://app@localhost:PORT/app",
            {"require_auth": "scram-sha-256", "password": None},
        ),
        (
            "postgresql://app@localhost:PORT/app",
            {"sslmode": "require", "sslnegotiation": "direct"},
        ),
    ],
)
def test_every_way_to_say_it(
    redirected: Recorder, port: int, conninfo: str, kwargs: dict[str, Any]
) -> None:
    kwargs = {key: str(port) if value == "PORT" else value for key, value in kwargs.items()}
    with psycopg.connect(conninfo.replace("PORT", str(port)), **kwargs) as conn:
        assert conn.execute(WHO).fetchone() == OURS


def test_the_environment_says_it(
    redirected: Recorder, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    values = {"PGHOST": "localhost", "PGPORT": str(port), "PGUSER": "app", "PGDATABASE": "app"}
    tls = {"PGSSLMODE": "verify-full", "PGCHANNELBINDING": "require", "PGHOSTADDR": "127.0.0.1"}
    for name, value in (values | tls | {"PGTARGETSESSIONATTRS": "standby"}).items():
        monkeypatch.setenv(name, value)
    with psycopg.connect() as conn:
        assert conn.execute(WHO).fetchone() == OURS


def test_a_service_file_says_it(
    redirected: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"[other]\nhost=elsewhere\n[shop]\nhost=localhost\nport={port}\nuser=app\ndbname=app\n"
        "sslmode=verify-full\nsslrootcert=system\noptions=-c work_mem=3MB\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with psycopg.connect("service=shop") as conn:
        assert conn.execute(WHO).fetchone() == OURS
        assert conn.execute("SHOW work_mem").fetchone() == ("3MB",)


def test_other_parameters_stay(redirected: Recorder, url: str) -> None:
    with psycopg.connect(
        url, application_name="shop", options="-c statement_timeout=7s", autocommit=True
    ) as conn:
        assert conn.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert conn.execute("SHOW application_name").fetchone() == ("shop",)
        assert conn.autocommit


def test_what_a_connection_says_about_itself_can_be_used_again(redirected: Recorder, url: str) -> None:
    with psycopg.connect(url) as conn:
        dsn, info = conn.info.dsn, conn.info
        parts = {"host": info.host, "port": info.port, "user": info.user, "dbname": info.dbname}
    with psycopg.connect(dsn) as conn:
        assert conn.execute(WHO).fetchone() == OURS
    with psycopg.connect(**parts) as conn:
        assert conn.execute(WHO).fetchone() == OURS


def test_asynchronously(redirected: Recorder, url: str) -> None:
    async def ask() -> Any:
        async with await psycopg.AsyncConnection.connect(url) as conn:
            return await (await conn.execute(WHO)).fetchone()

    assert asyncio.run(ask()) == OURS
    assert len(redirected.connected) == 1


def test_pools(redirected: Recorder, url: str) -> None:
    with psycopg_pool.ConnectionPool(url, min_size=2, max_size=2) as pool, pool.connection() as conn:
        assert conn.execute(WHO).fetchone() == OURS

    async def ask() -> Any:
        async with (
            psycopg_pool.AsyncConnectionPool(url, min_size=1, open=False) as pool,
            pool.connection() as conn,
        ):
            return await (await conn.execute(WHO)).fetchone()

    assert asyncio.run(ask()) == OURS


def test_subclasses_with_parameters_of_their_own(redirected: Recorder, url: str) -> None:
    class Plain(psycopg.Connection[Any]):
        pass

    class Stubborn(psycopg.Connection[Any]):
        @classmethod
        def _get_connection_params(cls, conninfo: str, **kwargs: Any) -> Any:
            return psycopg.conninfo.conninfo_to_dict(conninfo, **kwargs)

    for cls in (Plain, Stubborn):
        with cls.connect(url) as conn:
            assert type(conn) is cls
            assert conn.execute(WHO).fetchone() == OURS


def test_a_host_name_that_does_not_exist_here(server: Server, record: Callable[..., Recorder]) -> None:
    record(server.endpoint, (Target("db.invalid", 5432, "app", "app"),))
    with psycopg.connect("postgresql://app:secret@db.invalid/app") as conn:
        assert conn.execute(WHO).fetchone() == OURS

    async def ask() -> Any:
        async with await psycopg.AsyncConnection.connect("host=db.invalid user=app dbname=app") as conn:
            return await (await conn.execute(WHO)).fetchone()

    assert asyncio.run(ask()) == OURS


def test_a_host_elsewhere_is_refused(redirected: Recorder) -> None:
    with pytest.raises(ConnectionRefusedByGuardError) as caught:
        psycopg.connect("postgresql://app:secret@production.invalid/app")
    assert isinstance(caught.value, psycopg.OperationalError)
    assert caught.value.code == "connection-refused-by-guard"
    assert "test_shop.py::test_order" in str(caught.value)
    assert "production.invalid:5432" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(psycopg.OperationalError, match="guard"):
        asyncio.run(psycopg.AsyncConnection.connect("host=production.invalid"))


def test_an_allowed_host_is_left_alone(
    server: Server, port: int, record: Callable[..., Recorder]
) -> None:
    record(server.endpoint, (Target("localhost", port),), ("*.invalid",))
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect("postgresql://app@reporting.invalid/app")
    assert not isinstance(caught.value, ConnectionRefusedByGuardError)


def test_a_server_that_the_suite_started_is_left_alone(redirected: Recorder, own_server: Server) -> None:
    with psycopg.connect(f"postgresql://app@localhost:{own_server.tcp_port}/app") as conn:
        assert conn.execute("SELECT name FROM whoami").fetchone() == ("second",)
    with psycopg.connect(
        f"host={own_server.directory} port={own_server.port} user=app dbname=app"
    ) as conn:
        assert conn.execute("SELECT name FROM whoami").fetchone() == ("second",)
    assert redirected.connected == []


def test_the_first_local_server_is_learned(
    server: Server, own_server: Server, url: str, port: int, record: Callable[..., Recorder]
) -> None:
    recorder = record(server.endpoint, ())
    for _ in range(2):
        with psycopg.connect(url) as conn:
            assert conn.execute(WHO).fetchone() == OURS
    with psycopg.connect(f"postgresql://app@localhost:{own_server.tcp_port}/app") as conn:
        assert conn.execute("SELECT name FROM whoami").fetchone() == ("second",)
    assert recorder.learned == [Target("localhost", port, "app", "app")]


def test_other_rules_lead_old_addresses_to_the_new_namespace(
    redirected: Recorder, own_server: Server, url: str
) -> None:
    with psycopg.connect(url) as conn:
        dsn = conn.info.dsn
    later = type(redirected)(own_server.endpoint, redirected.rules.sources)
    redirect.replace_rules(later.rules)
    for conninfo in (url, dsn):
        with psycopg.connect(conninfo) as conn:
            assert conn.execute("SELECT name FROM whoami").fetchone() == ("second",)


def test_a_renamed_database(
    server: Server, url: str, port: int, record: Callable[..., Recorder]
) -> None:
    server.run("CREATE DATABASE app_w1")
    endpoint = Endpoint(server.directory, server.port, databases={"app": "app_w1"})
    record(endpoint, (Target("localhost", port),))
    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("app_w1",)
        dsn = conn.info.dsn
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("app_w1",)
    server.run("DROP DATABASE app_w1")


def test_a_schema_comes_first_beside_the_suites_own_options(
    server: Server, url: str, port: int, record: Callable[..., Recorder]
) -> None:
    endpoint = Endpoint(server.directory, server.port, schema='w1 "x', user="postgres")
    record(endpoint, (Target("localhost", port),))
    with psycopg.connect(url, options="-c search_path=shop,public -c work_mem=3MB") as conn:
        assert conn.execute("SHOW search_path").fetchone() == ('"w1 ""x", shop,public',)
        assert conn.execute("SHOW work_mem").fetchone() == ("3MB",)
        assert conn.execute("SELECT current_user").fetchone() == ("postgres",)
        dsn = conn.info.dsn
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SHOW search_path").fetchone() == ('"w1 ""x", shop,public',)


def test_a_pool_leases_once_at_a_time(server: Server, url: str, record: Callable[..., Recorder]) -> None:
    recorder = record()
    inside, most = [0], [0]

    def resolve(target: Target) -> Endpoint:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.01)
        inside[0] -= 1
        return server.endpoint

    redirect.install(recorder.rules._replace(resolve=resolve))
    with psycopg_pool.ConnectionPool(url, min_size=4, max_size=4) as pool:
        pool.wait()
    assert most == [1]


def test_nothing_is_left_after_uninstall(redirected: Recorder, url: str) -> None:
    redirect.uninstall()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
