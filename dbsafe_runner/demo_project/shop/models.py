"""The tables that the shop uses through SQLAlchemy's ORM."""

import datetime as dt
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Numeric, String, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from shop.money import Money


class Base(DeclarativeBase):
    """Base of all models."""

    type_annotation_map = {str: Text, dt.datetime: TIMESTAMP(timezone=True)}


class Country(Base):
    """A country that the shop delivers to."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[str] = mapped_column(String(3))
    in_eu: Mapped[bool]


class TaxRate(Base):
    """The VAT of a country on a class of goods."""

    __tablename__ = "tax_rates"

    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"), primary_key=True)
    tax_class: Mapped[str] = mapped_column(primary_key=True)
    percent: Mapped[Decimal] = mapped_column(Numeric(4, 1))


class Category(Base):
    """A category of products, in a tree."""

    __tablename__ = "categories"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))

    products: Mapped[list["Product"]] = relationship(back_populates="category", order_by="Product.sku")


class Product(Base):
    """Something that the shop sells."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Identity(start=1000), primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    tax_class: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    price_cents: Mapped[int]
    weight_grams: Mapped[int] = mapped_column(server_default="0")
    active: Mapped[bool] = mapped_column(server_default=text("true"))

    category: Mapped[Category] = relationship(back_populates="products")

    @property
    def price(self) -> Money:
        """The price of one piece, gross."""
        return Money(self.price_cents)


class Customer(Base):
    """Somebody with an account."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))
    vat_id: Mapped[str | None]
    default_address_id: Mapped[int | None] = mapped_column(
        ForeignKey("addresses.id", name="customers_default_address", use_alter=True)
    )
    created_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"))

    country: Mapped[Country] = relationship()
    addresses: Mapped[list["Address"]] = relationship(
        foreign_keys="Address.customer_id", back_populates="customer", cascade="all, delete-orphan"
    )
    default_address: Mapped["Address | None"] = relationship(
        foreign_keys=[default_address_id], post_update=True
    )
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", order_by="Order.id")


class Address(Base):
    """Where a customer's parcels go."""

    __tablename__ = "addresses"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    street: Mapped[str]
    city: Mapped[str]
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))

    customer: Mapped[Customer] = relationship(foreign_keys=[customer_id], back_populates="addresses")


class Order(Base):
    """What a customer ordered at one time."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    number: Mapped[int] = mapped_column(unique=True, server_default=text("nextval('order_number_seq')"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[str] = mapped_column(server_default="placed")
    total_cents: Mapped[int]
    tax_cents: Mapped[int] = mapped_column(server_default="0")
    placed_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"))
    delivery_note: Mapped[str] = mapped_column(server_default="")

    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list["OrderLine"]] = relationship(
        back_populates="order", order_by="OrderLine.position", cascade="all, delete-orphan"
    )
    payment: Mapped["Payment | None"] = relationship(back_populates="order")


class OrderLine(Base):
    """So many pieces of a product in an order, at the price of that day."""

    __tablename__ = "order_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity_positive"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]

    order: Mapped[Order] = relationship(back_populates="lines")
    product: Mapped[Product] = relationship()


class Payment(Base):
    """The payment of an order."""

    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    amount_cents: Mapped[int]
    method: Mapped[str]
    paid_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"))

    order: Mapped[Order] = relationship(back_populates="payment")


class Warehouse(Base):
    """A place where products lie."""

    __tablename__ = "warehouses"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(3), unique=True)
    city: Mapped[str]


class Stock(Base):
    """How many pieces of a product lie in a warehouse, and how many of them are promised."""

    __tablename__ = "stock"

    warehouse_id: Mapped[int] = mapped_column(ForeignKey("warehouses.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(server_default="0")
    reserved: Mapped[int] = mapped_column(server_default="0")

    warehouse: Mapped[Warehouse] = relationship()
    product: Mapped[Product] = relationship()

    @property
    def available(self) -> int:
        """Pieces that can still be sold."""
        return self.quantity - self.reserved
