# ruff: noqa: E501, ISC004 - SQL reads better in one line than cut up.
"""Random workloads, from printed seeds: after each, everything is the baseline's again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

SCHEMA = """
create table customer (id serial primary key, name text not null, boss int references customer);
create table product (sku text primary key, price numeric(10, 2), tags text[] default '{}');
create table orders (id int generated always as identity primary key, customer int references customer,
    product text references product on update cascade on delete set null,
    total numeric generated always as (quantity * 2) stored, quantity int);
create table event (at int, what text) partition by range (at);
create table event_low partition of event for values from (0) to (50);
create table event_high partition of event default;
create unlogged table session (id serial, data jsonb);
create table document (id int primary key, body text);
alter table document alter body set storage external;
create table audit (id bigserial, what text);
create function note() returns trigger language plpgsql as
    $$ begin insert into audit (what) values (tg_op); return coalesce(new, old); end $$;
create trigger noted after insert or update or delete on orders for each row execute function note();
create sequence number cache 5;
create materialized view summary as select customer, count(*) from orders group by customer order by customer;
insert into customer (name, boss) values ('a', null), ('b', 1), ('c', 2);
insert into product values ('x', 1), ('y', 2.5);
insert into orders (customer, product, quantity) select g % 3 + 1, 'x', g from generate_series(1, 40) g;
insert into event select g, 'e' from generate_series(1, 80) g;
insert into document select g, repeat('d', g * 900) from generate_series(1, 5) g;
select lo_from_bytea(70001, 'one'), lo_from_bytea(70002, 'two');
refresh materialized view summary;
"""


def _statements(dice: random.Random) -> Iterator[str]:
    """Yield statements without end; some of them fail."""
    number = lambda: dice.randint(1, 60)  # noqa: E731
    made = 0
    while True:
        made += 1
        yield dice.choice(
            [
                f"insert into customer (name, boss) values ('n{number()}', {dice.randint(1, 4)})",
                f"update customer set name = 'u{number()}' where id = {dice.randint(1, 5)}",
                f"delete from customer where id = {dice.randint(1, 8)}",
                f"insert into product values ('p{number()}', {number()}, array['t'])",
                f"update product set sku = 's{number()}' where sku = 'x'",
                "delete from product",
                f"insert into orders (customer, product, quantity) select 1, 'y', g from generate_series(1, {number()}) g",
                f"delete from orders where id % {dice.randint(1, 4)} = 0",
                f"update orders set quantity = quantity + 1 where id < {number()}",
                "truncate orders restart identity",
                "truncate customer cascade",
                f"insert into event values ({number() * 2}, 'n')",
                f"update event set at = at + {number()} where at < {number()}",
                "truncate event_low",
                f"insert into session (data) values ('{{\"a\": {number()}}}')",
                "update session set data = null",
                f"update document set body = repeat('w', {number() * 100}) where id = {dice.randint(1, 6)}",
                f"insert into document values ({number()}, repeat('n', 3000))",
                "select nextval('number')",
                f"select setval('number', {number()})",
                "alter sequence number restart",
                "select lo_put(70001, 1, 'Z')",
                "select lo_unlink(70002)",
                f"select lo_from_bytea(0, '{number()}')",
                "refresh materialized view summary",
                f"create table made{made} (id serial, c int references customer); insert into made{made} (c) values (1)",
                f"create table gone{made} (id int); drop table gone{made}",
                f"create temporary table mine{made} on commit drop as select 1",
                "analyze customer",
                "lock table orders in share row exclusive mode",
                "select * from customer for update",
                f"do $$ begin insert into audit (what) values ('sub'); raise exception 'no';"
                f" exception when raise_exception then insert into customer (name) values ('{number()}'); end $$",
            ]
        )


def _work(session: psycopg.Connection[Any], dice: random.Random) -> None:
    """Run a few transactions; some are rolled back, some hold savepoints, some end in an error."""
    statements = _statements(dice)
    for _ in range(dice.randint(1, 4)):
        try:
            with session.transaction(force_rollback=dice.random() < 0.3):
                for _ in range(dice.randint(1, 4)):
                    try:
                        with session.transaction(force_rollback=dice.random() < 0.2):
                            session.execute(next(statements))
                    except psycopg.Error:
                        if dice.random() < 0.3:
                            raise
        except psycopg.Error:
            pass


@pytest.mark.parametrize(
    ("reset_after", "seeds"), [(1, 50), *(pytest.param(n, 120, marks=pytest.mark.long) for n in (1, 3))]
)
def test_random_workloads_leave_nothing(place: Any, reset_after: int, seeds: int) -> None:
    place.suite.execute(SCHEMA)
    before = place.everything()
    keeper = place.keeper
    second = place.connect()
    for seed in range(seeds):
        dice = random.Random(seed)
        for _ in range(reset_after):
            _work(place.suite, dice)
            _work(second, dice)
            keeper.look()
        report = keeper.reset()
        assert (seed, report.retire, report.leaks) == (seed, "", ())
        after = place.everything()
        assert {name: after[name] for name in after if after[name] != before[name]} == {}, f"seed {seed}"
        assert keeper.look().nothing
