"""Prices of a basket: volume discounts, vouchers, shipping."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from shop.money import Money

VOLUME_TIERS = ((100, Decimal(15)), (25, Decimal(10)), (10, Decimal(5)))
FREE_SHIPPING_FROM = Money(50_00)
SHIPPING_BY_WEIGHT = ((1_000, Money(3_90)), (5_000, Money(5_90)), (31_500, Money(12_90)))


class VoucherError(ValueError):
    """A voucher cannot be used; the message says why."""


class TooHeavyError(ValueError):
    """No parcel takes this weight."""


@dataclass(frozen=True)
class Line:
    """So many pieces of one product."""

    sku: str
    quantity: int
    unit_price: Money
    weight_grams: int = 0


@dataclass(frozen=True)
class Voucher:
    """A code that takes a percentage or a fixed amount off."""

    code: str
    valid_until: dt.date
    percent: Decimal | None = None
    amount: Money | None = None
    minimum: Money = Money(0)


def line_total(line: Line) -> Money:
    """The price of a line with its volume discount."""
    if line.quantity <= 0:
        raise ValueError(f"quantity must be positive, not {line.quantity}")
    full = line.unit_price * line.quantity
    for least, percent in VOLUME_TIERS:
        if line.quantity >= least:
            return full - full.percent(percent)
    return full


def subtotal(lines: Sequence[Line]) -> Money:
    """The sum of all lines."""
    return sum((line_total(line) for line in lines), Money(0))


def apply_voucher(amount: Money, voucher: Voucher, today: dt.date) -> Money:
    """The amount after the voucher, never below zero. Raises VoucherError."""
    if today > voucher.valid_until:
        raise VoucherError(f"{voucher.code} expired on {voucher.valid_until}")
    if amount < voucher.minimum:
        raise VoucherError(f"{voucher.code} needs a basket of at least {voucher.minimum}")
    off = amount.percent(voucher.percent) if voucher.percent is not None else voucher.amount or Money(0)
    return Money(0) if amount < off else amount - off


def shipping(lines: Sequence[Line], amount: Money) -> Money:
    """Free from a certain amount, else by weight. Raises TooHeavyError."""
    weight = sum(line.weight_grams * line.quantity for line in lines)
    if weight > SHIPPING_BY_WEIGHT[-1][0]:
        raise TooHeavyError(f"{weight} g is more than a parcel takes")
    if not amount < FREE_SHIPPING_FROM:
        return Money(0)
    return next(price for limit, price in SHIPPING_BY_WEIGHT if weight <= limit)
