# ruff: noqa: E501 - SQL reads better in one line than cut up.
"""What session-scoped fixtures do becomes the baseline; where they and tests did it, a reset gives up."""

from __future__ import annotations

from typing import Any

TABLE = "create table t (id serial primary key, v text); insert into t (v) values ('a'), ('b'); create table o (id int)"


def test_rows_of_a_session_fixture_stay(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    keeper.look()
    place.suite.execute("insert into t (v) values ('fixture')")
    keeper.look()
    keeper.rebase()
    before = place.everything()
    place.suite.execute("update t set v = 'test'")
    keeper.look()
    report = keeper.reset()
    assert report.retire == ""
    assert place.everything() == before
    assert len(before["t"]) == 3


def test_tables_of_a_session_fixture_stay(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    keeper.look()
    place.run(
        "create table n (id serial primary key, t int references t); insert into n (t) values (1), (2)"
    )
    assert keeper.look().ddl
    keeper.rebase()
    before = place.everything()
    for _ in range(2):
        place.run(
            "insert into n (t) values (1)\n---\nupdate n set t = 2\n---\ninsert into t (v) values ('c')"
        )
        keeper.look()
        report = keeper.reset()
        assert report.retire == ""
        assert place.everything() == before


def test_a_database_made_by_a_session_fixture_is_looked_after(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    keeper.look()
    name = f"test_{place.database}"
    place.suite.execute(f"create database {name}")
    try:
        session = place.connect(name)
        session.execute("create table u (id serial, v int)")
        session.execute("insert into u (v) values (1)")
        changes = keeper.look()
        assert changes.cluster == (f"database {name} created",)
        keeper.rebase()
        for _ in range(2):
            session.execute("insert into u (v) values (2)")
            session.execute("update u set v = v + 1")
            assert f"{name}/public.u" in keeper.look().remaining
            report = keeper.reset()
            assert report.retire == ""
            assert f"{name}/public.u" in report.restored
            assert session.execute("select id, v from u").fetchall() == [(1, 1)]
            assert session.execute("select last_value from u_id_seq").fetchall() == [(1,)]
    finally:
        place.suite.execute(f"drop database {name} with (force)")


def test_what_tests_left_before_is_still_brought_back(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute("insert into o values (1)")
    keeper.look()
    place.suite.execute("insert into t (v) values ('fixture')")
    keeper.look()
    keeper.rebase()
    report = keeper.reset()
    assert report.retire == ""
    assert report.restored == (f"{place.database}/public.o",)
    assert place.suite.execute("select count(*) from o").fetchone() == (0,)
    assert place.suite.execute("select count(*) from t").fetchone() == (3,)


def test_one_table_changed_by_a_test_and_then_by_a_fixture(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute("insert into o values (1)")
    keeper.look()
    place.suite.execute("insert into o values (2)")
    keeper.look()
    keeper.rebase()
    assert f"{place.database}/public.o" in keeper.look().written | {f"{place.database}/public.o"}
    report = keeper.reset()
    assert "both changed" in report.retire
    assert keeper.reset().retire == report.retire


def test_a_rebase_without_changes(place: Any) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    keeper.look()
    keeper.rebase()
    place.suite.execute("delete from t")
    keeper.look()
    assert keeper.reset().retire == ""
    assert place.everything() == before
