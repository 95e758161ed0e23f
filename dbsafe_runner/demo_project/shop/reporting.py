"""Figures for the management: sales by day and category from a materialised view, invoices."""

import datetime as dt
from dataclasses import dataclass

from psycopg import Connection

from shop.pdf import Invoice, invoice_text, render


@dataclass(frozen=True)
class Sales:
    """The sales of one category in a period."""

    category: str
    pieces: int
    revenue_cents: int


def refresh(connection: Connection, *, concurrently: bool = False) -> None:
    """Bring the figures up to date; concurrently lets readers read on."""
    connection.execute(f"REFRESH MATERIALIZED VIEW {'CONCURRENTLY ' if concurrently else ''}daily_sales")


def sales(connection: Connection, first: dt.date, last: dt.date) -> list[Sales]:
    """By category, best first, both days included."""
    rows = connection.execute(
        "SELECT category, sum(pieces)::integer AS pieces, sum(revenue_cents)::integer AS revenue_cents "
        "FROM daily_sales WHERE day BETWEEN %s AND %s GROUP BY category ORDER BY 3 DESC, 1",
        (first, last),
    )
    return [Sales(**row) for row in rows]


def running_total(connection: Connection) -> dict[dt.date, int]:
    """Revenue in cents from the first day up to each day."""
    rows = connection.execute(
        "SELECT day, sum(sum(revenue_cents)) OVER (ORDER BY day)::bigint AS total "
        "FROM daily_sales GROUP BY day ORDER BY day"
    )
    return {row["day"]: row["total"] for row in rows}


def best_sellers(connection: Connection, limit: int = 5) -> list[tuple[str, int]]:
    """Article numbers with the most pieces sold, cancelled orders left out."""
    rows = connection.execute(
        """
        SELECT p.sku, sum(l.quantity)::integer AS pieces
        FROM order_lines l JOIN orders o ON o.id = l.order_id JOIN products p ON p.id = l.product_id
        WHERE o.status <> 'cancelled' GROUP BY p.sku ORDER BY pieces DESC, p.sku LIMIT %s
        """,
        (limit,),
    )
    return [(row["sku"], row["pieces"]) for row in rows]


def issue_invoice(connection: Connection, order_number: int, invoice: Invoice) -> int:
    """Store an invoice under the next number; the number."""
    row = connection.execute("SELECT nextval('invoice_number_seq') AS number").fetchone()
    number = row["number"]
    numbered = Invoice(number, invoice.buyer, invoice.lines, invoice.price)
    connection.execute(
        "INSERT INTO invoices (number, order_number, pdf) VALUES (%s, %s, %s)",
        (number, order_number, render(invoice_text(numbered))),
    )
    return number
