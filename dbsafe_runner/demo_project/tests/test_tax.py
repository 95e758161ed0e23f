"""Value added tax."""

from decimal import Decimal

import pytest

from shop.money import Money
from shop.tax import Buyer, UnknownRateError, applicable_rate, from_gross, from_net

RATES = {
    ("DE", "standard"): Decimal(19),
    ("DE", "reduced"): Decimal(7),
    ("FR", "reduced"): Decimal("5.5"),
    ("FI", "standard"): Decimal("25.5"),
}


class TestApplicableRate:
    """Which rate a sale is taxed with."""

    def test_at_home(self):
        assert applicable_rate(Buyer("DE", in_eu=True), "reduced", RATES) == 7

    def test_private_buyer_elsewhere_in_the_eu_pays_his_own_rate(self):
        assert applicable_rate(Buyer("FR", in_eu=True), "reduced", RATES) == Decimal("5.5")

    def test_company_elsewhere_in_the_eu_pays_none(self):
        assert applicable_rate(Buyer("FR", in_eu=True, vat_id="FR123"), "reduced", RATES) == 0

    def test_company_at_home_pays(self):
        assert applicable_rate(Buyer("DE", in_eu=True, vat_id="DE123"), "standard", RATES) == 19

    def test_exports_are_free(self):
        assert applicable_rate(Buyer("CH", in_eu=False), "standard", RATES) == 0

    def test_unknown_rate(self):
        with pytest.raises(UnknownRateError, match="no standard rate for FR"):
            applicable_rate(Buyer("FR", in_eu=True), "standard", RATES)


@pytest.mark.parametrize(
    ("gross", "rate", "net", "tax"),
    [
        (11900, "19", 10000, 1900),
        (10700, "7", 10000, 700),
        (100, "19", 84, 16),
        (1, "19", 1, 0),
        (999, "25.5", 796, 203),
        (5000, "0", 5000, 0),
    ],
)
def test_from_gross(gross, rate, net, tax):
    price = from_gross(Money(gross), Decimal(rate))
    assert (price.net, price.tax) == (Money(net), Money(tax))


@pytest.mark.parametrize("rate", ["0", "5.5", "7", "19", "25.5"])
def test_net_and_tax_always_add_up(rate):
    for cents in range(1, 500):
        assert from_gross(Money(cents), Decimal(rate)).gross == Money(cents)


def test_from_net():
    assert from_net(Money(10000), Decimal(19)).gross == Money(11900)
