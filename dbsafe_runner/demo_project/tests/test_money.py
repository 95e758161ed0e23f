"""Amounts of money."""

from decimal import Decimal

import pytest

from shop.money import CurrencyMismatchError, Money


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12", 12_00),
        ("0.99", 99),
        ("1,50", 1_50),
        ("1,234.50", 1_234_50),
        ("1.234,50", 1_234_50),
        ("1'234.50", 1_234_50),
        ("1234567.89", 1_234_567_89),
        ("-3.20", -3_20),
        ("  7.00 ", 7_00),
    ],
)
def test_parse(text, cents):
    assert Money.parse(text) == Money(cents)


@pytest.mark.parametrize("text", ["", "abc", "1.2", "12.345.6", "1,23,45", "--4", "€5", "1e3"])
def test_parse_refuses(text):
    with pytest.raises(ValueError, match="not an amount"):
        Money.parse(text)


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(0), "€0.00"),
        (Money(5), "€0.05"),
        (Money(1_234_567), "€12,345.67"),
        (Money(-250), "-€2.50"),
        (Money(100, "GBP"), "£1.00"),
        (Money(100, "CHF"), "CHF 1.00"),
        (Money(100, "SEK"), "SEK 1.00"),
    ],
)
def test_shown(money, shown):
    assert str(money) == shown


def test_sums_and_differences():
    assert Money(150) + Money(275) - Money(25) == Money(400)
    assert Money(199) * 3 == Money(597)


def test_currencies_do_not_mix():
    with pytest.raises(CurrencyMismatchError, match="EUR and USD"):
        Money(100) + Money(100, "USD")
    with pytest.raises(CurrencyMismatchError):
        assert Money(1) < Money(2, "GBP")


@pytest.mark.parametrize(
    ("cents", "rate", "expected"),
    [(1000, "19", 190), (999, "7", 70), (50, "1", 1), (49, "1", 0), (-1000, "5", -50), (1, "25.5", 0)],
)
def test_percent_rounds_half_up(cents, rate, expected):
    assert Money(cents).percent(Decimal(rate)) == Money(expected)


@pytest.mark.parametrize(
    ("cents", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (1000, [70, 20, 10], [700, 200, 100]),
        (1, [1, 1], [1, 0]),
        (0, [3, 4], [0, 0]),
        (101, [0, 1], [0, 101]),
    ],
)
def test_allocate_loses_nothing(cents, weights, parts):
    shares = Money(cents).allocate(weights)
    assert sum(share.cents for share in shares) == cents
    if 0 not in weights:
        assert [share.cents for share in shares] == parts


def test_allocate_needs_weights():
    with pytest.raises(ValueError, match="more than zero"):
        Money(100).allocate([0, 0])
