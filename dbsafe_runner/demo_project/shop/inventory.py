"""Stock: pieces come in, are promised, go out, move between warehouses. Nothing here commits."""

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from shop.models import Product, Stock, Warehouse


class OutOfStockError(ValueError):
    """Not enough pieces are left."""


_MOVEMENT = text(
    "INSERT INTO stock_movements (warehouse_id, product_id, change, reason) "
    "VALUES (:warehouse, :product, :change, :reason)"
)


def receive(session: Session, product: Product, quantity: int, warehouse: str = "BER") -> Stock:
    """Pieces arrive in a warehouse."""
    place = session.scalars(select(Warehouse).where(Warehouse.code == warehouse)).one()
    stock = session.get(Stock, (place.id, product.id))
    if stock is None:
        session.execute(insert(Stock).values(warehouse_id=place.id, product_id=product.id))
        stock = session.get_one(Stock, (place.id, product.id))
    stock.quantity += quantity
    _move(session, stock, quantity, "received")
    return stock


def available(session: Session, product: Product) -> int:
    """Pieces that can still be sold, in all warehouses."""
    total = select(func.coalesce(func.sum(Stock.quantity - Stock.reserved), 0))
    return session.scalars(total.where(Stock.product_id == product.id)).one()


def reserve(session: Session, product: Product, quantity: int) -> None:
    """Promise pieces, from the warehouse with the most of them first. Raises OutOfStockError."""
    left = quantity
    for stock in sorted(_locked(session, product), key=lambda stock: -stock.available):
        part = min(left, stock.available)
        stock.reserved += part
        left -= part
    if left:
        raise OutOfStockError(f"{product.sku}: {quantity} wanted, {quantity - left} available")
    session.flush()


def release(session: Session, product: Product, quantity: int) -> None:
    """Take a promise back."""
    for stock in _locked(session, product):
        part = min(quantity, stock.reserved)
        stock.reserved -= part
        quantity -= part
    session.flush()


def take(session: Session, product: Product, quantity: int, reason: str) -> None:
    """Promised pieces leave the house."""
    for stock in _locked(session, product):
        part = min(quantity, stock.reserved)
        if part:
            stock.reserved -= part
            stock.quantity -= part
            quantity -= part
            _move(session, stock, -part, reason)


def transfer(session: Session, product: Product, quantity: int, source: str, target: str) -> None:
    """Unpromised pieces move from one warehouse to another. Raises OutOfStockError."""
    place = session.scalars(select(Warehouse).where(Warehouse.code == source)).one()
    stock = session.get(Stock, (place.id, product.id), with_for_update=True)
    if stock is None or stock.available < quantity:
        raise OutOfStockError(f"{product.sku}: fewer than {quantity} in {source}")
    stock.quantity -= quantity
    _move(session, stock, -quantity, f"to {target}")
    receive(session, product, quantity, target)


def _locked(session: Session, product: Product) -> list[Stock]:
    statement = select(Stock).where(Stock.product_id == product.id).order_by(Stock.warehouse_id)
    return list(session.scalars(statement.with_for_update().execution_options(populate_existing=True)))


def _move(session: Session, stock: Stock, change: int, reason: str) -> None:
    session.flush()
    parameters = {"warehouse": stock.warehouse_id, "product": stock.product_id}
    session.execute(_MOVEMENT, parameters | {"change": change, "reason": reason})
