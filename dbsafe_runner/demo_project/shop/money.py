"""Amounts of money: whole cents, never floats."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "CHF": "CHF "}
_AMOUNT = re.compile(r"^(?P<sign>-?)(?P<units>\d{1,3}(?:[.,' ]?\d{3})*)(?:[.,](?P<cents>\d{2}))?$")


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies were added or compared."""


@dataclass(frozen=True, order=False)
class Money:
    """A number of cents in a currency."""

    cents: int
    currency: str = "EUR"

    @classmethod
    def parse(cls, text: str, currency: str = "EUR") -> "Money":
        """Read ``1'234.50``, ``1.234,50`` or ``12``; raises ValueError for anything else."""
        match = _AMOUNT.match(text.strip())
        if match is None:
            raise ValueError(f"not an amount of money: {text!r}")
        units = int(re.sub(r"\D", "", match["units"]))
        cents = units * 100 + int(match["cents"] or 0)
        return cls(-cents if match["sign"] else cents, currency)

    def __add__(self, other: "Money") -> "Money":
        self._check(other)
        return Money(self.cents + other.cents, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._check(other)
        return Money(self.cents - other.cents, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.cents * quantity, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._check(other)
        return self.cents < other.cents

    def percent(self, rate: Decimal) -> "Money":
        """This share of the amount, rounded half up to a cent."""
        exact = Decimal(self.cents) * rate / 100
        return Money(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)), self.currency)

    def allocate(self, weights: list[int]) -> list["Money"]:
        """Split without losing a cent; what is left over goes to the first parts."""
        total = sum(weights)
        if total <= 0:
            raise ValueError("weights must add up to more than zero")
        parts = [self.cents * weight // total for weight in weights]
        for index in range(self.cents - sum(parts)):
            parts[index % len(parts)] += 1
        return [Money(part, self.currency) for part in parts]

    def _check(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency}")

    def __str__(self) -> str:
        sign = "-" if self.cents < 0 else ""
        units, cents = divmod(abs(self.cents), 100)
        symbol = _SYMBOLS.get(self.currency, self.currency + " ")
        return f"{sign}{symbol}{units:,}.{cents:02d}"
