"""Categories and products, with a generated column for full-text search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import seed

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SEARCH = "setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', description), 'B')"


def upgrade() -> None:
    categories = op.create_table(
        "categories",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slug", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("categories.id")),
    )
    products = op.create_table(
        "products",
        sa.Column("id", sa.Integer, sa.Identity(start=1000), primary_key=True),
        sa.Column("sku", sa.Text, nullable=False, unique=True),
        sa.Column("category_id", sa.Integer, sa.ForeignKey("categories.id"), nullable=False),
        sa.Column("tax_class", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("price_cents", sa.Integer, nullable=False),
        sa.Column("weight_grams", sa.Integer, nullable=False, server_default="0"),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("search", postgresql.TSVECTOR, sa.Computed(SEARCH, persisted=True)),
        sa.CheckConstraint("price_cents > 0", name="price_positive"),
        sa.CheckConstraint("weight_grams >= 0", name="weight_not_negative"),
    )
    op.create_index("products_search", "products", ["search"], postgresql_using="gin")
    op.create_index("products_category", "products", ["category_id"])
    op.bulk_insert(categories, seed.rows("categories"))
    op.bulk_insert(products, seed.rows("products"))


def downgrade() -> None:
    op.drop_table("products")
    op.drop_table("categories")
