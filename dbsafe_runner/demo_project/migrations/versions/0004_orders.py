"""Orders with numbers from a sequence of their own, their lines, and payments."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATUSES = "status IN ('placed', 'paid', 'shipped', 'cancelled')"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE order_number_seq AS integer")
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column(
            "number",
            sa.Integer,
            nullable=False,
            unique=True,
            server_default=sa.text("nextval('order_number_seq')"),
        ),
        sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="placed"),
        sa.Column("total_cents", sa.Integer, nullable=False),
        sa.Column("tax_cents", sa.Integer, nullable=False, server_default="0"),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(STATUSES, name="status_known"),
        sa.CheckConstraint("total_cents >= 0", name="total_not_negative"),
    )
    op.execute("ALTER SEQUENCE order_number_seq OWNED BY orders.number")
    op.create_index("orders_customer", "orders", ["customer_id"])
    _create_parts()


def _create_parts() -> None:
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price_cents", sa.Integer, nullable=False),
        sa.UniqueConstraint("order_id", "product_id", name="product_once_per_order"),
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id"), nullable=False, unique=True),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("method IN ('card', 'invoice', 'transfer')", name="method_known"),
    )


def downgrade() -> None:
    op.drop_table("payments")
    op.drop_table("order_lines")
    op.drop_table("orders")
