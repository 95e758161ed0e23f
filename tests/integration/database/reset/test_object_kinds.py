# ruff: noqa: E501, ISC004 - SQL reads better in one line than cut up.
"""Whatever kind of object a test changes: rows, sequences and definitions are the baseline's after a reset."""

from __future__ import annotations

from typing import Any

import pytest

#: name -> (what the template holds, what a test does)
CHANGES = {
    "insert": (
        "create table t (id serial primary key, v text); insert into t (v) values ('a'), ('b')",
        "insert into t (v) values ('c')",
    ),
    "insert into an empty table": ("create table t (id serial primary key)", "insert into t default values"),
    "update": ("create table t (id int, v text); insert into t values (1, 'a'), (2, 'b')", "update t set v = 'c' where id = 1"),
    "delete": ("create table t (id int); insert into t select generate_series(1, 500)", "delete from t where id % 3 = 0"),
    "delete everything": ("create table t (id int); insert into t values (1)", "delete from t"),
    "insert and delete the same": ("create table t (id int)", "insert into t values (1)\n---\ndelete from t\n---\ninsert into t values (1)"),
    "truncate": ("create table t (id int); insert into t values (1), (2)", "truncate t"),
    "truncate restarting identity": (
        "create table t (id int generated always as identity, v int); insert into t (v) values (1), (2)",
        "truncate t restart identity\n---\ninsert into t (v) values (7)",
    ),
    "truncate cascade": (
        "create table p (id int primary key); create table c (p int references p);"
        " insert into p values (1), (2); insert into c values (1), (2)",
        "truncate p cascade",
    ),
    "copy": ("create table t (id int); insert into t values (1)", "do $$ begin insert into t select generate_series(1, 3000); end $$"),
    "nextval": ("create sequence s", "select nextval('s')"),
    "nextval of a used sequence": ("create sequence s; select nextval('s')", "select nextval('s')"),
    "nextval many times": ("create sequence s", "select nextval('s') from generate_series(1, 100)"),
    "cached nextval": ("create sequence s cache 20", "select nextval('s')"),
    "setval": ("create sequence s; select setval('s', 10)", "select setval('s', 500, false)"),
    "setval not called": ("create sequence s; select setval('s', 10, false)", "select nextval('s')"),
    "descending sequence": ("create sequence s increment -2 maxvalue 100 start 50", "select nextval('s') from generate_series(1, 3)"),
    "restart a sequence": ("create sequence s; select setval('s', 10)", "alter sequence s restart"),
    "rolled back nextval": (
        "create table t (id serial primary key)",
        "do $$ begin begin insert into t default values; raise exception 'no'; exception when raise_exception then null; end; end $$",
    ),
    "large object made": ("select 1", "select lo_from_bytea(0, 'abc')"),
    "large object written": ("select lo_from_bytea(50000, 'abcdef')", "select lo_put(50000, 2, 'ZZ')"),
    "large object dropped": (
        "select lo_from_bytea(50000, 'abcdef'), lo_from_bytea(50001, '')\n---\ngrant select on large object 50000 to public",
        "select lo_unlink(50000)",
    ),
    "partitioned table": (
        "create table p (id int, v text) partition by range (id);"
        " create table p1 partition of p for values from (0) to (10);"
        " create table p2 partition of p for values from (10) to (20) partition by list (v);"
        " create table p2a partition of p2 for values in ('a'); create table p2r partition of p2 default;"
        " insert into p values (1, 'x'), (11, 'a'), (12, 'b')",
        "update p set id = id + 9 where id = 1\n---\ndelete from p where v = 'b'\n---\ninsert into p values (2, 'n')",
    ),
    "inheritance": (
        "create table a (id int); create table b (w int) inherits (a); insert into a values (1); insert into b values (2, 3)",
        "update a set id = id + 1",
    ),
    "foreign key cycle": (
        "create table a (id int primary key, b int); create table b (id int primary key, a int references a);"
        " insert into a values (1, 1); insert into b values (1, 1);"
        " alter table a add foreign key (b) references b; alter table b add self int references b",
        "update a set b = null\n---\ndelete from b\n---\ndelete from a\n---\ninsert into a values (9, null)",
    ),
    "deferred constraints": (
        "create table t (id int unique deferrable initially deferred, p int);"
        " insert into t values (1, 2), (2, 1)",
        "begin; update t set id = 3 - id; delete from t where p = 1; insert into t values (1, 5), (5, 1); delete from t where p = 5; commit",
    ),
    "generated and identity columns": (
        "create table t (id int generated always as identity, a int, twice int generated always as (a * 2) stored);"
        " insert into t (a) values (1), (2)",
        "update t set a = 5\n---\ninsert into t (a) values (3)\n---\ndelete from t where a = 3",
    ),
    "triggers": (
        "create table t (id int, v int); create table log (n int);"
        " create function note() returns trigger language plpgsql as $$ begin insert into log values (1);"
        " if tg_op = 'DELETE' then return old; end if; new.v := new.v + 1; return new; end $$;"
        " create trigger one before insert or update or delete on t for each row execute function note();"
        " create trigger two before insert or update or delete on t for each row execute function note();"
        " create trigger three before insert or update or delete on t for each row execute function note();"
        " create trigger four after truncate on t for each statement execute function note();"
        " alter table t enable always trigger two; alter table t enable replica trigger three;"
        " insert into t values (1, 1), (2, 2)",
        "update t set v = 7\n---\ninsert into t values (3, 3)\n---\ndelete from t where id = 2",
    ),
    "rules": (
        "create table t (id int); create table log (n int); insert into t values (1), (2);"
        " create rule kept as on delete to t do instead nothing;"
        " create rule noted as on insert to t do also insert into log values (new.id);"
        " alter table t enable always rule kept; alter table t enable always rule noted",
        "insert into t values (3)\n---\nupdate t set id = 9 where id = 1",
    ),
    "row-level security": (
        "create table t (id int); insert into t values (1), (2); alter table t enable row level security;"
        " alter table t force row level security; create policy nobody on t using (false)",
        "update t set id = 7\n---\ninsert into t values (3)",
    ),
    "exclusion constraint": (
        "create table t (r int4range, exclude using gist (r with &&)); insert into t values ('[1,5)'), ('[5,9)')",
        "delete from t where r @> 1\n---\ninsert into t values ('[2,4)')",
    ),
    "unlogged table": (
        "create unlogged table t (id serial, v int); insert into t (v) values (1)",
        "insert into t (v) values (2)\n---\nupdate t set v = 5 where id = 1",
    ),
    "toasted values": (
        "create table t (id int, v text); alter table t alter v set storage external; insert into t values (1, repeat('x', 20000))",
        "update t set v = repeat('y', 30000)",
    ),
    "materialised view": (
        "create table t (id int); insert into t values (1), (2); create materialized view m as select id from t",
        "insert into t values (3)\n---\nrefresh materialized view m",
    ),
    "materialised view with long values": (
        "create table t (v text); insert into t values ('a'), (repeat('x', 20000)); create materialized view m as select v from t;"
        " create index on m (length(v))",
        "insert into t select string_agg(md5(i::text), '') from generate_series(1, 1000) as i\n---\nrefresh materialized view m",
    ),
    "materialised view of another": (
        "create table t (id int); insert into t values (1); create materialized view m as select id from t;"
        " create materialized view n as select id + 1 from m; create unique index on m (id)",
        "insert into t values (3)\n---\nrefresh materialized view concurrently m\n---\nrefresh materialized view n",
    ),
    "unpopulated materialised view": (
        "create table t (id int); create materialized view m as select id from t with no data",
        "refresh materialized view m",
    ),
    "vacuum full": ("create table t (id int); insert into t values (1), (2)", "delete from t where id = 1\n---\nvacuum full t"),
    "odd names and values": (
        'create schema "S x"; create table "S x"."T ""q"" %s" ("a b" text, "c;d" bytea); '
        "insert into \"S x\".\"T \"\"q\"\" %s\" values (E'tab\\t newline\\n back\\\\slash \\\\. null \\\\N', '\\x00ff'), (null, '')",
        'update "S x"."T ""q"" %s" set "a b" = \'y\'',
    ),
    "many types": (
        "create type mood as enum ('sad', 'ok'); create domain pos as int check (value > 0);"
        " create table t (a float8, b numeric, c timestamptz, d interval, e jsonb, f json, g mood[], h pos, i money,"
        " j inet, k tsvector, l point, m bit(3), n uuid, p int4range, q text[], r date, s float4, u regclass);"
        " insert into t values (0.1 + 0.2, 1e-30, now(), '1 mon -2 days 03:04:05.6', '{\"a\": [1, null]}', '{ \"b\":1 }', '{sad,ok}',"
        " 5, 12.34, '10.0.0.1/8', 'a fat cat', '(1.1,2.2)', b'101', gen_random_uuid(), '[1,5)',"
        " '{\"x,y\",NULL,\"\"}', 'infinity', 'NaN', 'pg_class')",
        "update t set h = 6",
    ),
    "no columns": ("create table t (); insert into t default values", "delete from t"),
    "dropped column": ("create table t (a int, b text, c int); insert into t values (1, 'x', 2); alter table t drop column b", "update t set c = 3"),
    "composite and array rows": (
        "create type pair as (a int, b text); create table t (id int, p pair, ps pair[]);"
        " insert into t values (1, '(1,\"x,y\")', array[row(1, 'a')::pair])",
        "delete from t",
    ),
    "writes to several": (
        "create table a (id serial, v int); create table b (id serial, v int); create table c (id serial, v int);"
        " insert into a (v) select generate_series(1, 10); insert into b (v) values (1)",
        "insert into a (v) values (3)\n---\ninsert into c (v) values (1)\n---\nupdate b set v = 2",
    ),
    "created table": ("create table t (id int)", "create table n (id serial primary key, t text); insert into n (t) values ('a')"),
    "created things": (
        "create table t (id int primary key); insert into t values (1)",
        "create schema s; create type s.e as enum ('a'); create table s.n (id int references t, e s.e);"
        " create view v as select * from t; create function f(int) returns int language sql as 'select 1';"
        " create sequence q; create index i on t (id); create materialized view m as select * from t;"
        " create domain d as int; insert into s.n values (1, 'a'); insert into t values (2);"
        " create aggregate total (int) (sfunc = int4pl, stype = int); create procedure p() language sql as 'select 1';"
        " create collation c from \"C\"; create operator === (function = int4eq, leftarg = int, rightarg = int);"
        " create table pa (id int) partition by list (id); create table pa1 partition of pa for values in (1);"
        " create type comp as (a int); create type r as range (subtype = int)",
    ),
    "created trigger, rule, policy": (
        "create table t (id int primary key); insert into t values (1)",
        "create function note() returns trigger language plpgsql as $$ begin return new; end $$;"
        " create trigger tr before insert on t for each row execute function note();"
        " create policy po on t using (true); create rule ru as on delete to t do also select 1; insert into t values (2)",
    ),
    "created extension": ("create table t (id int)", "create extension pg_trgm; create table n (a text); create index on n using gin (a gin_trgm_ops)"),
    "created and dropped again": ("create table t (id int)", "create table n (id int)\n---\ndrop table n\n---\ninsert into t values (1)"),
    "rolled back": ("create table t (id serial); insert into t default values", "begin; create table n (id int); insert into t default values; rollback"),
    "temporary table": ("create table t (id int)", "create temporary table n (id serial, v text); insert into n (v) values ('a'); insert into t values (1)"),
    "analyse and vacuum": ("create table t (id int); insert into t select generate_series(1, 100)", "analyze\n---\nvacuum\n---\ninsert into t values (7)"),
    "event trigger": (
        "create table log (n int); create function note() returns event_trigger language plpgsql as"
        " $$ begin insert into log values (1); end $$; create event trigger e on sql_drop execute function note()",
        "create table n (id int)",
    ),
    "domain over a check function": (
        "create table lookup (id int); insert into lookup values (1), (2);"
        " create function known(int) returns bool language sql as 'select exists (select from lookup where id = $1)';"
        " create table t (id int check (known(id))); insert into t values (1)",
        "insert into t values (2)\n---\nupdate t set id = 2 where id = 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_everything_is_as_before(place: Any, name: str) -> None:
    baseline, change = CHANGES[name]
    place.run(baseline)
    before = place.everything()
    keeper = place.keeper
    for _ in range(3):
        place.run(change)
        keeper.look()
        report = keeper.reset()
        place.suite.execute("discard all")
        assert report.retire == ""
        assert report.leaks == ()
        assert place.everything() == before
        assert keeper.look().nothing
