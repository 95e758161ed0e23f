"""One customer's life with the shop, told in order.

These tests build on each other: each one begins where the one above it ended. Run alone, all but the
first fail. Suites grow such files; dbsafe keeps them together and names what each of them needs.
"""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from shop import checkout, customers, inventory
from shop.catalogue import by_sku

NOVEL, PASSWORD = "NOVEL-000101-8", "correct horse battery"


@pytest.fixture(scope="module", autouse=True)
def clean_before_and_after(empty_tables):
    empty_tables()
    yield
    empty_tables()


@pytest.fixture
def tx(engine):
    """A session that commits."""
    with Session(engine) as session, session.begin():
        yield session


def test_grace_registers(tx):
    customers.register(tx, email="grace@example.org", name="Grace", password=PASSWORD, country="US")
    inventory.receive(tx, by_sku(tx, NOVEL), 10)
    assert tx.scalar(text("SELECT count(*) FROM customers")) == 1


def test_grace_orders_a_novel(engine, tx):
    grace = customers.log_in(tx, "grace@example.org", PASSWORD)
    assert checkout.buy(engine, grace.id, {NOVEL: 1}).number == 1


def test_grace_has_one_order(tx):
    grace = customers.find(tx, "grace@example.org")
    assert [order.status for order in grace.orders] == ["paid"]


def test_grace_moves(tx):
    grace = customers.find(tx, "grace@example.org")
    customers.add_address(tx, grace, "Compiler Lane 1", "Arlington")
    assert grace.default_address.city == "Arlington"
