"""Orders, in sessions that are rolled back."""

import pytest
from sqlalchemy import func, select, text

from shop import catalogue, customers, inventory, orders
from shop.catalogue import ProductNotFoundError
from shop.inventory import OutOfStockError
from shop.models import Order, OrderLine, Payment
from shop.money import Money
from shop.orders import EmptyBasketError, WrongAmountError, WrongStatusError

NOVEL = "NOVEL-000101-8"
OTHER = "NOVEL-000103-1"


@pytest.fixture
def order(session, customer, stocked):
    return orders.place(session, customer, {NOVEL: 2})


def test_place(session, customer, order):
    assert order.status == "placed"
    assert order.customer is customer
    assert order.total_cents == 2 * 1290 + 390
    assert [(line.product.sku, line.quantity) for line in order.lines] == [(NOVEL, 2)]


def test_tax_is_that_of_the_buyers_country(session, order):
    assert order.tax_cents == 169


def test_exports_are_free_of_tax(session, stocked, password_hash):
    swiss = customers.register(
        session, email="urs@example.ch", name="Urs", password="correct horse battery", country="CH"
    )
    assert orders.place(session, swiss, {NOVEL: 2}).tax_cents == 0


def test_placing_reserves_stock(session, stocked, order):
    assert inventory.available(session, stocked) == 68


def test_empty_basket(session, customer):
    with pytest.raises(EmptyBasketError):
        orders.place(session, customer, {})


def test_unknown_product(session, customer, stocked):
    with pytest.raises(ProductNotFoundError):
        orders.place(session, customer, {NOVEL: 1, "NOVEL-999999-3": 1})


def test_more_than_there_is(session, customer, stocked):
    with pytest.raises(OutOfStockError, match="71 wanted, 70 available"), session.begin_nested():
        orders.place(session, customer, {NOVEL: 71})
    assert session.scalar(select(func.count()).select_from(Order)) == 0
    assert inventory.available(session, stocked) == 70


def test_volume_discount_and_free_shipping(session, customer, stocked):
    order = orders.place(session, customer, {NOVEL: 10})
    assert order.total_cents == 12255


def test_price_of_the_day_is_kept(session, order, stocked):
    stocked.price_cents = 9999
    session.flush()
    assert session.scalar(select(OrderLine.unit_price_cents)) == 1290


def test_lines_are_numbered(session, customer, stocked):
    inventory.receive(session, catalogue.by_sku(session, OTHER), 5)
    order = orders.place(session, customer, {OTHER: 1, NOVEL: 1})
    assert [(line.position, line.product.sku) for line in order.lines] == [(1, NOVEL), (2, OTHER)]


def test_numbers_grow(session, customer, stocked):
    first, second = (orders.place(session, customer, {NOVEL: 1}) for _ in range(2))
    assert second.number == first.number + 1
    assert orders.by_number(session, second.number) is second


def test_by_number_of_nothing(session):
    assert orders.by_number(session, 987_654) is None


@pytest.mark.parametrize("method", ["card", "invoice", "transfer"])
def test_pay(session, order, method):
    payment = orders.pay(session, order, Money(order.total_cents), method)
    assert order.status == "paid"
    assert order.payment is payment
    assert payment.amount_cents == order.total_cents


@pytest.mark.parametrize("difference", [-1, 1])
def test_pay_another_amount(session, order, difference):
    with pytest.raises(WrongAmountError):
        orders.pay(session, order, Money(order.total_cents + difference))
    assert session.scalar(select(func.count()).select_from(Payment)) == 0


def test_pay_twice(session, order):
    orders.pay(session, order, Money(order.total_cents))
    with pytest.raises(WrongStatusError, match="is paid"):
        orders.pay(session, order, Money(order.total_cents))


def test_ship(session, order, stocked):
    orders.pay(session, order, Money(order.total_cents))
    orders.ship(session, order)
    assert order.status == "shipped"
    moved = session.scalar(text("SELECT sum(change) FROM stock_movements WHERE reason LIKE 'order %'"))
    assert moved == -2
    assert inventory.available(session, stocked) == 68


def test_ship_unpaid(session, order):
    with pytest.raises(WrongStatusError, match="is placed"):
        orders.ship(session, order)


@pytest.mark.parametrize("paid", [False, True])
def test_cancel_gives_stock_back(session, order, stocked, paid):
    if paid:
        orders.pay(session, order, Money(order.total_cents))
    orders.cancel(session, order)
    assert order.status == "cancelled"
    assert inventory.available(session, stocked) == 70


def test_cancel_shipped(session, order):
    orders.pay(session, order, Money(order.total_cents))
    orders.ship(session, order)
    with pytest.raises(WrongStatusError):
        orders.cancel(session, order)


def test_history_of_a_customer(session, customer, stocked):
    placed = [orders.place(session, customer, {NOVEL: n}) for n in (1, 2, 3)]
    session.expire_all()
    assert customer.orders == placed
