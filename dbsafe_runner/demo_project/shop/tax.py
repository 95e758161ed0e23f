"""Value added tax: which rate applies, and how a gross price is taken apart."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from shop.money import Money


class UnknownRateError(LookupError):
    """No rate is known for a country and tax class."""


@dataclass(frozen=True)
class Buyer:
    """What the tax of a sale depends on."""

    country: str
    in_eu: bool
    vat_id: str | None = None


@dataclass(frozen=True)
class TaxedPrice:
    """A gross price taken apart."""

    net: Money
    tax: Money
    rate: Decimal

    @property
    def gross(self) -> Money:
        """What the buyer pays."""
        return self.net + self.tax


def applicable_rate(
    buyer: Buyer, tax_class: str, rates: dict[tuple[str, str], Decimal], home: str = "DE"
) -> Decimal:
    """The rate in percent: none on exports and on reverse charge, else that of the buyer's country."""
    if not buyer.in_eu:
        return Decimal(0)
    if buyer.vat_id and buyer.country != home:
        return Decimal(0)
    try:
        return rates[buyer.country, tax_class]
    except KeyError:
        raise UnknownRateError(f"no {tax_class} rate for {buyer.country}") from None


def from_net(net: Money, rate: Decimal) -> TaxedPrice:
    """Add tax to a net price."""
    return TaxedPrice(net, net.percent(rate), rate)


def from_gross(gross: Money, rate: Decimal) -> TaxedPrice:
    """Take the tax out of a gross price; net and tax always add up to it."""
    exact = Decimal(gross.cents) * 100 / (100 + rate)
    net = Money(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)), gross.currency)
    return TaxedPrice(net, gross - net, rate)
