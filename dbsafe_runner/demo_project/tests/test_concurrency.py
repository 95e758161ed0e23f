"""Two transactions that want the same rows: lost updates, serialization failures, deadlocks, retries."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import IsolationLevel, errors

from shop import db
from shop.retry import with_retries

PATIENCE = 30


@pytest.fixture
def pair(committed):
    """Two connections, and a hundred pieces each of products 1 and 2 in warehouse 1, committed."""
    with db.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO stock (warehouse_id, product_id, quantity) VALUES (1, 1, 100), (1, 2, 100)"
        )
    with db.connect() as first, db.connect() as second:
        yield first, second


def take(connection, product, pieces=1):
    connection.execute(
        "UPDATE stock SET quantity = quantity - %s WHERE warehouse_id = 1 AND product_id = %s",
        (pieces, product),
    )


def quantity(connection, product=1):
    return connection.execute(
        "SELECT quantity FROM stock WHERE warehouse_id = 1 AND product_id = %s", (product,)
    ).fetchone()["quantity"]


def committed_quantity(product=1):
    with db.connect() as connection:
        return quantity(connection, product)


def test_reading_first_and_writing_later_loses_updates(pair):
    seen = [quantity(connection) for connection in pair]
    for connection, before in zip(pair, seen, strict=True):
        connection.execute("UPDATE stock SET quantity = %s WHERE product_id = 1", (before - 1,))
        connection.commit()
    assert committed_quantity() == 99


def test_writing_relative_values_loses_none(pair):
    for connection in pair:
        take(connection, 1)
        connection.commit()
    assert committed_quantity() == 98


def test_repeatable_read_sees_one_moment(pair):
    reader, writer = pair
    reader.isolation_level = IsolationLevel.REPEATABLE_READ
    assert quantity(reader) == 100
    take(writer, 1, 40)
    writer.commit()
    assert quantity(reader) == 100
    reader.rollback()
    assert quantity(reader) == 60


def test_repeatable_read_refuses_to_overwrite(pair):
    first, second = pair
    first.isolation_level = IsolationLevel.REPEATABLE_READ
    assert quantity(first) == 100
    take(second, 1)
    second.commit()
    with pytest.raises(errors.SerializationFailure, match="concurrent update"):
        take(first, 1)


def test_serializable_finds_write_skew(pair):
    """Each takes from one product after checking the sum of both, which must stay above 150."""
    for connection in pair:
        connection.isolation_level = IsolationLevel.SERIALIZABLE
    for connection, product in zip(pair, (1, 2), strict=True):
        assert quantity(connection, 1) + quantity(connection, 2) - 50 >= 150
        take(connection, product, 50)
    pair[0].commit()
    with pytest.raises(errors.SerializationFailure):
        pair[1].commit()
    assert committed_quantity(1) + committed_quantity(2) == 150


def test_serialization_failures_are_retried(pair):
    def sell(_):
        def attempt():
            with db.connect() as connection:
                connection.isolation_level = IsolationLevel.SERIALIZABLE
                left = quantity(connection)
                connection.execute("UPDATE stock SET quantity = %s WHERE product_id = 1", (left - 1,))

        with_retries(attempt, attempts=50)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(sell, range(18)))
    assert committed_quantity() == 82


def in_opposite_order(first_product, second_product, barrier):
    """Take a piece of both products; everybody waits until everybody has the first one."""
    with db.connect() as connection:
        take(connection, first_product)
        barrier.wait(PATIENCE)
        take(connection, second_product)


def test_a_deadlock_has_one_victim(pair):
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(in_opposite_order, *products, barrier) for products in ((1, 2), (2, 1))]
        results = [future.exception(PATIENCE) for future in futures]
    victims = [error for error in results if error is not None]
    assert len(victims) == 1
    assert isinstance(victims[0], errors.DeadlockDetected)
    assert (committed_quantity(1), committed_quantity(2)) == (99, 99)


def test_a_deadlocks_victim_succeeds_at_the_second_attempt(pair):
    barrier = threading.Barrier(2)
    attempts = []

    def transfer(first_product, second_product):
        def attempt():
            attempts.append(first_product)
            with db.connect() as connection:
                take(connection, first_product)
                if len(attempts) <= 2:
                    barrier.wait(PATIENCE)
                take(connection, second_product)

        with_retries(attempt)

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(transfer, 1, 2), threads.submit(transfer, 2, 1)]:
            future.result(PATIENCE)
    assert len(attempts) == 3
    assert (committed_quantity(1), committed_quantity(2)) == (98, 98)


def test_one_order_for_all_means_no_deadlock(pair):
    def sell(_):
        with db.connect() as connection:
            for product in (1, 2):
                take(connection, product)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(sell, range(40)))
    assert (committed_quantity(1), committed_quantity(2)) == (60, 60)


def test_an_ended_connection_rolls_back(pair):
    first, second = pair
    take(first, 1, 100)
    pid = first.info.backend_pid
    second.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        first.execute("SELECT 1")
    assert committed_quantity() == 100


def test_idle_transactions_are_ended(pair):
    first, _ = pair
    first.execute("SET idle_in_transaction_session_timeout = '400ms'")
    take(first, 1)
    with db.connect() as watcher:
        watcher.execute("SELECT pg_sleep(0.6)")
    with pytest.raises(errors.IdleInTransactionSessionTimeout):
        first.execute("SELECT 1")
    assert committed_quantity() == 100
