"""What tests change in a database on a user's server is seen, and taken back as far as the role may."""

from __future__ import annotations

import time

import pytest
from fakes.own_server import connect

from dbsafe_runner.database.ownership import Tag, write_tag
from dbsafe_runner.database.reset import Keeper
from dbsafe_runner.errors import UserError


@pytest.mark.parametrize("user", ["postgres", "maker"])
def test_namespaces_are_observed_and_reset(user_server, source, provide, user):
    user_server.do(
        "create table child (item int references items on delete cascade, n int)",
        "insert into child values (1, 1), (2, 2)",
        "create table log (what text)",
        "create function note() returns trigger language plpgsql as "
        "$$ begin insert into log values (tg_op); return null; end $$",
        "create trigger notes after insert or delete on items for each row execute function note()",
        database=source,
        user="maker",
    )
    provider = provide(user_server.url(source, user))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    keeper = Keeper(namespace)
    with connect(namespace, source) as connection:
        everything = (
            "select array(select name from items order by id), array(select n from child order by n), "
            "array(select what from log)"
        )
        before = connection.execute(everything).fetchone()
        connection.execute("insert into items (name) values ('three'); insert into child values (3, 3)")
        assert f"{namespace.name}/public.items" in keeper.look().remaining
        report = keeper.reset()
        assert not report.retire
        assert connection.execute(everything).fetchone() == before
        connection.execute("update child set n = 7")
        keeper.look()
        assert not keeper.reset().retire
        assert connection.execute(everything).fetchone() == before
        connection.execute("delete from items")
        keeper.look()
        report = keeper.reset()
        # Without the right to switch foreign keys off, this cannot be put right; then it says so.
        assert report.retire or connection.execute(everything).fetchone() == before
    keeper.close()


FORCED = (
    "create table secrets (id int, tenant text)",
    "insert into secrets values (1, 'a'), (2, 'b')",
    "alter table secrets enable row level security",
    "alter table secrets force row level security",
    "create policy own on secrets using (tenant = current_setting('app.tenant', true))",
)


def test_rows_that_row_security_hides_from_our_role_are_not_lost_unnoticed(user_server, source, provide):
    user_server.do(*FORCED, database=source, user="maker")
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    with pytest.raises(UserError) as caught:
        provider.acquire("gw0")
    assert caught.value.code == "rows-hidden"
    assert caught.value.cause == "secrets"
    assert "hides rows of secrets from maker" in caught.value.message


@pytest.mark.parametrize("user", ["maker", "postgres"])
def test_schemas_that_dbsafe_keeps_in_the_source_are_nobodys_rows(user_server, source, provide, user):
    """Another role's template of kind schema, with row security, is in the way of nobody."""
    template = "dbsafe_t_" + "0" * 24
    comment = write_tag(Tag(run="", used=time.time()))
    user_server.do(
        f"create schema {template}",
        f"comment on schema {template} is '{comment}'",
        f"create table {template}.secrets (id int)",
        f"alter table {template}.secrets enable row level security",
        f"grant usage on schema {template} to public",
        database=source,
    )
    provider = provide(user_server.url(source, user))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    kept = user_server.ask(f"select to_regnamespace('{template}') is not null", namespace.name)
    # What another role has made can be dropped by a superuser alone.
    assert kept == [(user != "postgres",)]
    assert user_server.ask(f"select to_regclass('{template}.secrets') is null", source) == [(False,)]
    keeper = Keeper(namespace)
    with connect(namespace, source) as connection:
        connection.execute("delete from items")
        keeper.look()
        assert not keeper.reset().retire
        assert connection.execute("select count(*) from items").fetchone() == (2,)
    keeper.close()


def test_rows_that_row_security_hides_from_a_test_are_brought_back(user_server, source, provide):
    user_server.do(*FORCED, database=source, user="maker")
    provider = provide(user_server.url(source))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    keeper = Keeper(namespace)
    with user_server.connect(namespace.database, "maker") as connection:
        connection.execute("set app.tenant = 'b'")
        assert connection.execute("delete from secrets").rowcount == 1
    keeper.look()
    assert not keeper.reset().retire
    keeper.close()
    rows = user_server.ask("select id from secrets order by 1", namespace.database)
    assert rows == [(1,), (2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "alter table items add column more int",
        "comment on column items.name is 'called'",
        "comment on schema public is 'ours'",
        "grant usage on schema public to other",
        "create function one() returns int language sql as 'select 1'",
        "alter sequence items_id_seq increment 3",
        "create type mood as enum ('sad')",
        "alter table items enable row level security",
        "drop table items",
    ],
)
def test_an_ordinary_roles_schema_changes_are_seen(user_server, source, provide, statement):
    user_server.do("alter schema public owner to maker", database=source)
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    keeper = Keeper(namespace)
    user_server.do("insert into items (name) values ('x')", database=namespace.database, user="maker")
    assert not keeper.look().ddl
    user_server.do(statement, database=namespace.database, user="maker")
    assert keeper.look().ddl
    keeper.close()
