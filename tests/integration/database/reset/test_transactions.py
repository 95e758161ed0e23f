# ruff: noqa: E501 - SQL reads better in one line than cut up.
"""Open transactions, prepared ones, locks and sessions: what is waited for, what is ended, what is left."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest

TABLE = "create table t (id serial primary key, v text); insert into t (v) values ('a'), ('b')"
OTHER = "create table o (id int)"


def test_nothing_happened(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    changes = keeper.look()
    assert changes.nothing
    assert changes.written == frozenset()
    # One is the fixture's own.
    assert (changes.sessions, changes.open_transactions) == (2, 0)
    assert keeper.reset().restored == ()


def test_reading_is_no_change(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute("select * from t for update")
    place.suite.execute("select count(*) from t")
    changes = keeper.look()
    assert changes.nothing
    assert f"{place.database}/public.t" not in changes.written


def test_written_and_remaining_are_named(place: Any) -> None:
    place.run(TABLE + ";" + OTHER)
    keeper = place.keeper
    place.suite.execute("insert into t (v) values ('c')")
    changes = keeper.look()
    names = {f"{place.database}/public.t", f"{place.database}/public.t_id_seq"}
    assert changes.remaining == names
    assert changes.written == names
    assert set(keeper.reset().restored) == names


def test_what_was_rolled_back_does_not_remain(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute("begin; update t set v = 'x'; rollback")
    changes = keeper.look()
    assert changes.nothing
    if keeper.method == "wal":
        assert changes.written == {f"{place.database}/public.t"}


def test_what_a_test_cleaned_up_does_not_remain(place: Any) -> None:
    place.run(OTHER)
    keeper = place.keeper
    place.run("insert into o values (1)\n---\ndelete from o")
    changes = keeper.look()
    assert changes.nothing
    if keeper.method == "wal":
        assert changes.written == {f"{place.database}/public.o"}


def test_a_sequence_that_came_back_to_its_value(place: Any) -> None:
    """PostgreSQL has logged uses ahead then, and the next ones would go unseen."""
    place.run("create sequence s; select setval('s', 5)")
    keeper = place.keeper
    place.run("alter sequence s restart\n---\nselect nextval('s') from generate_series(1, 5)")
    keeper.look()
    keeper.reset()
    place.suite.execute("select nextval('s')")
    assert keeper.look().remaining == {f"{place.database}/public.s"}
    keeper.reset()
    assert place.suite.execute("select last_value, is_called from s").fetchone() == (5, True)


def test_a_rolled_back_savepoint_in_a_committed_transaction(place: Any) -> None:
    place.run(TABLE + ";" + OTHER)
    keeper = place.keeper
    place.suite.execute(
        "begin; savepoint a; insert into t (id, v) values (9, 'x'); rollback to a; insert into o values (1); commit"
    )
    assert keeper.look().remaining == {f"{place.database}/public.o"}


def test_the_outer_transaction_of_a_fixture_is_left_alone(place: Any) -> None:
    place.run(TABLE + ";" + OTHER)
    before = place.everything()
    keeper = place.keeper
    outer = place.connect(autocommit=False)
    outer.execute("insert into t (v) values ('outer')")
    keeper.look()
    keeper.mark()
    for turn in range(3):
        outer.execute("savepoint s")
        outer.execute("insert into t (v) values ('inner')")
        outer.execute("insert into o values (1)")
        outer.execute("rollback to s" if turn else "release s")
        place.suite.execute("insert into o values (7)")
        changes = keeper.look()
        # What was rolled back is no longer pending; what the turn before has written still is held.
        written = changes.held if turn and keeper.method == "wal" else changes.pending
        assert f"{place.database}/public.t" in written
        assert changes.open_transactions == 1
        started = time.perf_counter()
        report = keeper.reset()
        assert time.perf_counter() - started < 1
        assert report.leaks == ()
        assert report.retire == ""
    assert outer.execute("select count(*) from t where v = 'inner'").fetchone() == (1,)
    outer.commit()
    assert f"{place.database}/public.t" in keeper.look().remaining
    report = keeper.reset()
    assert report.retire == ""
    assert place.everything() == before


def test_what_a_fixture_has_written_is_not_put_down_to_the_tests_behind_it(place: Any) -> None:
    place.run(TABLE + ";" + OTHER)
    keeper = place.keeper
    outer = place.connect(autocommit=False)
    outer.execute("insert into t (v) values ('outer')")
    assert f"{place.database}/public.t" in keeper.look().pending
    keeper.mark()
    if keeper.method == "wal":
        # Something is written to the log, so that nothing is taken for unmoved.
        place.suite.execute("select pg_current_xact_id()")
    idle = keeper.look()
    assert (idle.pending, idle.nothing) == (frozenset(), True)
    assert f"{place.database}/public.t" in idle.held
    outer.execute("insert into o values (1)")
    changes = keeper.look()
    assert f"{place.database}/public.o" in changes.pending
    assert not changes.nothing
    outer.rollback()
    assert keeper.look().held == frozenset()


def test_an_outer_transaction_that_updates_rows_and_commits_after_a_reset(place: Any) -> None:
    """Its id is older than the reset's, so that its rows look like the baseline's."""
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    outer = place.connect(autocommit=False)
    outer.execute("create temporary table mine (id int)")
    outer.execute("select pg_current_xact_id()")
    keeper.mark()
    place.suite.execute("update t set v = 'x' where id = 1")
    keeper.look()
    assert keeper.reset().restored
    outer.execute("update t set v = 'y' where id = 2")
    outer.commit()
    assert f"{place.database}/public.t" in keeper.look().remaining
    keeper.reset()
    assert place.everything() == before


@pytest.mark.parametrize(
    "statement", ["update t set v = 'x'", "lock table t in access exclusive mode", "truncate t"]
)
def test_a_transaction_that_a_test_left_open_is_ended(place: Any, statement: str) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    place.suite.execute("insert into t (v) values ('c')")
    leak = place.connect(autocommit=False)
    leak.execute(statement)
    assert keeper.look().open_transactions == 1
    report = keeper.reset()
    assert report.leaks == (f"a transaction left open: {statement}",)
    assert report.retire == ""
    assert place.everything() == before
    with pytest.raises(psycopg.OperationalError):
        leak.execute("select 1")


def test_sessions_that_are_idle_or_only_read_are_left_alone(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    idle, reader = place.connect(), place.connect(autocommit=False)
    idle.execute("select 1")
    reader.execute("select * from t")
    place.suite.execute("insert into t (v) values ('c')")
    keeper.look()
    assert keeper.reset().leaks == ()
    assert reader.execute("select count(*) from t").fetchone() == (2,)
    assert idle.execute("select count(*) from t").fetchone() == (2,)


def test_a_connection_closed_in_a_transaction_is_no_leak(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    for _ in range(20):
        session = place.connect(autocommit=False)
        session.execute("update t set v = 'x'")
        session.close()
        assert keeper.reset().leaks == ()


def test_a_prepared_transaction_is_rolled_back(place: Any) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    gid = f"it''s {place.database}"
    place.suite.execute(f"begin; insert into t (v) values ('c'); prepare transaction '{gid}'")
    keeper.look()
    report = keeper.reset()
    assert report.leaks == (f"a prepared transaction left behind: it's {place.database}",)
    assert place.everything() == before


def test_an_advisory_lock_is_told_and_left(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute("select pg_advisory_lock(42)")
    keeper.look()
    (leak,) = keeper.reset().leaks
    assert "advisory lock" in leak
    assert keeper.reset().leaks == ()


def test_the_suite_may_end_all_sessions(place: Any) -> None:
    place.run(TABLE)
    before = place.everything()
    keeper = place.keeper
    for _ in range(3):
        place.suite.execute("insert into t (v) values ('c')")
        keeper.look()
        place.suite.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dbsafe'"
        )
        keeper.look()
        assert keeper.reset().retire == ""
        assert place.everything() == before


def test_the_suite_may_drop_its_database_while_we_look_after_it(place: Any) -> None:
    place.run(TABLE)
    keeper = place.keeper
    place.suite.execute("insert into t (v) values ('c')")
    keeper.look()
    keeper.reset()
    place.suite.close()
    other = place.connect("template1")
    other.execute(f"create database copy_of_{place.database} template {place.database}")
    other.execute(f"drop database copy_of_{place.database}")


def test_what_is_in_the_suites_database_is_the_suites(place: Any) -> None:
    place.run(TABLE)
    listing = "select oid::regclass from pg_class union all select oid::regproc from pg_proc order by 1"
    before = place.suite.execute(
        listing.replace("regclass", "text").replace("regproc", "text")
    ).fetchall()
    keeper = place.keeper
    place.suite.execute("insert into t (v) values ('c')")
    keeper.look()
    keeper.reset()
    after = place.suite.execute(
        listing.replace("regclass", "text").replace("regproc", "text")
    ).fetchall()
    assert after == before


def test_large_tables_are_kept_in_the_scratch_directory(place: Any) -> None:
    from pathlib import Path

    place.run(
        "create table t (id int, v text); insert into t select g, repeat('x', 100) from generate_series(1, 30000) g"
    )
    before = place.everything()
    keeper = place.keeper
    assert list(Path(place.namespace.scratch).iterdir())
    place.suite.execute("update t set v = 'y' where id = 77")
    keeper.look()
    keeper.reset()
    assert place.everything() == before


def test_rows_lie_as_in_the_baseline_after_many_resets(place: Any) -> None:
    """A table that is written to and reset over and over neither grows nor gets its new rows out of order."""
    place.run(
        "create table t (id int primary key, v text); insert into t select g, 'x' from generate_series(1, 40) g"
    )
    keeper = place.keeper
    for turn in range(120):
        place.suite.execute("update t set v = 'y' where id % 3 = 0" if turn % 2 else "select 1")
        place.suite.execute("insert into t select g, 'n' from generate_series(101, 130) g")
        place.suite.execute("update t set v = 'z' where id > 100 and id % 2 = 0")
        place.suite.execute("insert into t select g, 'n' from generate_series(131, 140) g")
        found = [row[0] for row in place.suite.execute("select id from t where id > 100 and v = 'n'")]
        assert found == sorted(found)
        keeper.look()
        assert keeper.reset().retire == ""
        assert [row[0] for row in place.suite.execute("select id from t")] == list(range(1, 41))
    (size,) = place.suite.execute("select pg_relation_size('t')").fetchone()
    assert size <= 3 * 8192
