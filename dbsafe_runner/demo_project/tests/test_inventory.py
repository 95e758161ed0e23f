"""Stock, in sessions that are rolled back."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from shop import catalogue, inventory
from shop.inventory import OutOfStockError
from shop.models import Stock


def quantities(session, product):
    rows = session.scalars(select(Stock).where(Stock.product_id == product.id).order_by(Stock.warehouse_id))
    return [(stock.warehouse.code, stock.quantity, stock.reserved) for stock in rows]


@pytest.fixture
def knife(session):
    return catalogue.by_sku(session, "KNIFE-000125-X")


def test_nothing_in_stock_at_first(session, knife):
    assert inventory.available(session, knife) == 0
    assert quantities(session, knife) == []


def test_receive_adds_up(session, knife):
    inventory.receive(session, knife, 5)
    inventory.receive(session, knife, 7)
    assert quantities(session, knife) == [("BER", 12, 0)]


def test_reserve_from_the_fullest_warehouse_first(session, stocked):
    inventory.reserve(session, stocked, 10)
    assert quantities(session, stocked) == [("BER", 50, 10), ("LYS", 20, 0)]


def test_reserve_spills_over(session, stocked):
    inventory.reserve(session, stocked, 60)
    assert quantities(session, stocked) == [("BER", 50, 50), ("LYS", 20, 10)]


def test_reserve_too_much(session, stocked):
    with pytest.raises(OutOfStockError, match="71 wanted, 70 available"):
        inventory.reserve(session, stocked, 71)


def test_release(session, stocked):
    inventory.reserve(session, stocked, 60)
    inventory.release(session, stocked, 55)
    assert inventory.available(session, stocked) == 65


def test_take_leaves_a_movement(session, stocked):
    inventory.reserve(session, stocked, 3)
    inventory.take(session, stocked, 3, reason="order 1")
    rows = session.execute(text("SELECT change, reason FROM stock_movements ORDER BY id")).all()
    assert rows == [(50, "received"), (20, "received"), (-3, "order 1")]


@pytest.mark.parametrize("quantity", [1, 19, 20])
def test_transfer(session, stocked, quantity):
    inventory.transfer(session, stocked, quantity, "LYS", "GDN")
    assert quantities(session, stocked) == [("BER", 50, 0), ("LYS", 20 - quantity, 0), ("GDN", quantity, 0)]


def test_transfer_leaves_promised_pieces(session, stocked):
    inventory.reserve(session, stocked, 45)
    with pytest.raises(OutOfStockError, match="fewer than 6 in BER"):
        inventory.transfer(session, stocked, 6, "BER", "GDN")


def test_transfer_from_an_empty_warehouse(session, knife):
    with pytest.raises(OutOfStockError):
        inventory.transfer(session, knife, 1, "BER", "GDN")


@pytest.mark.parametrize("column", ["quantity", "reserved"])
def test_the_database_refuses_negative_stock(session, stocked, column):
    with pytest.raises(IntegrityError, match="violates check constraint"):
        session.execute(text(f"UPDATE stock SET {column} = -1"))


def test_movements_add_up_to_the_stock(session, stocked):
    inventory.reserve(session, stocked, 30)
    inventory.take(session, stocked, 30, reason="order 1")
    inventory.transfer(session, stocked, 5, "LYS", "BER")
    statement = text(
        """
        SELECT s.quantity, (SELECT sum(change) FROM stock_movements m
                            WHERE (m.warehouse_id, m.product_id) = (s.warehouse_id, s.product_id))
        FROM stock s
        """
    )
    for quantity, moved in session.execute(statement):
        assert quantity == moved
