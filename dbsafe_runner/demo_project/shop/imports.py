"""Suppliers' price lists into the database: COPY into a temporary table, then one merge."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from shop.csvfiles import Complaint, Offer, parse_offers


@dataclass(frozen=True)
class ImportResult:
    """What an import did."""

    inserted: int
    updated: int
    unchanged: int
    complaints: tuple[Complaint, ...]


def import_offers(connection: Connection, text: str) -> ImportResult:
    """Load a price list in one transaction. Raises BadHeaderError."""
    offers, complaints = parse_offers(text)
    with connection.transaction():
        inserted, updated = _merge(connection, offers)
    distinct = len({(offer.sku, offer.supplier) for offer in offers})
    return ImportResult(inserted, updated, distinct - inserted - updated, tuple(complaints))


def _merge(connection: Connection, offers: Sequence[Offer]) -> tuple[int, int]:
    connection.execute(
        "CREATE TEMPORARY TABLE incoming (line integer, sku text, supplier text, price_cents integer, "
        "available integer)"
    )
    with connection.cursor().copy("COPY incoming FROM STDIN") as copy:
        for line, offer in enumerate(offers):
            copy.write_row((line, offer.sku, offer.supplier, offer.price.cents, offer.available))
    rows = connection.execute(
        """
        INSERT INTO supplier_offers AS o (sku, supplier, price_cents, available)
        SELECT DISTINCT ON (sku, supplier) sku, supplier, price_cents, available
        FROM incoming ORDER BY sku, supplier, line DESC
        ON CONFLICT (sku, supplier) DO UPDATE
        SET price_cents = excluded.price_cents, available = excluded.available
        WHERE (o.price_cents, o.available) IS DISTINCT FROM (excluded.price_cents, excluded.available)
        RETURNING xmax = 0 AS inserted
        """
    ).fetchall()
    inserted = sum(row["inserted"] for row in rows)
    # Two imports may run in one outer transaction, so the end of it is too late.
    connection.execute("DROP TABLE incoming")
    return inserted, len(rows) - inserted


def export_offers(connection: Connection) -> bytes:
    """All offers as CSV, best price first within an article number."""
    query = (
        "COPY (SELECT sku, supplier, price_cents, available FROM supplier_offers "
        "ORDER BY sku, price_cents, supplier) TO STDOUT WITH (FORMAT csv, HEADER)"
    )
    with connection.cursor().copy(query) as copy:
        return b"".join(bytes(part) for part in copy)


def best_offers(connection: Connection) -> dict[str, str]:
    """For every article number the supplier that has pieces and asks least."""
    rows = connection.execute(
        "SELECT DISTINCT ON (sku) sku, supplier FROM supplier_offers WHERE available > 0 "
        "ORDER BY sku, price_cents, supplier"
    )
    return {row["sku"]: row["supplier"] for row in rows}
