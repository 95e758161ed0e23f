"""A database for each worker, on a server that the user gave."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
import time

import psycopg
import pytest
from fakes.own_server import ONE_VERSION, connect

from dbsafe_runner.database import clones
from dbsafe_runner.database.sources import Source
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.errors import UserError

SETUP = 'psql -Xq -v ON_ERROR_STOP=1 -c "{}"'
TABLE = SETUP.format("create table made (n int); insert into made values (1)")


@pytest.mark.parametrize("user", ["postgres", "maker"])
def test_workers_have_copies_of_the_database_of_the_url(user_server, source, provide, user):
    provider = provide(user_server.url(source, user))
    assert provider.kind is NamespaceKind.DATABASE
    info = provider.prepare(print)
    assert not info.reused
    first, second = provider.acquire("gw0"), provider.acquire("gw1")
    with connect(first, source) as one, connect(second, source) as two:
        one.execute("delete from items")
        assert two.execute("select array_agg(name order by id) from items").fetchone() == (
            ["one", "two"],
        )
    assert user_server.ask("select count(*) from items", source) == [(2,)]
    assert first.name != second.name
    assert {first.name, second.name} <= set(user_server.ours())


def test_settings_that_cannot_be_repeated_are_named_before_the_run(user_server, source, provide):
    user_server.do(
        f"alter database {source} set shop.mode to 'strict'",
        f"alter database {source} set work_mem to '7MB'",
    )
    provider = provide(user_server.url(source, "maker"))
    with pytest.raises(UserError) as caught:
        provider.prepare(print)
    assert caught.value.code == "settings-not-permitted"
    assert "shop.mode = strict" in caught.value.cause
    assert "work_mem" not in caught.value.cause


def test_settings_of_roles_that_do_not_log_in_are_told(user_server, source, provide):
    user_server.do(f"alter role postgres in database {source} set work_mem to '7MB'")
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    with connect(provider.acquire("gw0"), source) as connection:
        assert connection.execute("select count(*) from items").fetchone() == (2,)
    assert any("work_mem" in text and "postgres" in text for text in provider.limits)


def test_a_database_that_starts_empty_is_told_with_the_reason(user_server, provide):
    provider = provide(user_server.url("postgres"))
    provider.prepare(print)
    assert any(
        "postgres starts empty" in text and "own is not copied" in text for text in provider.limits
    )
    asked = provide(user_server.url("postgres"), sources=(Source("postgres", "not_there"),))
    asked.prepare(print)
    assert any("starts empty" in text and "no such database" in text for text in asked.limits)


def test_what_is_said_about_the_database_is_carried_over(user_server, source, provide):
    user_server.do(
        f"alter database {source} set timezone to 'Asia/Tokyo'",
        f'alter database {source} set search_path to "$user", "My Schema", public',
        f"alter database {source} set shop.greeting to 'it''s \\ here'",
        f"alter role other in database {source} set work_mem to '7MB'",
        f"revoke connect on database {source} from public",
        f"grant connect on database {source} to other with grant option",
        f"grant create on database {source} to plain",
        f"comment on database {source} is 'The shop''s own'",
    )
    provider = provide(user_server.url(source))
    provider.prepare(print)
    name = provider.acquire("gw0").name
    query = """
        select d.datname = '{0}', r.rolname, pg_get_userbyid(d.datdba), s.setconfig, d.datacl::text,
               split_part(shobj_description(d.oid, 'pg_database'), chr(10), 1)
          from pg_database as d
          left join pg_db_role_setting as s on s.setdatabase = d.oid
          left join pg_roles as r on r.oid = s.setrole
         where d.datname = '{0}' order by 2 nulls first"""
    original, clone = user_server.ask(query.format(source)), user_server.ask(query.format(name))
    assert len(original) == 2
    assert [sorted(row[4].strip("{}").split(",")) for row in clone] == [
        sorted(row[4].strip("{}").split(",")) for row in original
    ]
    assert [(*row[:4], row[5]) for row in clone] == [(*row[:4], row[5]) for row in original]


def test_a_template_is_made_once_and_kept(user_server, provide, monkeypatch):
    monkeypatch.setenv("PATH", f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}")
    request = {"setup": TABLE, "sources": (Source("app", "app"),)}
    first = provide(user_server.url(user="maker"), **request)
    assert not first.prepare(print).reused
    second = provide(user_server.url(user="maker"), **request)
    said = second.prepare(print)
    assert said.reused
    with connect(second.acquire("gw0"), "app") as connection:
        assert connection.execute("select n from made").fetchall() == [(1,)]
    third = provide(user_server.url(user="maker"), **request, fresh=True)
    assert not third.prepare(print).reused
    with connect(third.acquire("gw0"), "app") as connection:
        assert connection.execute("select n from made").fetchall() == [(1,)]
    marks = user_server.ask(
        f"select datistemplate, datallowconn from pg_database where datname = 'dbsafe_t_{said.key}'"
    )
    assert marks == [(True, False)]


def test_a_set_up_that_fails_leaves_nothing_and_shows_no_password(user_server, provide):
    provider = provide(user_server.url(user="maker"), setup="echo $DATABASE_URL $PGPASSWORD; exit 3")
    with pytest.raises(UserError) as caught:
        provider.prepare(print)
    assert caught.value.code == "setup-failed"
    assert "***" in caught.value.cause
    assert "s3cret" not in caught.value.cause + caught.value.message + caught.value.hint
    provider.close()
    assert user_server.ours() == []


def test_concurrent_runs_share_one_template_and_collide_nowhere(user_server, provide, monkeypatch):
    monkeypatch.setenv("PATH", f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}")
    setup = SETUP.format("create table slow as select 2 as n; select pg_sleep(0.5)")
    providers = [
        provide(user_server.url(user="maker"), setup=setup, sources=(Source("app", "app"),))
        for _ in range(3)
    ]

    def run(provider):
        info = provider.prepare(print)
        provider.warm(2)
        names = [provider.acquire(f"gw{number}").name for number in range(3)]
        return info.reused, names

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        done = list(threads.map(run, providers))
    assert sorted(reused for reused, _ in done) == [False, True, True]
    names = [name for _, some in done for name in some]
    assert len(set(names)) == 9


def test_a_source_with_sessions_is_not_copied_and_they_live_on(
    user_server, source, provide, monkeypatch
):
    monkeypatch.setattr(clones, "SOURCE_PATIENCE", 0.0)
    provider = provide(user_server.url(source, "maker"))
    with user_server.connect(source, "maker") as guest:
        guest.execute("set application_name = 'editor'")
        with pytest.raises(UserError) as caught:
            provider.prepare(print)
        assert caught.value.code == "source-in-use"
        assert "maker from 127.0.0.1/32, editor, idle" in caught.value.cause
        assert guest.execute("select 1").fetchone() == (1,)


def test_a_source_is_waited_for(user_server, source, provide):
    provider = provide(user_server.url(source, "maker"))
    said: list[str] = []
    guest = user_server.connect(source, "maker")
    timer = threading.Timer(6.0, guest.close)
    timer.start()
    provider.prepare(said.append)
    timer.join()
    assert f"waiting until no session is left in the database {source}" in said


def test_somebody_elses_database_is_refused(user_server, source, provide):
    user_server.do("create role guest login createdb password 's3cret word/@:'")
    provider = provide(user_server.url(source, "guest"))
    with pytest.raises(UserError) as caught:
        provider.prepare(print)
    assert caught.value.code == "source-not-permitted"
    provider.close()
    user_server.do("drop role guest")


def test_a_missing_database_is_named(user_server, provide):
    with pytest.raises(UserError) as caught:
        provide(user_server.url("nowhere", "maker"))
    assert caught.value.code == "server-unreachable"
    assert "nowhere" in caught.value.cause
    assert "s3cret" not in caught.value.cause


def test_releasing_ends_the_sessions_of_that_namespace_only(user_server, source, provide):
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    first, second = provider.acquire("gw0"), provider.acquire("gw1")
    one, two = connect(first, source), connect(second, source)
    provider.release(first)
    assert user_server.ask(f"select from pg_database where datname = '{first.name}'") == []
    assert two.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        one.execute("select 1")
    assert provider.metrics.leaks == 1
    assert "was removed" in provider.trouble(first)
    assert provider.trouble(second) == ""
    provider.release(first)
    two.close()


def test_what_was_adopted_is_what_the_next_namespaces_hold(user_server, source, provide):
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    namespace = provider.acquire("collection")
    with connect(namespace, source) as connection:
        connection.execute("insert into items (name) values ('by collection')")
    provider.warm(2)
    provider.adopt(namespace)
    provider.release(namespace)
    with connect(provider.acquire("gw0"), source) as connection:
        assert connection.execute("select count(*) from items").fetchone() == (3,)


def test_a_server_that_restarts_is_waited_for(user_server, source, provide):
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    provider.acquire("gw0")
    user_server.restart()
    with connect(provider.acquire("gw1"), source) as connection:
        assert connection.execute("select count(*) from items").fetchone() == (2,)
    deadline = time.monotonic() + 10
    claims = "select from pg_stat_activity where application_name like 'dbsafe run %'"
    while not user_server.ask(claims) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert user_server.ask(claims)


def test_a_lease_that_ran_out_while_the_server_was_away_is_over(
    user_server, source, provide, monkeypatch
):
    monkeypatch.setattr("dbsafe_runner.database.leases.TERM", 0.0)
    said: list[str] = []
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(said.append)
    namespace = provider.acquire("gw0")
    assert provider.trouble(namespace) == ""
    user_server.restart()
    deadline = time.monotonic() + 20
    while not provider.trouble(namespace) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert provider.trouble(namespace) == f"something else has dropped {namespace.name}"
    assert "gw0 gets another namespace: the server was away for too long" in said
    assert namespace.name not in user_server.ours()
    provider.release(namespace)
    assert provider.acquire("gw0").generation == 2


def test_connections_that_are_short_are_waited_for_and_then_told(user_server, source, provide):
    said: list[str] = []
    provider = provide(user_server.url(source, "maker"), patience=1.5)
    provider.prepare(said.append)
    with contextlib.ExitStack() as guests:
        for _ in range(50):
            guests.enter_context(user_server.connect())
        with pytest.raises(UserError) as caught:
            provider.acquire("gw0")
        assert caught.value.code == "connections-short"
        assert any(text.startswith("waiting for connections") for text in said)
        assert provider.fit(4) == 1
    assert provider.fit(4) == 4
    assert provider.acquire("gw0").generation == 1


@ONE_VERSION
def test_a_server_that_does_not_come_back_says_that_nothing_stands_in_for_it(
    user_server, source, provide
):
    provider = provide(user_server.url(source, "maker"), patience=0.3)
    provider.prepare(print)
    user_server.server.kill()
    try:
        with pytest.raises(UserError) as caught:
            provider.acquire("gw0")
    finally:
        user_server.server.launch()
        user_server.server.wait()
    assert caught.value.code == "server-lost"
    assert "[database] fallback holds for the start alone" in caught.value.hint


def test_the_warm_pool_is_ahead(user_server, source, provide):
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    provider.warm(3)
    deadline = time.monotonic() + 10
    while len(user_server.ours()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    # The copy of the source, and three clones of it.
    assert len(user_server.ours()) == 4
    assert provider.acquire("gw0").generation == 1


@pytest.mark.parametrize("with_setup", [True, False])
def test_a_template_that_somebody_drops_is_made_again(user_server, source, provide, with_setup):
    def templates() -> list[str]:
        like = "dbsafe\\_t\\_%" if with_setup else "dbsafe\\_%\\_t%"
        return [
            name
            for (name,) in user_server.ask(
                f"select datname from pg_database where datname like '{like}'"
            )
        ]

    request = {"setup": TABLE, "sources": (Source("maker", "app"),), "fresh": True} if with_setup else {}
    for name in templates():
        user_server.do(f"alter database {name} is_template false", f"drop database {name}")
    provider = provide(user_server.url("postgres" if with_setup else source, "maker"), **request)
    provider.prepare(print)
    provider.acquire("gw0")
    for name in templates():
        user_server.do(f"alter database {name} is_template false", f"drop database {name} with (force)")
    assert templates() == []
    with concurrent.futures.ThreadPoolExecutor() as threads:
        one, two = threads.map(provider.acquire, ["gw1", "gw2"])
    table, database = ("made", "app") if with_setup else ("items", source)
    for namespace in (one, two):
        with connect(namespace, database) as connection:
            assert connection.execute(f"select count(*) > 0 from {table}").fetchone() == (True,)
    assert len(templates()) == 1
