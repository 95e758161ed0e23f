from __future__ import annotations

import pytest

from dbsafe_runner.analysis.sql import looks_like_sql, sql_facts
from dbsafe_runner.analysis.values import HOLE


def told(text: str) -> list[tuple[str, set[str]]]:
    return [(fact.kind, set(fact.tables)) for fact in sql_facts(text)]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("SELECT * FROM items i JOIN shop.orders o ON true", [("read", {"items", "shop.orders"})]),
        ("  (select 1)", [("read", set())]),
        ("VALUES (1), (2)", [("read", set())]),
        ("TABLE items", [("read", set())]),
        ("EXPLAIN DELETE FROM items WHERE id = 1", [("read", {"items"})]),
        ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM items WHERE id = 1", [("write", {"items"})]),
        ("INSERT INTO shop.items (a) VALUES (%s)", [("write", {"shop.items"})]),
        ("insert into public.items values (1)", [("write", {"items"})]),
        ('UPDATE "Items" AS i SET a = 1', [("write", {"Items"})]),
        ("DELETE FROM ONLY items WHERE a = 1", [("write", {"items"})]),
        ("DELETE FROM items", [("clean", {"items"})]),
        ("TRUNCATE TABLE a, shop.b RESTART IDENTITY CASCADE", [("clean", {"a", "shop.b"})]),
        ("MERGE INTO items USING n ON true WHEN MATCHED THEN DELETE", [("write", {"items"})]),
        ("COPY items (a, b) FROM STDIN", [("write", {"items"})]),
        ("COPY (SELECT * FROM items) TO STDOUT", [("read", {"items"})]),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY sums", [("write", {"sums"})]),
        ("WITH a AS (SELECT 1) SELECT * FROM items", [("read", {"items"})]),
        ("WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d", [("write", {"a", "b"})]),
        ("WITH d AS (SELECT %s) UPDATE a SET x = 1 FROM d", [("write", {"a"})]),
        ("CREATE TABLE IF NOT EXISTS items (id int)", [("ddl", {"items"})]),
        ("CREATE UNIQUE INDEX CONCURRENTLY ix ON items (a)", [("ddl", {"ix"})]),
        ("ALTER TABLE items ADD COLUMN b int", [("ddl", {"items"})]),
        ("DROP TABLE IF EXISTS items", [("ddl", {"items"})]),
        ("CREATE EXTENSION vector", [("ddl", {"vector"})]),
        ("GRANT SELECT ON items TO bob", [("ddl", set())]),
        ("CREATE TEMP TABLE scratch (id int)", [("temp", {"scratch"})]),
        ("CREATE TABLE pg_temp.scratch (id int)", [("temp", {"pg_temp.scratch"})]),
        ("SELECT * INTO copy_of FROM items", [("ddl", {"copy_of"})]),
        ("SELECT 'a into b from c'", [("read", set())]),
        ("SELECT * INTO TEMP copy_of FROM items", [("temp", {"copy_of"})]),
        ("SELECT nextval('order_seq')", [("read", set()), ("lasting", {"order_seq"})]),
        ("SELECT setval('order_seq', 7)", [("read", set()), ("lasting", {"order_seq"})]),
        ("SELECT lo_create(0)", [("read", set()), ("write", {"pg_largeobject"})]),
        (
            "SELECT pg_advisory_lock(1), now(), count(*) FROM items",
            [("read", {"items"}), ("signal", set())],
        ),
        ("SELECT pg_notify('a', 'b')", [("read", set()), ("signal", set())]),
        ("LISTEN jobs", [("signal", set())]),
        ("SET search_path TO shop", [("session", set())]),
        (
            "BEGIN; UPDATE a SET x = 1; ROLLBACK",
            [("begin", set()), ("write", {"a"}), ("rollback", set())],
        ),
        ("SAVEPOINT s; ROLLBACK TO s; COMMIT", [("session", set()), ("commit", set())]),
        ("DO $$ BEGIN INSERT INTO items VALUES (1); END; $$", [("write", {"items"})]),
        ("-- DELETE FROM b\nSELECT 1 /* DROP TABLE c */", [("read", set())]),
        ("SELECT ';' ; SELECT 2", [("read", set()), ("read", set())]),
        (f"INSERT INTO {HOLE} VALUES (1)", [("write", {"?"})]),
        (f"{HOLE} items", [("doubt", set())]),
        ("CALL refresh_everything()", [("doubt", set())]),
    ],
)
def test_statements(text: str, facts: list[tuple[str, set[str]]]) -> None:
    assert told(text) == facts


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("CREATE ROLE bob LOGIN", "CREATE ROLE bob"),
        ("DROP USER IF EXISTS bob", "DROP USER bob"),
        ("CREATE DATABASE other TEMPLATE shop", "CREATE DATABASE other"),
        ("ALTER DATABASE shop SET work_mem = '1MB'", "ALTER DATABASE shop"),
        ("CREATE TABLESPACE fast LOCATION '/ssd'", "CREATE TABLESPACE fast"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
        ("GRANT admin TO bob", "GRANT or REVOKE of a role"),
        ("DROP OWNED BY bob", "DROP OWNED by"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "pg_terminate_backend()"),
        ("SELECT pg_reload_conf()", "pg_reload_conf()"),
    ],
)
def test_cluster_wide(text: str, what: str) -> None:
    assert what in [fact.what for fact in sql_facts(text) if fact.kind == "cluster"]


def test_a_function_that_is_named_like_a_change_may_write() -> None:
    assert ("write", {"?"}) in told("SELECT shop.create_order(1)")
    assert told("SELECT jsonb_set('{}', '{a}', '1'), similarity(a, b) FROM items") == [
        ("read", {"items"})
    ]


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [
        ("select name from items", True),
        ("create table a (b int)", True),
        ("Create a user and log in", False),
        ("update the basket", False),
        ("Delete from the list what you do not need", True),
        ("", False),
    ],
)
def test_prose_is_not_sql(text: str, is_sql: bool) -> None:
    assert looks_like_sql(text) is is_sql


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1 AS a INTO t", "ddl"),
        ("SELECT 1 AS a INTO TEMP t", "temp"),
        ("SELECT a INTO t WHERE true", "ddl"),
        ("WITH b AS (SELECT 1 AS a) SELECT a INTO t FROM b", "ddl"),
        ("SELECT 'put into t'", "read"),
        ('SELECT a AS "put into b now" FROM t', "read"),
    ],
)
def test_a_select_that_makes_a_table(text: str, kind: str) -> None:
    assert [fact.kind for fact in sql_facts(text)] == [kind]


def test_what_replaces_is_told_by_its_name() -> None:
    made = "FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    assert sql_facts(f"CREATE OR REPLACE {made}")[0].what == "CREATE OR REPLACE FUNCTION f"
    assert sql_facts(f"CREATE {made}")[0].what == "CREATE FUNCTION f"


def test_what_can_be_passed_over_is_marked() -> None:
    assert [
        fact.tolerant for fact in sql_facts("CREATE TABLE IF NOT EXISTS a (); CREATE TABLE b ()")
    ] == [True, False]
