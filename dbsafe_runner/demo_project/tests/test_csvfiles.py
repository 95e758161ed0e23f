"""Suppliers' price lists as text."""

import pytest

from shop.csvfiles import BadHeaderError, Complaint, Offer, parse_offers
from shop.money import Money

HEADER = "sku,supplier,price,available\n"


def test_one_line():
    offers, complaints = parse_offers(HEADER + "NOVEL-000101-8,Northwind,7.95,40\n")
    assert offers == [Offer("NOVEL-000101-8", "Northwind", Money(7_95), 40)]
    assert complaints == []


def test_semicolons_and_decimal_commas():
    offers, _ = parse_offers("sku;supplier;price;available\nNOVEL-000101-8;Northwind;1.234,50;3\n")
    assert offers[0].price == Money(1_234_50)


def test_byte_order_mark_and_further_columns():
    text = "\ufeffsku,supplier,remark,price,available\nNOVEL-000101-8,Northwind,new,7.95,40\n"
    offers, complaints = parse_offers(text)
    assert len(offers) == 1
    assert not complaints


def test_quoted_cells():
    offers, _ = parse_offers(HEADER + '"NOVEL-000101-8","North, Wind & Co","1,234.50",7\n')
    assert (offers[0].supplier, offers[0].price) == ("North, Wind & Co", Money(1_234_50))


def test_empty_list():
    assert parse_offers(HEADER) == ([], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("NOVEL-000101-3,Northwind,7.95,40", "wrong check digit"),
        ("garbage,Northwind,7.95,40", "does not look like"),
        ("NOVEL-000101-8, ,7.95,40", "supplier is empty"),
        ("NOVEL-000101-8,Northwind,cheap,40", "not an amount of money"),
        ("NOVEL-000101-8,Northwind,7.95,-1", "available is negative"),
        ("NOVEL-000101-8,Northwind,7.95,many", "invalid literal"),
    ],
)
def test_complaints(line, reason):
    offers, complaints = parse_offers(HEADER + line + "\n")
    assert offers == []
    assert len(complaints) == 1
    assert reason in complaints[0].reason


def test_bad_lines_do_not_spoil_good_ones():
    text = HEADER + "NOVEL-000101-8,Northwind,7.95,40\nbad,Northwind,1,1\nNOVEL-000103-1,Northwind,8.10,2\n"
    offers, complaints = parse_offers(text)
    assert [offer.sku for offer in offers] == ["NOVEL-000101-8", "NOVEL-000103-1"]
    assert complaints == [Complaint(3, "'bad' does not look like an article number")]


@pytest.mark.parametrize("header", ["", "sku,supplier,price", "a,b,c,d"])
def test_missing_columns(header):
    with pytest.raises(BadHeaderError, match="missing columns: .*available"):
        parse_offers(header + "\n")
