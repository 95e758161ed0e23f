"""Customers, their addresses (each table refers to the other), failed logins, and the staff."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("country_code", sa.String(2), sa.ForeignKey("countries.code"), nullable=False),
        sa.Column("vat_id", sa.Text),
        sa.Column("default_address_id", sa.Integer),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("email LIKE '%_@_%'", name="email_has_at"),
    )
    op.create_index("customers_email", "customers", [sa.text("lower(email)")], unique=True)
    op.create_table(
        "addresses",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column(
            "customer_id", sa.Integer, sa.ForeignKey("customers.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("country_code", sa.String(2), sa.ForeignKey("countries.code"), nullable=False),
    )
    op.create_foreign_key(
        "customers_default_address",
        "customers",
        "addresses",
        ["default_address_id"],
        ["id"],
        ondelete="SET NULL",
        deferrable=True,
        initially="DEFERRED",
    )
    _create_logins()


def _create_logins() -> None:
    op.create_table(
        "login_attempts",
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    )
    op.create_index("login_attempts_email", "login_attempts", ["email", "at"])
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("login", sa.Text, nullable=False, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("staff")
    op.drop_table("login_attempts")
    op.drop_constraint("customers_default_address", "customers")
    op.drop_table("addresses")
    op.drop_table("customers")
