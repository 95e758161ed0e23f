"""Page views in monthly partitions, and carts that may be lost in a crash (an unlogged table)."""

import datetime as dt
import uuid
from collections.abc import Iterable

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

View = tuple[dt.datetime, str, uuid.UUID]


def record_views(connection: Connection, views: Iterable[View]) -> int:
    """Store views by COPY; how many."""
    with connection.cursor() as cursor:
        with cursor.copy("COPY page_views (seen_at, path, visitor) FROM STDIN") as copy:
            for view in views:
                copy.write_row(view)
        return cursor.rowcount


def visitors_per_day(connection: Connection) -> dict[dt.date, int]:
    """Different visitors by day."""
    rows = connection.execute(
        "SELECT (seen_at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT visitor) AS n "
        "FROM page_views GROUP BY 1 ORDER BY 1"
    )
    return {row["day"]: row["n"] for row in rows}


def add_partition(connection: Connection, month: dt.date) -> str:
    """Make the partition of a month; its name."""
    following = (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    name = f"page_views_{month:%Y_%m}"
    connection.execute(
        sql.SQL("CREATE TABLE {} PARTITION OF page_views FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(name), sql.Literal(f"{month} 00:00+00"), sql.Literal(f"{following} 00:00+00")
        )
    )
    return name


def drop_partition(connection: Connection, name: str) -> None:
    """Throw a month away at once, without deleting row by row."""
    connection.execute(sql.SQL("ALTER TABLE page_views DETACH PARTITION {}").format(sql.Identifier(name)))
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def new_cart(connection: Connection) -> uuid.UUID:
    """An empty cart."""
    return connection.execute("INSERT INTO carts DEFAULT VALUES RETURNING token").fetchone()["token"]


def put_in_cart(connection: Connection, token: uuid.UUID, sku: str, quantity: int) -> dict[str, int]:
    """Set the quantity of a product, zero removes it; the cart. Raises LookupError."""
    row = connection.execute(
        "UPDATE carts SET touched_at = clock_timestamp(), "
        "lines = CASE WHEN %(n)s = 0 THEN lines - %(sku)s ELSE lines || %(line)s END "
        "WHERE token = %(token)s RETURNING lines",
        {"n": quantity, "sku": sku, "line": Jsonb({sku: quantity}), "token": token},
    ).fetchone()
    if row is None:
        raise LookupError(f"no cart {token}")
    return row["lines"]
