# ruff: noqa: E501 - SQL reads better in one line than cut up.
"""What a reset cannot undo retires the namespace; what only was added to the cluster is dropped."""

from __future__ import annotations

from typing import Any

import pytest

TABLE = (
    "create table t (id int primary key, v text); insert into t values (1, 'a'); create view w as select id from t;"
    " create function f() returns int language sql as 'select 1'; create sequence s"
)


@pytest.mark.parametrize(
    "statement",
    [
        "drop table t cascade",
        "alter table t add column n int",
        pytest.param("alter table t drop column v", marks=pytest.mark.long),
        "alter table t alter column v set default 'x'",
        pytest.param("alter table t rename to u", marks=pytest.mark.long),
        "alter table t disable trigger all; create index i on t (v); cluster t using t_pkey",
        "create or replace function f() returns int language sql as 'select 2'",
        "create or replace view w as select id, v from t",
        pytest.param("drop function f()", marks=pytest.mark.long),
        "comment on table t is 'x'",
        pytest.param("grant select on t to public", marks=pytest.mark.long),
        "alter sequence s increment 5",
        pytest.param("alter table t enable row level security", marks=pytest.mark.long),
        "revoke execute on function pg_sleep(float8) from public",
    ],
)
def test_altered_schemas_retire(place: Any, statement: str) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute(statement)
    changes = keeper.look()
    assert changes.ddl
    assert not changes.nothing
    report = keeper.reset()
    assert report.retire
    assert keeper.reset().retire == report.retire


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("grant select on t to public", "public.t changed"),
        ("create or replace function f() returns int language sql as 'select 2'", "public.f() changed"),
        ("create table n ()", "public.n created"),
        ("drop sequence s", "pg_class changed"),
    ],
)
def test_changes_are_named(place: Any, statement: str, said: str) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute(statement)
    assert f"{place.database}/{said}" in keeper.look().ddl


def test_replacing_by_the_same_is_no_change(place: Any) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    place.run(
        "create or replace function f() returns int language sql as 'select 1'\n---\ninsert into t values (2)"
    )
    assert keeper.look().ddl == ()
    assert keeper.reset().retire == ""
    assert place.everything() == before


def test_a_database_made_by_a_test_is_dropped(place: Any) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    for _ in range(2):
        place.suite.execute(f"create database other_{place.database}")
        session = place.connect(f"other_{place.database}")
        session.execute("create table x (id int)")
        session.close()
        assert keeper.look().cluster == (f"database other_{place.database} created",)
        report = keeper.reset()
        assert report.retire == ""
        assert place.everything() == before


def test_a_database_in_use_retires(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    name = f"other_{place.database}"
    place.suite.execute(f"create database {name}")
    place.connect(name)
    keeper.look()
    assert name in keeper.reset().retire
    place.suite.execute(f"drop database {name} with (force)")


def test_a_database_made_and_dropped_is_no_change(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute(f"create database other_{place.database}")
    place.suite.execute(f"drop database other_{place.database}")
    assert keeper.look().nothing
    assert keeper.reset().retire == ""


def test_a_role_made_by_a_test_is_dropped(place: Any) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    role = f"clerk_{place.database}"
    place.run(
        f"create role {role}\n---\ngrant pg_read_all_data to {role}\n---\ncreate table n (id int)\n---\nalter table n owner to {role}"
    )
    assert keeper.look().cluster[0] == f"role {role} created"
    assert keeper.reset().retire == ""
    assert place.everything() == before


@pytest.mark.parametrize(
    ("statement", "undo"),
    [
        ("alter role current_user set work_mem = '5MB'", "alter role current_user reset work_mem"),
        ("alter system set work_mem = '5MB'", "alter system reset work_mem"),
        (
            "select pg_create_physical_replication_slot('slot')",
            "select pg_drop_replication_slot('slot')",
        ),
        ("comment on role postgres is 'x'", "comment on role postgres is null"),
    ],
)
def test_changes_of_the_cluster_retire(place: Any, statement: str, undo: str) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute(statement)
    try:
        changes = keeper.look()
        assert changes.cluster
        assert keeper.look().cluster == ()
        assert keeper.reset().retire
    finally:
        place.suite.execute(undo)


def test_a_stale_materialised_view_retires(place: Any) -> None:
    place.run(
        "create table t (id int); create materialized view m as select id from t; insert into t values (1)"
    )
    keeper = place.keeper
    place.suite.execute("refresh materialized view m")
    keeper.look()
    assert "not up to date" in keeper.reset().retire


def test_rows_that_the_schema_refuses_retire(place: Any) -> None:
    place.run(
        "create table t (id int); insert into t values (1); alter table t add check (id > 5) not valid"
    )
    keeper = place.keeper
    place.suite.execute("delete from t")
    keeper.look()
    assert "cannot be brought back" in keeper.reset().retire


def test_wal_that_was_recycled_is_made_up_for(place: Any) -> None:
    place.run("create table t (id int, v text); insert into t values (1, 'a')")
    before = place.everything()
    keeper = place.keeper
    place.suite.execute("update t set v = 'x'")
    for _ in range(8):
        place.suite.execute("select pg_switch_wal()")
        place.suite.execute("checkpoint")
        place.suite.execute("insert into t values (2, 'b')")
    assert f"{place.database}/public.t" in keeper.look().remaining
    report = keeper.reset()
    assert report.retire or place.everything() == before


@pytest.mark.parametrize(
    ("statement", "undone"),
    [
        ("create table n (id int); drop table n", True),
        ("begin; create table n (id int); rollback", True),
        ("create function g() returns int language sql as 'select 1'; drop function g()", True),
        ("begin; alter table t add column n int; rollback", True),
        ("create temporary table n (id serial primary key); drop table n", False),
        ("begin; create temporary table n (id int) on commit drop; rollback", False),
        ("truncate t", False),
        ("analyze t", False),
        ("insert into t values (9)", False),
    ],
)
def test_schema_changes_that_were_undone_are_told(place: Any, statement: str, undone: bool) -> None:
    place.run(TABLE)
    keeper = place.keeper
    if keeper.method != "wal":
        pytest.skip("only the WAL tells")
    place.suite.execute(statement)
    changes = keeper.look()
    assert changes.ddl == ()
    assert changes.ddl_undone is undone
