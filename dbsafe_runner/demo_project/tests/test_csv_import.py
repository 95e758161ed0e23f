"""Suppliers' price lists, loaded with COPY. The offers of each test stay until the next one begins."""

import csv
import io

import pytest

from shop import db
from shop.csvfiles import BadHeaderError
from shop.imports import best_offers, export_offers, import_offers
from shop.sku import Sku

HEADER = "sku,supplier,price,available\n"
NOVEL = "NOVEL-000101-8"


@pytest.fixture
def offers():
    """A connection to an empty table of offers; every import commits."""
    with db.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM supplier_offers")
        yield connection


@pytest.fixture(scope="module")
def large_list():
    """A price list of 12,000 lines: 3,000 articles from four suppliers, and some rubbish."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["sku", "supplier", "price", "available"])
    for number in range(3_000):
        for index, supplier in enumerate(("North", "East", "South", "West")):
            price = 500 + (number * 7 + index * 131) % 900
            writer.writerow([Sku("BULK", number), supplier, f"{price // 100}.{price % 100:02d}", number % 50])
        if number % 500 == 0:
            writer.writerow([f"BULK-{number}", "North", "1.00", 1])
    return text.getvalue()


def count(connection):
    return connection.execute("SELECT count(*) AS n FROM supplier_offers").fetchone()["n"]


def test_import(offers):
    result = import_offers(offers, HEADER + f"{NOVEL},Northwind,7.95,40\n")
    assert (result.inserted, result.updated, result.unchanged, result.complaints) == (1, 0, 0, ())
    row = offers.execute("SELECT * FROM supplier_offers").fetchone()
    assert row == {"sku": NOVEL, "supplier": "Northwind", "price_cents": 795, "available": 40}


def test_second_import_updates(offers):
    import_offers(offers, HEADER + f"{NOVEL},Northwind,7.95,40\n{NOVEL},Southwind,8.95,1\n")
    result = import_offers(offers, HEADER + f"{NOVEL},Northwind,7.50,40\n{NOVEL},Southwind,8.95,1\n")
    assert (result.inserted, result.updated, result.unchanged) == (0, 1, 1)
    assert count(offers) == 2


def test_the_last_line_of_an_article_wins(offers):
    import_offers(offers, HEADER + f"{NOVEL},Northwind,7.95,40\n{NOVEL},Northwind,6.00,2\n")
    assert offers.execute("SELECT price_cents FROM supplier_offers").fetchall() == [{"price_cents": 600}]


def test_complaints_do_not_stop_the_rest(offers):
    result = import_offers(offers, HEADER + f"rubbish,Northwind,1,1\n{NOVEL},Northwind,7.95,40\n")
    assert result.inserted == 1
    assert [complaint.line for complaint in result.complaints] == [2]


def test_bad_header_changes_nothing(offers):
    import_offers(offers, HEADER + f"{NOVEL},Northwind,7.95,40\n")
    with pytest.raises(BadHeaderError):
        import_offers(offers, "a,b\n1,2\n")
    assert count(offers) == 1


def test_another_connection_sees_the_offers(offers):
    import_offers(offers, HEADER + f"{NOVEL},Northwind,7.95,40\n")
    with db.connect() as other:
        assert count(other) == 1


def test_nothing_temporary_is_left(offers):
    import_offers(offers, HEADER)
    assert offers.execute("SELECT to_regclass('pg_temp.incoming') AS name").fetchone()["name"] is None


def test_best_offers_have_pieces(offers):
    import_offers(
        offers, HEADER + f"{NOVEL},Cheap,1.00,0\n{NOVEL},Northwind,7.95,40\n{NOVEL},Southwind,8.95,1\n"
    )
    assert best_offers(offers) == {NOVEL: "Northwind"}


def test_export(offers):
    import_offers(offers, HEADER + f"{NOVEL},Southwind,8.95,1\n{NOVEL},Northwind,7.95,40\n")
    assert export_offers(offers).decode().splitlines() == [
        "sku,supplier,price_cents,available",
        f"{NOVEL},Northwind,795,40",
        f"{NOVEL},Southwind,895,1",
    ]


def test_large_list(offers, large_list):
    result = import_offers(offers, large_list)
    assert (result.inserted, result.updated, len(result.complaints)) == (12_000, 0, 6)
    assert count(offers) == 12_000


def test_large_list_twice(offers, large_list):
    import_offers(offers, large_list)
    result = import_offers(offers, large_list)
    assert (result.inserted, result.updated, result.unchanged) == (0, 0, 12_000)


def test_large_list_has_a_best_offer_for_every_article_in_stock(offers, large_list):
    import_offers(offers, large_list)
    assert len(best_offers(offers)) == 3_000 - 60


def test_large_export_is_what_was_imported(offers, large_list):
    import_offers(offers, large_list)
    rows = list(csv.DictReader(io.StringIO(export_offers(offers).decode())))
    assert len(rows) == 12_000
    assert rows[0]["sku"] == str(Sku("BULK", 0))
