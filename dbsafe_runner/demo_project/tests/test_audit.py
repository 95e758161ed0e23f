"""The audit log that triggers write, in sessions that are rolled back."""

import pytest
from sqlalchemy import text

from shop import orders
from shop.catalogue import by_sku
from shop.money import Money

NOVEL = "NOVEL-000101-8"


@pytest.fixture
def as_clerk(session, clerk):
    """The session acts for a member of staff."""
    session.execute(text("SELECT set_config('shop.actor', :name, true)"), {"name": clerk})
    return session


def entries(session, table):
    session.flush()
    statement = text("SELECT actor, action, changes FROM audit_log WHERE table_name = :table ORDER BY id")
    return session.execute(statement, {"table": table}).all()


def test_new_customer(session, customer):
    (entry,) = entries(session, "customers")
    assert (entry.actor, entry.action) == ("system", "insert")
    assert entry.changes["email"] == "ada@example.org"


def test_passwords_stay_out_of_the_log(session, customer):
    customer.password_hash = "scrypt$another"
    session.flush()
    log = session.scalar(text("SELECT string_agg(changes::text, '') FROM audit_log"))
    assert "scrypt" not in log


def test_price_change_names_the_clerk(as_clerk):
    product = by_sku(as_clerk, NOVEL)
    product.price_cents = 1490
    assert entries(as_clerk, "products") == [("clerk", "update", {"price_cents": 1490})]


def test_update_without_a_change_is_not_logged(as_clerk):
    as_clerk.execute(text("UPDATE products SET price_cents = price_cents"))
    assert entries(as_clerk, "products") == []


def test_one_entry_per_row(as_clerk):
    changed = as_clerk.execute(
        text("UPDATE products SET price_cents = price_cents + 10 WHERE category_id = 9")
    ).rowcount
    assert changed == 8
    assert len(entries(as_clerk, "products")) == 8


def test_life_of_an_order(as_clerk, customer, stocked):
    order = orders.place(as_clerk, customer, {NOVEL: 1})
    orders.pay(as_clerk, order, Money(order.total_cents))
    orders.ship(as_clerk, order)
    log = entries(as_clerk, "orders")
    assert [entry.action for entry in log] == ["insert", "update", "update"]
    assert [entry.changes["status"] for entry in log] == ["placed", "paid", "shipped"]
    assert {entry.actor for entry in log} == {"clerk"}


def test_deletion_keeps_the_old_values(as_clerk, customer):
    as_clerk.execute(text("DELETE FROM customers"))
    assert entries(as_clerk, "customers")[-1].changes["name"] == "Ada"


def test_rolled_back_changes_leave_no_entry(as_clerk):
    savepoint = as_clerk.begin_nested()
    by_sku(as_clerk, NOVEL).price_cents = 1
    assert len(entries(as_clerk, "products")) == 1
    savepoint.rollback()
    assert entries(as_clerk, "products") == []


def test_the_clerk_is_on_the_staff(session, clerk):
    assert session.scalars(text("SELECT login FROM staff")).all() == [clerk]


def test_bulk_changes_are_logged_in_order(as_clerk):
    for price in (100, 200, 300):
        as_clerk.execute(text("UPDATE products SET price_cents = :price WHERE id = 1"), {"price": price})
    assert [entry.changes["price_cents"] for entry in entries(as_clerk, "products")] == [100, 200, 300]
