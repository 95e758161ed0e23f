"""Invoices as PDF: one column of text on A4 pages, written by hand, no library."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from shop.pricing import Line, line_total, subtotal
from shop.tax import TaxedPrice

LINES_PER_PAGE = 48


@dataclass(frozen=True)
class Invoice:
    """What an invoice shows."""

    number: int
    buyer: str
    lines: tuple[Line, ...]
    price: TaxedPrice


def invoice_text(invoice: Invoice) -> list[str]:
    """The invoice as lines of text."""
    rows = [f"Invoice {invoice.number:06d}", invoice.buyer, ""]
    rows += [f"{line.quantity:>5} x {line.sku:<16}{line_total(line)!s:>14}" for line in invoice.lines]
    rows += ["", f"{'Sum':<24}{subtotal(invoice.lines)!s:>14}"]
    rows += [f"{f'of which VAT {invoice.price.rate} %':<24}{invoice.price.tax!s:>14}"]
    return rows


def render(rows: Sequence[str]) -> bytes:
    """A PDF file with these lines of text, as many pages as it takes."""
    pages = [rows[start : start + LINES_PER_PAGE] for start in range(0, max(len(rows), 1), LINES_PER_PAGE)]
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    ]
    for index, page in enumerate(pages):
        objects.append(_page_object(content=5 + 2 * index))
        objects.append(_stream(page))
    return _file(objects)


def _page_object(content: int) -> bytes:
    return (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R "
        "/Resources << /Font << /F1 3 0 R >> >> >>"
    ).encode()


def _stream(rows: Sequence[str]) -> bytes:
    shown = "".join(f"({_escape(row)}) Tj T*\n" for row in rows)
    data = zlib.compress(f"BT /F1 10 Tf 14 TL 50 790 Td\n{shown}ET".encode("cp1252", "replace"))
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(data), data)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _file(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
