"""Article numbers."""

import pytest

from shop.sku import InvalidSkuError, Sku, parse_sku


@pytest.mark.parametrize(
    "text", ["NOVEL-000101-8", "novel-000101-8", " NOVEL-000101-8\n", "NOVEL - 000101 - 8"]
)
def test_parse_as_people_type(text):
    assert parse_sku(text) == Sku("NOVEL", 101)


def test_check_digit_ten_is_an_x():
    assert str(Sku("NOVEL", 102)) == "NOVEL-000102-X"
    assert parse_sku("novel-000102-x").number == 102


@pytest.mark.parametrize(
    "text", ["", "NOVEL", "NOVEL-101-8", "NO-000101-8", "NOVELS-000101-8", "N0VEL-000101-8"]
)
def test_wrong_shape(text):
    with pytest.raises(InvalidSkuError, match="does not look like"):
        parse_sku(text)


def test_wrong_check_digit_names_the_right_one():
    with pytest.raises(InvalidSkuError, match="3 instead of 8"):
        parse_sku("NOVEL-000101-3")


def test_every_single_wrong_digit_is_found():
    right = str(Sku("PEN", 123456))
    for position in range(4, 10):
        for digit in "0123456789":
            wrong = right[:position] + digit + right[position + 1 :]
            if wrong != right:
                with pytest.raises(InvalidSkuError):
                    parse_sku(wrong)


def test_round_trip():
    for number in range(0, 1_000_000, 9973):
        sku = Sku("TOOL", number)
        assert parse_sku(str(sku)) == sku
