"""A schema for each worker, where the role may not create databases."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest

from dbsafe_runner.database.binaries import choose
from dbsafe_runner.database.reset import Keeper
from dbsafe_runner.database.schema_clone import gaps, read_script
from dbsafe_runner.database.sources import Source
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Namespace
from dbsafe_runner.errors import UserError
from dbsafe_runner.workers.redirect.search_path import options_with_schema

EVERYTHING = (Path(__file__).parent / "everything.sql").read_text()
#: A body as the SQL standard has it, which PostgreSQL knows from 14 on.
STANDARD_BODY = """
create function std(i int) returns int language sql begin atomic select i + count(*)::int from a; end;
"""


@pytest.fixture
def schema(user_server):
    """A schema of the role `plain` in its database, first on its search_path."""
    user_server.do(
        "drop schema if exists origin cascade",
        "create schema origin authorization plain",
        "alter role plain in database plain_db set search_path to origin",
        "grant create on database plain_db to plain",
        database="plain_db",
    )
    yield "origin"
    user_server.do("drop schema origin cascade", database="plain_db")


def connect(namespace: Namespace) -> psycopg.Connection:
    """As the redirection would lead a connection there."""
    endpoint = namespace.endpoint
    return psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        dbname=endpoint.databases["plain_db"],
        options=options_with_schema("", endpoint),
        autocommit=True,
    )


def schemas(user_server) -> list[str]:
    rows = user_server.ask("select nspname from pg_namespace where nspname ~ '^dbsafe_'", "plain_db")
    return [name for (name,) in rows if not name.startswith("dbsafe_t_")]


def dump(user_server, name: str) -> list[str]:
    """What pg_dump says of a schema, without its name and its own comment."""
    # The newest one can read all servers, and not every installation of a server brings its own.
    command = [
        choose("embedded").bindir / "pg_dump",
        "-d",
        user_server.url("plain_db"),
        "-n",
        name,
        "--inserts",
        "--enable-row-security",
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = re.sub(rf"\b{name}\b", "THE_SCHEMA", text).splitlines()
    return sorted(
        line for line in lines if line and not line.startswith(("--", "\\", "COMMENT ON SCHEMA"))
    )


def test_a_clone_is_to_pg_dump_what_its_source_is(user_server, schema):
    with user_server.connect("plain_db", "plain") as connection:
        connection.execute(EVERYTHING.encode())
        if connection.info.server_version >= 140000:
            connection.execute(STANDARD_BODY.encode())
        assert gaps(connection, schema) == ([], [])
        script = read_script(connection, schema, "trial")
        with connection.transaction():
            connection.execute(script.text("the_clone", "").encode())
    original, clone = dump(user_server, schema), dump(user_server, "the_clone")
    user_server.do("drop schema the_clone cascade", database="plain_db")
    difference = "\n".join(difflib.unified_diff(original, clone, lineterm="", n=0))
    assert len(original) > 250
    assert not difference


def test_extensions_in_the_schema_are_shared(user_server, schema):
    user_server.do(
        "create extension citext schema origin",
        "create table mails (address citext primary key, others citext[])",
        "insert into mails values ('A@example.org')",
        "create view found as select address = 'a@EXAMPLE.org'::citext as same from mails",
        database="plain_db",
        user="plain",
    )
    with user_server.connect("plain_db", "plain") as connection:
        script = read_script(connection, schema, "trial")
        with connection.transaction(force_rollback=True):
            connection.execute(script.text("the_clone", "").encode())
            assert connection.execute("select same from the_clone.found").fetchone() == (True,)


QUALIFIED = """
create table orders (id int);
create function total() returns int language plpgsql as
$$ begin return (select count(*) from ORIGIN . orders); end $$"""
TYPED = "create type pair as (a int); create table typed of pair"


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (QUALIFIED, "the function total() names its schema (origin.) in its body"),
        (TYPED, "typed is a table of a composite"),
    ],
    ids=["qualified", "typed"],
)
def test_what_cannot_be_cloned_is_named_before_the_run(user_server, schema, provide, statements, named):
    user_server.do(statements, database="plain_db", user="plain")
    provider = provide(user_server.url("plain_db", "plain"))
    with pytest.raises(UserError) as caught:
        provider.prepare(print)
    assert caught.value.code == "schema-not-cloned"
    assert named in caught.value.cause


def test_what_is_shared_is_told(user_server, schema, provide):
    user_server.do(
        'create collation german from "C"',
        "create table t (id int)",
        "create schema beside",
        "create table beside.t (id int)",
        database="plain_db",
        user="plain",
    )
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    user_server.do("drop schema beside cascade", database="plain_db")
    assert any("the collation german is not cloned" in text for text in provider.limits)
    assert any("all workers share them: beside" in text for text in provider.limits)


def test_a_table_that_was_dropped_is_not_found_in_the_source(user_server, schema, provide):
    user_server.do("create table items (id int)", database="plain_db", user="plain")
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    with connect(provider.acquire("gw0")) as connection:
        connection.execute("drop table items")
        connection.execute("drop table if exists items")
        assert connection.execute("select to_regclass('items')").fetchone() == (None,)
    assert user_server.ask("select to_regclass('origin.items') is not null", "plain_db") == [(True,)]


def test_a_schema_with_extensions_stays_in_sight_and_that_is_told(user_server, schema, provide):
    user_server.do("create extension citext", database="plain_db", user="plain")
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    with connect(provider.acquire("gw0")) as connection:
        assert connection.execute("select 'a'::citext = 'A'").fetchone() == (True,)
    assert any("origin stays behind" in text and "citext" in text for text in provider.limits)


def test_schemas_that_the_database_puts_on_search_path_stay_in_sight(user_server, schema, provide):
    user_server.do(
        'create schema "Ext Place" authorization plain',
        "create function \"Ext Place\".seven() returns int language sql as 'select 7'",
        'alter role plain in database plain_db set search_path to origin, "Ext Place"',
        database="plain_db",
    )
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    with connect(namespace) as connection:
        shown = connection.execute("show search_path").fetchone()
        assert shown == (f'"{namespace.name}", "Ext Place"',)
        assert connection.execute("select seven()").fetchone() == (7,)
    user_server.do('drop schema "Ext Place" cascade', database="plain_db")


def test_an_extension_that_the_set_up_makes_is_found(user_server, schema, provide, monkeypatch):
    monkeypatch.setenv("PATH", f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}")
    setup = 'psql -Xq -v ON_ERROR_STOP=1 -c "create extension citext; create table made (n citext)"'
    sources = (Source("plain", "plain_db"),)
    provider = provide(user_server.url("plain_db", "plain"), setup=setup, sources=sources)
    provider.prepare(print)
    with connect(provider.acquire("gw0")) as connection:
        assert connection.execute("select 'a'::citext = 'A'").fetchone() == (True,)
    provider.close()
    user_server.do("drop extension citext cascade", database="plain_db")


def test_workers_have_schemas_of_their_own(user_server, schema, provide):
    user_server.do(
        "create table items (id serial primary key, name text)",
        "insert into items (name) values ('one')",
        database="plain_db",
        user="plain",
    )
    provider = provide(user_server.url("plain_db", "plain"))
    assert provider.kind is NamespaceKind.SCHEMA
    provider.prepare(print)
    provider.warm(1)
    first, second = provider.acquire("gw0"), provider.acquire("gw1")
    with connect(first) as one, connect(second) as two:
        assert one.execute("insert into items (name) values ('two') returning id").fetchone() == (2,)
        assert two.execute("select count(*) from items").fetchone() == (1,)
    assert user_server.ask("select count(*) from origin.items", "plain_db") == [(1,)]
    assert len(schemas(user_server)) == 2
    provider.release(first)
    assert schemas(user_server) == [second.name]
    provider.close()
    assert schemas(user_server) == []


def test_what_is_said_about_the_schema_is_said_about_its_clones(user_server, schema, provide):
    user_server.do(
        "comment on schema origin is 'all of it'",
        "create table items (id int)",
        database="plain_db",
        user="plain",
    )
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    query = f"select obj_description('{namespace.name}'::regnamespace, 'pg_namespace')"
    ((comment,),) = user_server.ask(query, "plain_db")
    assert comment.startswith("all of it\ndbsafe: {")
    provider.release(namespace)


def test_each_keeper_sees_only_its_own_schema(user_server, schema, provide):
    user_server.do(
        "create type mood as enum ('good')",
        "create table items (id serial primary key, name text, m mood)",
        "insert into items (name) values ('one')",
        "create function f() returns int language sql as 'select 1'",
        "comment on function f() is 'one'",
        # Rows about these stand in catalogs of the whole database.
        "create type span as range (subtype = float8)",
        "alter default privileges in schema origin grant select on tables to other",
        database="plain_db",
        user="plain",
    )
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    first, second = provider.acquire("gw0"), provider.acquire("gw1")
    keepers = Keeper(first), Keeper(second)
    two = connect(second)
    with connect(first) as one:
        one.execute("insert into items (name) values ('mine')")
        two.execute("begin; insert into items (name) values ('open')")
        third = provider.acquire("gw2")
        seen = keepers[0].look()
        assert seen.remaining == {
            "plain_db/" + f"{first.name}.{name}" for name in ("items", "items_id_seq")
        }
        assert not seen.ddl
        assert seen.open_transactions == 0
        report = keepers[0].reset()
        assert not report.retire
        assert report.leaks == ()
        assert one.execute("select count(*) from items").fetchone() == (1,)
        assert two.execute("select count(*) from items").fetchone() == (2,)
        assert keepers[1].look().open_transactions == 1
        leaks = keepers[1].reset().leaks
        assert len(leaks) == 1
        assert "a transaction left open" in leaks[0]
    two.close()
    for keeper in keepers:
        keeper.close()
    provider.release(third)


def test_what_is_made_and_dropped_in_another_schema_is_not_seen(user_server, schema, provide):
    # A superuser's session reads the WAL, in which the catalogs of all schemas are the same.
    user_server.do("alter role plain superuser")
    try:
        provider = provide(user_server.url("plain_db", "plain"), namespace="schema")
        provider.prepare(print)
        first, second = provider.acquire("gw0"), provider.acquire("gw1")
        keeper = Keeper(first)
        with connect(second) as two:
            two.execute("create table mine (n int)")
            two.execute("drop table mine")
        seen = keeper.look()
        assert seen.nothing
        assert not seen.ddl_undone
        keeper.close()
    finally:
        user_server.do("alter role plain nosuperuser")


def test_a_set_up_fills_a_schema_that_is_kept(user_server, schema, provide, monkeypatch):
    monkeypatch.setenv("PATH", f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}")
    request = {
        "setup": 'psql -Xq -c "create table made (n int); insert into made values (4)"',
        "sources": (Source("plain", "plain_db"),),
    }
    first = provide(user_server.url("plain_db", "plain"), **request)
    assert not first.prepare(print).reused
    with connect(first.acquire("gw0")) as connection:
        assert connection.execute("select n from made").fetchone() == (4,)
    second = provide(user_server.url("plain_db", "plain"), **request)
    assert second.prepare(print).reused
    third = provide(user_server.url("plain_db", "plain"), **request, fresh=True)
    assert not third.prepare(print).reused
    assert user_server.ask("select to_regclass('origin.made')", "plain_db") == [(None,)]


def test_the_schema_of_a_set_up_has_the_rights_of_the_one_that_it_stands_for(
    user_server, schema, provide, monkeypatch
):
    user_server.do(
        "grant usage on schema origin to public",
        "alter default privileges for role plain in schema origin grant select on tables to other",
        database="plain_db",
    )
    monkeypatch.setenv("PATH", f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}")
    setup = 'psql -Xq -c "create table made (n int)"'
    sources = (Source("plain", "plain_db"),)
    provider = provide(user_server.url("plain_db", "plain"), setup=setup, sources=sources)
    provider.prepare(print)
    name = provider.acquire("gw0").name
    assert user_server.ask(f"select has_schema_privilege('other', '{name}', 'usage')", "plain_db") == [
        (True,)
    ]
    with user_server.connect("plain_db", "other") as connection:
        assert connection.execute(f"select count(*) from {name}.made").fetchone() == (0,)
        user_server.do(f"create table {name}.more (n int)", database="plain_db", user="plain")
        assert connection.execute(f"select count(*) from {name}.more").fetchone() == (0,)
    assert not any("default privileges" in limit for limit in provider.limits)
    # A set-up that finds other rights makes another template.
    user_server.do("revoke usage on schema origin from public", database="plain_db")
    provider.close()
    assert (
        not provide(user_server.url("plain_db", "plain"), setup=setup, sources=sources)
        .prepare(print)
        .reused
    )


def test_a_set_up_that_works_elsewhere_is_told(user_server, schema, provide, monkeypatch):
    monkeypatch.setenv("PATH", f"{user_server.bindir}{os.pathsep}{os.environ['PATH']}")
    setup = 'psql -Xq -c "create table if not exists origin.made (n int)"'
    provider = provide(
        user_server.url("plain_db", "plain"), setup=setup, sources=(Source("plain", "plain_db"),)
    )
    with pytest.raises(UserError) as caught:
        provider.prepare(print)
    assert caught.value.code == "setup-elsewhere"
    assert schemas(user_server) == []


def test_what_was_adopted_is_what_the_next_schemas_hold(user_server, schema, provide):
    user_server.do("create table items (id int)", database="plain_db", user="plain")
    provider = provide(user_server.url("plain_db", "plain"))
    provider.prepare(print)
    namespace = provider.acquire("collection")
    with connect(namespace) as connection:
        connection.execute("insert into items values (1)")
    provider.adopt(namespace)
    provider.release(namespace)
    with connect(provider.acquire("gw0")) as connection:
        assert connection.execute("select count(*) from items").fetchone() == (1,)


FORCED = (
    "create table secrets (id int, tenant text)",
    "insert into secrets values (1, 'a'), (2, 'b')",
    "alter table secrets enable row level security",
    "alter table secrets force row level security",
    "create policy own on secrets using (tenant = current_setting('app.tenant', true))",
)


def test_rows_that_row_security_hides_even_from_their_owner_are_not_lost_unnoticed(
    user_server, schema, provide
):
    user_server.do(*FORCED, database="plain_db", user="plain")
    provider = provide(user_server.url("plain_db", "plain"))
    with pytest.raises(UserError) as caught:
        provider.prepare(print)
    assert caught.value.code == "schema-not-cloned"
    assert "secrets" in caught.value.cause
    assert "row-level security" in caught.value.cause
