"""Named locks that hold across connections, and what happens to those who wait."""

import threading
import time

import pytest
from psycopg import errors

from shop import db
from shop.locks import LockTakenError, lock_key, named_lock, waiting_lock


@pytest.fixture
def first():
    with db.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def second():
    with db.connect(autocommit=True) as connection:
        yield connection


def advisory_locks(connection):
    row = connection.execute("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    return row["n"]


@pytest.mark.parametrize(("name", "key"), [("nightly", 3043134503785307926), ("", -2039914840885289964)])
def test_keys_are_the_same_in_every_process(name, key):
    assert lock_key(name) == key


def test_one_holder_at_a_time(first, second):
    with (
        named_lock(first, "nightly"),
        pytest.raises(LockTakenError, match="nightly"),
        named_lock(second, "nightly"),
    ):
        pass


def test_free_again_afterwards(first, second):
    with named_lock(first, "nightly"):
        pass
    with named_lock(second, "nightly"):
        assert advisory_locks(first) == 1


def test_free_again_after_an_error(first, second):
    with pytest.raises(ZeroDivisionError), named_lock(first, "nightly"):
        raise ZeroDivisionError
    with named_lock(second, "nightly"):
        pass


def test_names_do_not_disturb_each_other(first, second):
    with named_lock(first, "nightly"), named_lock(second, "weekly"):
        assert advisory_locks(first) == 2


def test_no_lock_is_left(first):
    with named_lock(first, "nightly"):
        pass
    assert advisory_locks(first) == 0


def test_waiting_has_an_end(first, second):
    with (
        named_lock(first, "nightly"),
        pytest.raises(errors.LockNotAvailable),
        waiting_lock(second, "nightly", 0.4),
    ):
        pass


def test_waiting_pays(first, second):
    order = []

    def holder():
        with named_lock(first, "nightly"):
            held.set()
            time.sleep(0.3)
            order.append("first")

    held = threading.Event()
    thread = threading.Thread(target=holder)
    thread.start()
    assert held.wait(10)
    with waiting_lock(second, "nightly", 10):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_closed_connection_gives_its_locks_back(second):
    with db.connect(autocommit=True) as doomed:
        doomed.execute("SELECT pg_advisory_lock(%s)", (lock_key("nightly"),))
        with pytest.raises(LockTakenError), named_lock(second, "nightly"):
            pass
    with waiting_lock(second, "nightly", 10):
        pass


@pytest.mark.parametrize("timeout", [0.2, 0.3, 0.4])
def test_a_locked_row_makes_others_wait(first, second, timeout):
    with first.transaction():
        first.execute("SELECT * FROM products WHERE id = 1 FOR UPDATE")
        second.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(timeout * 1000)}ms",))
        begin = time.monotonic()
        with pytest.raises(errors.LockNotAvailable, match="lock timeout"):
            second.execute("UPDATE products SET active = active WHERE id = 1")
        assert time.monotonic() - begin >= timeout * 0.9


def test_nowait_does_not_wait(first, second):
    with first.transaction(force_rollback=True):
        first.execute("UPDATE products SET active = NOT active WHERE id = 1")
        with pytest.raises(errors.LockNotAvailable):
            second.execute("SELECT * FROM products WHERE id = 1 FOR UPDATE NOWAIT")


def test_readers_do_not_wait_for_writers(first, second):
    with first.transaction(force_rollback=True):
        first.execute("UPDATE products SET price_cents = 1 WHERE id = 1")
        row = second.execute("SELECT price_cents FROM products WHERE id = 1").fetchone()
    assert row["price_cents"] == 1290


def test_a_locked_table_makes_readers_wait(first, second):
    with first.transaction(force_rollback=True):
        first.execute("LOCK TABLE countries IN ACCESS EXCLUSIVE MODE")
        second.execute("SET lock_timeout = '300ms'")
        with pytest.raises(errors.LockNotAvailable):
            second.execute("SELECT count(*) FROM countries")


def test_a_statement_has_a_limit(first):
    first.execute("SET statement_timeout = '350ms'")
    with pytest.raises(errors.QueryCanceled, match="statement timeout"):
        first.execute("SELECT pg_sleep(30)")
