"""Article numbers such as ``BOOK-000123-4``: a department, a number, a check digit."""

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"^([A-Z]{3,5})-(\d{6})-([\dX])$")


class InvalidSkuError(ValueError):
    """The text is not an article number of the shop."""


@dataclass(frozen=True)
class Sku:
    """A valid article number."""

    department: str
    number: int

    @property
    def check_digit(self) -> str:
        """Weighted sum modulo 11, as in ISBN-10."""
        letters = sum(ord(letter) - ord("A") + 1 for letter in self.department)
        digits = sum(
            weight * int(digit) for weight, digit in zip(range(7, 1, -1), f"{self.number:06d}", strict=True)
        )
        remainder = (letters + digits) % 11
        return "X" if remainder == 10 else str(remainder)

    def __str__(self) -> str:
        return f"{self.department}-{self.number:06d}-{self.check_digit}"


def parse_sku(text: str) -> Sku:
    """Read an article number as people type it. Raises InvalidSkuError."""
    match = _PATTERN.match(text.strip().upper().replace(" ", ""))
    if match is None:
        raise InvalidSkuError(f"{text!r} does not look like an article number")
    sku = Sku(match[1], int(match[2]))
    if sku.check_digit != match[3]:
        raise InvalidSkuError(f"{text!r} has a wrong check digit: {match[3]} instead of {sku.check_digit}")
    return sku
