"""Suppliers' price lists: CSV text in, offers and complaints out."""

import csv
import io
from dataclasses import dataclass

from shop.money import Money
from shop.sku import InvalidSkuError, parse_sku

COLUMNS = ("sku", "supplier", "price", "available")


class BadHeaderError(ValueError):
    """The file does not have the columns of a price list."""


@dataclass(frozen=True)
class Offer:
    """One valid line of a price list."""

    sku: str
    supplier: str
    price: Money
    available: int


@dataclass(frozen=True)
class Complaint:
    """One line that was left out, and why."""

    line: int
    reason: str


def parse_offers(text: str) -> tuple[list[Offer], list[Complaint]]:
    """Read a price list with commas or semicolons. Raises BadHeaderError."""
    text = text.lstrip("\N{BYTE ORDER MARK}")
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise BadHeaderError(f"missing columns: {', '.join(missing)}")
    offers: list[Offer] = []
    complaints: list[Complaint] = []
    for row in reader:
        try:
            offers.append(_offer(row))
        except (InvalidSkuError, ValueError) as error:
            complaints.append(Complaint(reader.line_num, str(error)))
    return offers, complaints


def _offer(row: dict[str, str]) -> Offer:
    supplier = (row["supplier"] or "").strip()
    if not supplier:
        raise ValueError("supplier is empty")
    available = int(row["available"])
    if available < 0:
        raise ValueError(f"available is negative: {available}")
    return Offer(str(parse_sku(row["sku"])), supplier, Money.parse(row["price"]), available)
