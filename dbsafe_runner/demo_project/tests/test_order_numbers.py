"""Order and invoice numbers: where they come from, and where they may have gaps."""

import datetime as dt
from decimal import Decimal

import psycopg
import pytest
from psycopg import errors

from shop import db
from shop.money import Money
from shop.pdf import Invoice
from shop.pricing import Line
from shop.reporting import issue_invoice
from shop.tax import from_gross

CUSTOMER = (
    "INSERT INTO customers (id, email, name, password_hash, country_code) VALUES (7, 'g@h.i', 'G', 'x', 'DE')"
)
ORDER = "INSERT INTO orders (customer_id, total_cents) VALUES (7, 1000) RETURNING number"


@pytest.fixture
def counter(autocommit):
    """A customer with the id 7; order and invoice numbers start from 1."""
    autocommit.execute("SELECT setval('order_number_seq', 1, false), setval('invoice_number_seq', 1, false)")
    autocommit.execute(CUSTOMER)
    return autocommit


def order_number(connection):
    return connection.execute(ORDER).fetchone()["number"]


def invoice():
    lines = (Line("NOVEL-000101-8", 1, Money(12_90)),)
    return Invoice(0, "G", lines, from_gross(Money(12_90), Decimal(7)))


def test_orders_count_from_one(counter):
    assert [order_number(counter) for _ in range(3)] == [1, 2, 3]


def test_a_rolled_back_order_leaves_a_gap(counter):
    with psycopg.connect(db.settings.dsn(), row_factory=psycopg.rows.dict_row) as other:
        assert order_number(other) == 1
        other.rollback()
    assert order_number(counter) == 2


def test_a_failed_order_leaves_a_gap(counter):
    with pytest.raises(errors.CheckViolation):
        counter.execute(ORDER.replace("1000", "-1"))
    assert order_number(counter) == 2


def test_numbers_can_skip_to_a_new_year(counter):
    counter.execute("SELECT setval('order_number_seq', 26000, true)")
    assert order_number(counter) == 26001


def test_numbers_run_out(counter):
    counter.execute("SELECT setval('order_number_seq', 2147483647, true)")
    with pytest.raises(errors.SequenceGeneratorLimitExceeded):
        order_number(counter)


def test_two_connections_never_get_the_same_number(counter):
    with db.connect(autocommit=True) as other:
        numbers = [order_number(connection) for _ in range(20) for connection in (counter, other)]
    assert numbers == list(range(1, 41))


def test_currval_belongs_to_the_connection(counter):
    order_number(counter)
    with db.connect(autocommit=True) as other:
        order_number(other)
    assert counter.execute("SELECT currval('order_number_seq') AS n").fetchone()["n"] == 1


def test_invoices_count_from_one(counter):
    assert [issue_invoice(counter, order, invoice()) for order in (101, 102)] == [1, 2]
    stored = counter.execute("SELECT order_number, issued_on, pdf FROM invoices ORDER BY number").fetchall()
    assert [row["order_number"] for row in stored] == [101, 102]
    assert all(bytes(row["pdf"]).startswith(b"%PDF") for row in stored)
    assert abs(stored[0]["issued_on"] - dt.datetime.now(dt.UTC).date()) <= dt.timedelta(days=1)


def test_an_order_has_one_invoice(counter):
    issue_invoice(counter, 101, invoice())
    with pytest.raises(errors.UniqueViolation):
        issue_invoice(counter, 101, invoice())
    assert counter.execute("SELECT count(*) AS n FROM invoices").fetchone()["n"] == 1


def test_a_chosen_number_collides_later(counter):
    counter.execute("INSERT INTO orders (number, customer_id, total_cents) VALUES (2, 7, 1)")
    assert order_number(counter) == 1
    with pytest.raises(errors.UniqueViolation, match="orders_number_key"):
        order_number(counter)
    assert order_number(counter) == 3
