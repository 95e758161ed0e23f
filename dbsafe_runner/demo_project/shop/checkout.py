"""The checkout as the web site calls it: whole transactions that commit, retried when they collide."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from shop import orders
from shop.models import Customer
from shop.money import Money
from shop.retry import with_retries


@dataclass(frozen=True)
class Receipt:
    """What the customer is told."""

    number: int
    total: Money


def buy(engine: Engine, customer_id: int, basket: Mapping[str, int], method: str = "card") -> Receipt:
    """Order and pay in one transaction, and leave a job that mails the invoice. Raises what place raises."""

    def attempt() -> Receipt:
        with Session(engine) as session, session.begin():
            customer = session.scalars(select(Customer).where(Customer.id == customer_id)).one()
            order = orders.place(session, customer, basket)
            total = Money(order.total_cents)
            orders.pay(session, order, total, method)
            session.execute(
                text(
                    "INSERT INTO jobs (kind, payload) "
                    "VALUES ('mail_invoice', jsonb_build_object('order', CAST(:n AS integer)))"
                ),
                {"n": order.number},
            )
            return Receipt(order.number, total)

    return with_retries(attempt)


def cancel(engine: Engine, number: int) -> None:
    """Cancel an order and commit. Raises LookupError, WrongStatusError."""
    with Session(engine) as session, session.begin():
        order = orders.by_number(session, number)
        if order is None:
            raise LookupError(f"no order {number}")
        orders.cancel(session, order)
