"""The marketplace: sellers look at their payouts, and row-level security keeps them apart."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection


@contextmanager
def as_seller(connection: Connection, seller_id: int) -> Iterator[None]:
    """Run the block with a seller's rights; the rest of the transaction has the shop's again."""
    with connection.transaction():
        connection.execute("SELECT set_config('shop.seller_id', %s, true)", (str(seller_id),))
        connection.execute("SET LOCAL ROLE shop_seller")
        yield
        connection.execute("RESET ROLE")
        connection.execute("SELECT set_config('shop.seller_id', '', true)")


def pay_out(connection: Connection, seller_id: int, amount_cents: int, month: dt.date) -> int:
    """Record a payout; its id."""
    row = connection.execute(
        "INSERT INTO payouts (seller_id, amount_cents, month) VALUES (%s, %s, %s) RETURNING id",
        (seller_id, amount_cents, month),
    ).fetchone()
    return row["id"]


def payouts(connection: Connection) -> list[dict[str, Any]]:
    """All payouts that the current role may see, by month."""
    return connection.execute(
        "SELECT seller_id, amount_cents, month FROM payouts ORDER BY month, seller_id"
    ).fetchall()
