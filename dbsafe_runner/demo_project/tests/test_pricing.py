"""Prices of baskets."""

import datetime as dt
from decimal import Decimal

import pytest

from shop.money import Money
from shop.pricing import (
    Line,
    TooHeavyError,
    Voucher,
    VoucherError,
    apply_voucher,
    line_total,
    shipping,
    subtotal,
)

TODAY = dt.date(2026, 3, 14)


def pencils(quantity, weight=10):
    return Line("PEN-000168-7", quantity, Money(1_00), weight)


@pytest.mark.parametrize(
    ("quantity", "cents"),
    [(1, 1_00), (9, 9_00), (10, 9_50), (24, 22_80), (25, 22_50), (99, 89_10), (100, 85_00), (1000, 850_00)],
)
def test_volume_discount(quantity, cents):
    assert line_total(pencils(quantity)) == Money(cents)


@pytest.mark.parametrize("quantity", [0, -1])
def test_quantity_must_be_positive(quantity):
    with pytest.raises(ValueError, match="must be positive"):
        line_total(pencils(quantity))


def test_subtotal_discounts_each_line_by_itself():
    assert subtotal([pencils(5), pencils(5)]) == Money(10_00)
    assert subtotal([pencils(10)]) == Money(9_50)
    assert subtotal([]) == Money(0)


class TestVouchers:
    """Codes that make a basket cheaper."""

    def voucher(self, **fields):
        return Voucher("SPRING", valid_until=TODAY, **fields)

    def test_percentage(self):
        assert apply_voucher(Money(80_00), self.voucher(percent=Decimal(25)), TODAY) == Money(60_00)

    def test_amount(self):
        assert apply_voucher(Money(80_00), self.voucher(amount=Money(15_00)), TODAY) == Money(65_00)

    def test_never_below_zero(self):
        assert apply_voucher(Money(10_00), self.voucher(amount=Money(15_00)), TODAY) == Money(0)

    def test_valid_on_its_last_day_only(self):
        voucher = self.voucher(amount=Money(5_00))
        with pytest.raises(VoucherError, match="expired on 2026-03-14"):
            apply_voucher(Money(10_00), voucher, TODAY + dt.timedelta(days=1))

    def test_minimum_basket(self):
        voucher = self.voucher(percent=Decimal(10), minimum=Money(50_00))
        assert apply_voucher(Money(50_00), voucher, TODAY) == Money(45_00)
        with pytest.raises(VoucherError, match="at least €50.00"):
            apply_voucher(Money(49_99), voucher, TODAY)


@pytest.mark.parametrize(
    ("grams", "amount", "cents"),
    [
        (1_000, 10_00, 3_90),
        (1_001, 10_00, 5_90),
        (31_500, 10_00, 12_90),
        (31_500, 50_00, 0),
        (1, 49_99, 3_90),
    ],
)
def test_shipping(grams, amount, cents):
    assert shipping([pencils(1, weight=grams)], Money(amount)) == Money(cents)


def test_too_heavy_even_when_shipping_is_free():
    with pytest.raises(TooHeavyError, match="31501 g"):
        shipping([pencils(1, weight=31_501)], Money(100_00))
