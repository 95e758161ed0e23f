# ruff: noqa: E501 - SQL reads better in one line than cut up.
"""A look is compared with the look before, not only with the baseline: what others made can be removed, too."""

from __future__ import annotations

from typing import Any

import pytest

TABLE = "create table a (id int); create table b (id int); create table t (v text)"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("create table basket (id int)", "drop table basket"),
        ("create view v as select 1 as one", "drop view v"),
        ("create index i on t (v)", "drop index i"),
        ("alter table t add column n int", "alter table t drop column n"),
        ("create table basket (id int)", "drop table basket; create table basket (id int)"),
        ("create table basket (id int)", "alter table basket add column v text"),
        ("drop table a", "drop table b"),
        ("create function f() returns int language sql as 'select 1'", "drop function f()"),
    ],
)
def test_ddl_on_what_an_earlier_look_has_seen(place: Any, earlier: str, later: str) -> None:
    place.run(TABLE)
    keeper = place.keeper
    keeper.look()
    place.run(earlier)
    assert keeper.look().ddl
    assert not keeper.look().ddl
    place.run(later)
    assert keeper.look().ddl
    assert not keeper.look().ddl


def test_what_was_dropped_is_named(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.run("create table basket (id int)")
    keeper.look()
    place.run("drop table basket")
    assert f"{place.database}/public.basket dropped" in keeper.look().ddl
    before = place.everything()
    assert keeper.reset().retire == ""
    assert place.everything() == before


@pytest.mark.parametrize(
    "script", ["truncate basket", "insert into basket values (1)", "analyze basket"]
)
def test_rows_of_such_a_table_are_no_schema_change(place: Any, script: str) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.run("create table basket (id int)\n---\ninsert into basket values (7)")
    assert keeper.look().ddl
    place.run(script)
    assert not keeper.look().ddl


def test_temporary_tables_beside_it_are_no_schema_change(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.run("create table basket (id int)")
    assert keeper.look().ddl
    place.run("create temporary table e (id int)\n---\ndrop table e")
    changes = keeper.look()
    assert not changes.ddl
    assert changes.nothing


def test_changes_of_the_server_that_an_earlier_look_has_seen(place: Any) -> None:
    keeper = place.keeper
    role = f"role_{place.database}"
    place.run(f"create role {role}")
    try:
        assert keeper.look().cluster == (f"role {role} created",)
        place.run(f"alter role {role} createdb")
        assert keeper.look().cluster
        assert not keeper.look().cluster
    finally:
        place.run(f"drop role {role}")
    assert keeper.look().cluster == (f"role {role} dropped",)


def test_a_second_change_of_the_settings_is_seen(place: Any) -> None:
    keeper = place.keeper
    try:
        place.run("alter system set work_mem = '5MB'")
        assert keeper.look().cluster
        place.run("alter system set work_mem = '16MB'")
        assert keeper.look().cluster
        assert not keeper.look().cluster
    finally:
        place.run("alter system reset work_mem")
