"""The checkout as customers use it: it commits, and other connections see what it did."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from shop import checkout, customers, db, inventory
from shop.catalogue import by_sku
from shop.inventory import OutOfStockError
from shop.models import Customer
from shop.money import Money
from shop.orders import WrongStatusError

NOVEL, COOKERY, KNIFE = "NOVEL-000101-8", "COOK-000109-0", "KNIFE-000125-X"


@pytest.fixture
def shop(committed, password_hash):
    """A customer and forty pieces of three products, committed."""
    with Session(committed) as session, session.begin():
        session.add(
            Customer(email="ada@example.org", name="Ada", password_hash=password_hash, country_code="DE")
        )
        for product in (NOVEL, COOKERY, KNIFE):
            inventory.receive(session, by_sku(session, product), 40)
    return committed


def value(statement, **parameters):
    """One value, read by a connection that has nothing to do with the checkout's."""
    with db.connect() as other:
        return next(iter(other.execute(statement, parameters).fetchone().values()))


def test_the_first_order_has_number_1(shop):
    assert checkout.buy(shop, 1, {NOVEL: 1}).number == 1


def test_numbers_follow_each_other(shop):
    assert [checkout.buy(shop, 1, {NOVEL: 1}).number for _ in range(5)] == [1, 2, 3, 4, 5]


def test_receipt_shows_the_total(shop):
    assert checkout.buy(shop, 1, {NOVEL: 2, COOKERY: 1}).total == Money(5030)


def test_another_connection_sees_the_order(shop):
    checkout.buy(shop, 1, {NOVEL: 2})
    assert value("SELECT count(*) FROM orders") == 1
    assert value("SELECT status FROM orders WHERE id = 1") == "paid"
    assert value("SELECT amount_cents FROM payments WHERE id = 1") == 2970


def test_another_connection_sees_less_stock(shop):
    checkout.buy(shop, 1, {NOVEL: 30})
    assert value("SELECT sum(quantity - reserved) FROM stock") == 90


def test_a_job_will_mail_the_invoice(shop):
    receipt = checkout.buy(shop, 1, {NOVEL: 1})
    assert value("SELECT count(*) FROM jobs") == 1
    assert value("SELECT (payload ->> 'order')::integer FROM jobs WHERE id = 1") == receipt.number


def test_a_refused_order_leaves_nothing(shop):
    with pytest.raises(OutOfStockError):
        checkout.buy(shop, 1, {NOVEL: 1, KNIFE: 41})
    for table in ("orders", "order_lines", "payments", "jobs"):
        assert value(f"SELECT count(*) FROM {table}") == 0
    assert value("SELECT sum(reserved) FROM stock") == 0


def test_a_refused_order_costs_no_number(shop):
    with pytest.raises(OutOfStockError):
        checkout.buy(shop, 1, {NOVEL: 41})
    assert checkout.buy(shop, 1, {NOVEL: 1}).number == 1


def test_cancel(shop):
    receipt = checkout.buy(shop, 1, {NOVEL: 10})
    checkout.cancel(shop, receipt.number)
    assert value("SELECT status FROM orders WHERE number = 1") == "cancelled"
    assert value("SELECT sum(reserved) FROM stock") == 0


def test_cancel_twice(shop):
    checkout.buy(shop, 1, {NOVEL: 1})
    checkout.cancel(shop, 1)
    with pytest.raises(WrongStatusError):
        checkout.cancel(shop, 1)


def test_cancel_nothing(shop):
    with pytest.raises(LookupError, match="no order 1"):
        checkout.cancel(shop, 1)


def test_the_audit_log_has_the_whole_sale(shop):
    checkout.buy(shop, 1, {NOVEL: 1})
    assert value("SELECT count(*) FROM audit_log") == 3
    assert value("SELECT array_agg(table_name || ' ' || action ORDER BY id) FROM audit_log") == [
        "customers insert",
        "orders insert",
        "orders update",
    ]


@pytest.mark.parametrize("buyers", [2, 4])
def test_the_last_pieces_are_sold_once(shop, buyers):
    def attempt(_):
        try:
            return checkout.buy(shop, 1, {NOVEL: 15}).number
        except OutOfStockError:
            return None

    with ThreadPoolExecutor(buyers) as threads:
        numbers = list(threads.map(attempt, range(4)))
    assert sum(number is not None for number in numbers) == 2
    assert value("SELECT sum(reserved) FROM stock") == 30


def test_baskets_in_opposite_order_do_not_deadlock(shop):
    def attempt(basket):
        return checkout.buy(shop, 1, basket).number

    baskets = [{NOVEL: 1, KNIFE: 1}, {KNIFE: 1, NOVEL: 1}] * 6
    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(attempt, baskets))
    assert len(set(numbers)) == 12
    assert value("SELECT count(*) FROM order_lines") == 24


def test_accounts_of_the_real_registration(committed):
    with Session(committed) as session, session.begin():
        customers.register(session, email="eve@example.org", name="Eve", password="a long password")
    with Session(committed) as session:
        assert customers.log_in(session, "EVE@example.org", "a long password").id == 1
        assert session.scalar(text("SELECT count(*) FROM customers")) == 1
