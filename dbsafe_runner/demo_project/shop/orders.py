"""Orders: placing, paying, shipping, cancelling. Nothing here commits."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop import catalogue, inventory
from shop.models import Customer, Order, OrderLine, Payment, Product
from shop.money import Money
from shop.pricing import Line, line_total, shipping, subtotal
from shop.tax import Buyer, applicable_rate, from_gross


class EmptyBasketError(ValueError):
    """There is nothing to order."""


class WrongStatusError(ValueError):
    """The order is not in a state that allows this."""


class WrongAmountError(ValueError):
    """The payment is not what the order costs."""


def place(session: Session, customer: Customer, basket: Mapping[str, int], note: str = "") -> Order:
    """A new order, its stock reserved. Raises EmptyBasketError, ProductNotFoundError, OutOfStockError."""
    if not basket:
        raise EmptyBasketError("the basket is empty")
    # Always in the same order, so that two orders that want the same products cannot deadlock.
    products = [catalogue.by_sku(session, sku) for sku in sorted(basket)]
    lines = [Line(p.sku, basket[p.sku], p.price, p.weight_grams) for p in products]
    goods = subtotal(lines)
    for product, line in zip(products, lines, strict=True):
        inventory.reserve(session, product, line.quantity)
    order = Order(
        customer_id=customer.id,
        total_cents=(goods + shipping(lines, goods)).cents,
        tax_cents=_tax(session, customer, products, lines).cents,
        delivery_note=note,
        lines=[
            OrderLine(position=position, product=p, quantity=basket[p.sku], unit_price_cents=p.price_cents)
            for position, p in enumerate(products, start=1)
        ],
    )
    session.add(order)
    session.flush()
    return order


def _tax(session: Session, customer: Customer, products: list[Product], lines: list[Line]) -> Money:
    country = customer.country
    buyer = Buyer(country.code, country.in_eu, customer.vat_id)
    rates = catalogue.tax_rates(session)
    parts = [
        from_gross(line_total(line), applicable_rate(buyer, product.tax_class, rates)).tax
        for product, line in zip(products, lines, strict=True)
    ]
    return sum(parts, Money(0))


def by_number(session: Session, number: int) -> Order | None:
    """The order with this number."""
    return session.scalar(select(Order).where(Order.number == number))


def pay(session: Session, order: Order, amount: Money, method: str = "card") -> Payment:
    """Raises WrongStatusError, WrongAmountError."""
    _require(order, "placed")
    if amount.cents != order.total_cents:
        raise WrongAmountError(f"{amount} instead of {Money(order.total_cents)}")
    payment = Payment(order=order, amount_cents=amount.cents, method=method)
    order.status = "paid"
    session.add(payment)
    session.flush()
    return payment


def ship(session: Session, order: Order) -> None:
    """Take the reserved pieces out of stock. Raises WrongStatusError."""
    _require(order, "paid")
    for line in order.lines:
        inventory.take(session, line.product, line.quantity, reason=f"order {order.number}")
    order.status = "shipped"
    session.flush()


def cancel(session: Session, order: Order) -> None:
    """Give the reserved pieces back. Raises WrongStatusError."""
    _require(order, "placed", "paid")
    for line in order.lines:
        inventory.release(session, line.product, line.quantity)
    order.status = "cancelled"
    session.flush()


def _require(order: Order, *statuses: str) -> None:
    if order.status not in statuses:
        raise WrongStatusError(f"order {order.number} is {order.status}")
