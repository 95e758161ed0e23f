"""Namespaces of kind server: what is in them, that they are apart, and that they go without a trace."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from fakes.templates import Provide, Servers, ask

from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import ProviderClosedError, TemplateRequest
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Namespace
from dbsafe_runner.session.source_urls import parse_source

SOURCE = parse_source("postgresql://app:secret@localhost:5433/shop")


def silent(_: str) -> None:
    """A report that nobody listens to."""


@pytest.fixture
def shop(area: Path, provide: Provide) -> EmbeddedProvider:
    """A provider whose template has the role and the database of `SOURCE`."""
    provider = provide(TemplateRequest(root=area, sources=(SOURCE,)))
    provider.prepare(silent)
    return provider


def run(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


def suite_dsn(namespace: Namespace, user: str = "app", database: str = "shop") -> str:
    endpoint = namespace.endpoint
    return f"host={endpoint.host} port={endpoint.port} user={user} dbname={database}"


def pid_of(namespace: Namespace) -> int:
    data = Path(str(ask(namespace.admin_dsn, "show data_directory")))
    return int((data / "postmaster.pid").read_text().split()[0])


def test_a_namespace_describes_itself(shop: EmbeddedProvider) -> None:
    first, second = shop.acquire("gw0"), shop.acquire("gw0")
    assert first.kind is shop.kind is NamespaceKind.SERVER
    assert (first.generation, second.generation) == (1, 2)
    assert first.name != second.name
    assert first.database == "shop"
    assert not first.endpoint.databases
    assert Path(first.scratch).is_dir()
    assert ask(first.admin_dsn, "show server_version_num") == str(first.server_version)
    assert (
        ask(first.admin_dsn, "select current_user || ' in ' || current_database()") == "postgres in shop"
    )
    assert shop.trouble(first) == ""


def test_roles_and_databases_of_the_source_exist_and_nothing_else(shop: EmbeddedProvider) -> None:
    namespace = shop.acquire("gw0")
    dsn = suite_dsn(namespace)
    assert ask(dsn, "select string_agg(datname, ' ' order by datname) from pg_database") == (
        "postgres shop template0 template1"
    )
    roles = "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname !~ '^pg_'"
    assert ask(dsn, roles) == "app postgres"
    assert ask(dsn, "select rolsuper and rolcanlogin from pg_roles where rolname = 'app'") is True
    assert ask(dsn, "select rolpassword like 'SCRAM%' from pg_authid where rolname = 'app'") is True
    assert ask(dsn, "select pg_get_userbyid(datdba) from pg_database where datname = 'shop'") == "app"
    assert ask(dsn, "select count(*) from pg_class where oid >= 16384") == 0
    sessions = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
    deadline = time.monotonic() + 30
    while ask(dsn, sessions) != 1:
        # Those of the questions before take a moment to end.
        assert time.monotonic() < deadline


def test_namespaces_share_nothing(shop: EmbeddedProvider) -> None:
    one, other = shop.acquire("gw0"), shop.acquire("gw1")
    run(
        suite_dsn(one),
        "create table t()",
        "create role r",
        "create database d",
        "drop database postgres",
    )
    assert ask(suite_dsn(other), "select to_regclass('t')") is None
    assert ask(suite_dsn(other), "select count(*) from pg_roles where rolname = 'r'") == 0
    assert (
        ask(suite_dsn(other), "select count(*) from pg_database where datname in ('d', 'postgres')") == 1
    )


def test_settings_that_a_test_could_notice_are_the_defaults(shop: EmbeddedProvider) -> None:
    dsn = suite_dsn(shop.acquire("gw0"))
    different = """
        select string_agg(name, ' ' order by name) from pg_settings
        where setting is distinct from boot_val and source = 'configuration file'
          and category !~ '(Write-Ahead Log|Replication|Resource Usage|File Locations|Connections and)'
          and name !~ '^(lc_|default_text_search_config$|log_)'
    """
    found = set(str(ask(dsn, different)).split())
    assert found - {"TimeZone", "DateStyle"} == {"autovacuum", "jit"}
    assert ask(dsn, "show max_connections") == "100"
    assert ask(dsn, "show server_encoding") == "UTF8"
    assert ask(dsn, "show wal_level") == "replica"


def test_a_test_may_change_the_servers_settings(shop: EmbeddedProvider) -> None:
    namespace = shop.acquire("gw0")
    run(suite_dsn(namespace), "alter system set work_mem = '7MB'", "select pg_reload_conf()")
    assert shop.trouble(namespace) == ""
    assert ask(suite_dsn(shop.acquire("gw1")), "show work_mem") == "4MB"


def test_the_wal_survives_a_checkpoint(shop: EmbeddedProvider) -> None:
    namespace = shop.acquire("gw0")
    dsn = namespace.admin_dsn
    run(dsn, "create extension pg_walinspect", "create table t(x text)")
    start = ask(dsn, "select pg_current_wal_lsn()")
    write = "insert into t select repeat('x', 1000) from generate_series(1, 8000)"
    run(dsn, write, "checkpoint", write, "checkpoint", write, "checkpoint")
    end = ask(dsn, "select pg_current_wal_lsn()")
    query = f"select count(*) > 3000 from pg_get_wal_block_info('{start}', '{end}', false)"
    assert ask(dsn, query) is True


def test_many_at_once(shop: EmbeddedProvider) -> None:
    shop.warm(2)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(shop.acquire, ["gw0", "gw1", "gw2", "gw3"]))
    assert len({namespace.endpoint.host for namespace in taken}) == 4
    for namespace in taken:
        assert ask(suite_dsn(namespace), "select 1") == 1


def test_warm_ones_are_handed_out(area: Path, shop: EmbeddedProvider, servers: Servers) -> None:
    shop.warm(1)
    shop.warm(1)
    before = shop.acquire("gw0")
    assert len(list((area / "run").glob("*/*/data"))) == 1
    assert pid_of(before) in servers(area)


def test_a_warm_one_that_died_is_replaced(area: Path, shop: EmbeddedProvider, servers: Servers) -> None:
    first = shop.acquire("gw0")
    shop.warm(1)
    waiting = concurrent.futures.wait(list(shop._warm), timeout=60)
    assert not waiting.not_done
    for pid in servers(area):
        if pid != pid_of(first) and psutil.Process(pid).ppid() == os.getpid():
            os.kill(pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(pid)], timeout=10)
    second = shop.acquire("gw1")
    assert ask(suite_dsn(second), "select 1") == 1


def test_release_leaves_nothing(area: Path, shop: EmbeddedProvider, servers: Servers) -> None:
    namespace = shop.acquire("gw0")
    with psycopg.connect(suite_dsn(namespace)) as connection:
        connection.execute("create table t as select generate_series(1, 100000)")
        shop.release(namespace)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert not servers(area)
    assert not Path(namespace.endpoint.host).exists()
    assert "removed" in shop.trouble(namespace)
    shop.release(namespace)


def test_a_killed_server_is_noticed_with_its_log(shop: EmbeddedProvider) -> None:
    namespace = shop.acquire("gw0")
    pid = pid_of(namespace)
    segment = shared_memory_of(namespace)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=10)
    assert "ready to accept connections" in shop.trouble(namespace)
    shop.release(namespace)
    assert segment not in Path("/proc/sysvipc/shm").read_text().split()


def shared_memory_of(namespace: Namespace) -> str:
    data = Path(str(ask(namespace.admin_dsn, "show data_directory")))
    segment = (data / "postmaster.pid").read_text().splitlines()[6].split()[1]
    assert segment in Path("/proc/sysvipc/shm").read_text().split()
    return segment


def test_close_leaves_nothing(area: Path, shop: EmbeddedProvider, servers: Servers) -> None:
    taken = [shop.acquire("gw0"), shop.acquire("gw1")]
    shop.warm(3)
    shop.close()
    shop.close()
    assert not servers(area)
    assert not (area / "run").exists()
    with pytest.raises(ProviderClosedError):
        shop.acquire("gw0")
    shop.release(taken[0])


def test_close_while_others_wait(shop: EmbeddedProvider) -> None:
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        waiting = [threads.submit(shop.acquire, f"gw{number}") for number in range(6)]
        shop.close()
        for future in waiting:
            error = future.exception(timeout=60)
            assert error is None or isinstance(error, ProviderClosedError)


def test_close_before_and_without_prepare(provide: Provide) -> None:
    provider = provide()
    provider.close()
    with pytest.raises(ProviderClosedError):
        provider.prepare(silent)


def test_learned_names_exist_where_they_were_asked_for_and_from_then_on(
    area: Path, provide: Provide
) -> None:
    provider = provide()
    provider.prepare(silent)
    living = provider.acquire("gw0")
    dead = provider.acquire("gw1")
    os.kill(pid_of(dead), signal.SIGQUIT)
    bystander = provider.acquire("gw2")
    provider.warm(1)
    concurrent.futures.wait(provider._warm)
    provider.learn("other", "elsewhere", living)
    provider.learn("", "third", living)
    provider.learn("other", "elsewhere", living)
    provider.learn("other", "elsewhere", dead)
    # The one was made ahead, before the names were learned, and the other after that.
    ahead, further = provider.acquire("gw3"), provider.acquire("gw4")
    hosts = [namespace.endpoint.host for namespace in (living, ahead, further)]
    for host in hosts:
        assert ask(f"host={host} user=other dbname=elsewhere", "select current_user") == "other"
        assert ask(f"host={host} user=postgres dbname=third", "select current_user") == "postgres"
    assert ask(bystander.admin_dsn, "select count(*) from pg_database where datname = 'third'") == 0


def test_an_adopted_state_is_the_template_of_the_rest(area: Path, provide: Provide) -> None:
    provider = provide(TemplateRequest(root=area, sources=(SOURCE,)))
    provider.prepare(silent)
    collected = provider.acquire("zygote")
    run(suite_dsn(collected), "create table t as select 42 as x")
    provider.warm(1)
    provider.adopt(collected)
    further = provider.acquire("gw0")
    for dsn in (suite_dsn(collected), suite_dsn(further)):
        assert ask(dsn, "select x from t") == 42


def test_tcp_when_asked_for(area: Path, provide: Provide) -> None:
    provider = provide(TemplateRequest(root=area, tcp=True))
    provider.prepare(silent)
    one, other = provider.acquire("gw0"), provider.acquire("gw1")
    assert one.endpoint.host == other.endpoint.host == "127.0.0.1"
    ports = {namespace.endpoint.port for namespace in (one, other)}
    assert len(ports) == 2
    for port in ports:
        assert ask(f"host=127.0.0.1 port={port} user=postgres", "show port") == str(port)


def test_no_tcp_otherwise(shop: EmbeddedProvider) -> None:
    pid = pid_of(shop.acquire("gw0"))
    assert not [at for at in psutil.Process(pid).net_connections() if at.status == psutil.CONN_LISTEN]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a file system in memory")
def test_data_lies_in_memory_where_there_is_room(
    area: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBSAFE_SERVERS_DIR")
    provider = provide()
    provider.prepare(silent)
    namespace = provider.acquire("gw0")
    data = Path(str(ask(namespace.admin_dsn, "show data_directory")))
    assert data.is_relative_to(f"/dev/shm/dbsafe-{os.geteuid()}")
    assert len(namespace.endpoint.host) < 84
    provider.close()
    assert not data.exists()


DEBIAN = Path("/usr/lib/postgresql/15")


@pytest.mark.skipif(not (DEBIAN / "bin" / "postgres").exists(), reason="needs Debian's PostgreSQL 15")
@pytest.mark.parametrize("given", ["bin", "."])
def test_an_installed_server(area: Path, provide: Provide, given: str) -> None:
    provider = provide(TemplateRequest(root=area, sources=(SOURCE,)), postgres=str(DEBIAN / given))
    info = provider.prepare(silent)
    assert info.server_version.startswith("15.")
    namespace = provider.acquire("gw0")
    assert namespace.server_version // 10000 == 15
    assert str(ask(suite_dsn(namespace), "select version()")).startswith("PostgreSQL 15.")


@pytest.mark.parametrize("killed", [False, True])
def test_a_directory_of_the_users_for_servers_stays(
    area: Path, program: Callable[..., Any], killed: bool
) -> None:
    (area / "run").mkdir()
    running = program(root=area)
    running.ready()
    if killed:
        running.process.kill()
        running.process.wait()
    else:
        running.end()
    deadline = time.monotonic() + 10
    while list((area / "run").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    # The guardian, which removes it, does so last.
    time.sleep(0.3)
    assert list((area / "run").iterdir()) == []


def test_a_directory_for_servers_that_was_not_there_goes(
    area: Path, program: Callable[..., Any]
) -> None:
    running = program(root=area)
    running.ready()
    running.end()
    assert not (area / "run").exists()
