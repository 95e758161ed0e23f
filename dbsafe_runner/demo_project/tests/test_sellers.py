"""Sellers see their own payouts and nothing else: row-level security, in rolled-back transactions."""

import datetime as dt

import pytest
from psycopg import errors

from shop.sellers import as_seller, pay_out, payouts

JANUARY, FEBRUARY = dt.date(2026, 1, 1), dt.date(2026, 2, 1)


@pytest.fixture
def paid(connection):
    """Two payouts to seller 1, one to seller 2, none to seller 3."""
    pay_out(connection, 1, 100_00, JANUARY)
    pay_out(connection, 1, 120_00, FEBRUARY)
    pay_out(connection, 2, 999_00, JANUARY)
    return connection


@pytest.mark.parametrize(("seller", "amounts"), [(1, [100_00, 120_00]), (2, [999_00]), (3, [])])
def test_own_payouts_only(paid, seller, amounts):
    with as_seller(paid, seller):
        assert [row["amount_cents"] for row in payouts(paid)] == amounts


def test_the_shop_sees_all(paid):
    assert [row["seller_id"] for row in payouts(paid)] == [1, 2, 1]


def test_asking_for_another_seller_finds_nothing(paid):
    with as_seller(paid, 1):
        row = paid.execute("SELECT count(*) AS n FROM payouts WHERE seller_id = 2").fetchone()
    assert row["n"] == 0


def test_without_a_seller_nothing_is_seen(paid):
    paid.execute("SET LOCAL ROLE shop_seller")
    assert payouts(paid) == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO payouts (seller_id, amount_cents, month) VALUES (1, 1, '2026-03-01')",
        "UPDATE payouts SET amount_cents = 1",
        "DELETE FROM payouts",
        "SELECT * FROM customers",
        "TRUNCATE payouts",
    ],
)
def test_sellers_only_read(paid, statement):
    with pytest.raises(errors.InsufficientPrivilege), as_seller(paid, 1):
        paid.execute(statement)


def test_rights_end_with_the_block(paid):
    with as_seller(paid, 1):
        pass
    assert paid.execute("SELECT current_user AS me").fetchone()["me"] == "shop"
    assert len(payouts(paid)) == 3


def test_rights_end_with_an_error(paid):
    with pytest.raises(ZeroDivisionError), as_seller(paid, 1):
        raise ZeroDivisionError
    assert len(payouts(paid)) == 3


def test_one_payout_per_month(paid):
    with pytest.raises(errors.UniqueViolation):
        pay_out(paid, 1, 5_00, JANUARY)


def test_changing_seller_changes_the_view(paid):
    seen = []
    for seller in (1, 2, 1):
        with as_seller(paid, seller):
            seen.append(sum(row["amount_cents"] for row in payouts(paid)))
    assert seen == [220_00, 999_00, 220_00]
