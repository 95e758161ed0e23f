"""Countries and their tax rates."""

import sqlalchemy as sa
from alembic import op

from migrations import seed

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    countries = op.create_table(
        "countries",
        sa.Column("code", sa.String(2), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("in_eu", sa.Boolean, nullable=False),
    )
    rates = op.create_table(
        "tax_rates",
        sa.Column("country_code", sa.String(2), sa.ForeignKey("countries.code"), primary_key=True),
        sa.Column("tax_class", sa.Text, primary_key=True),
        sa.Column("percent", sa.Numeric(4, 1), nullable=False),
        sa.CheckConstraint("percent BETWEEN 0 AND 50", name="percent_sensible"),
        sa.CheckConstraint("tax_class IN ('standard', 'reduced')", name="tax_class_known"),
    )
    rows = seed.rows("countries")
    op.bulk_insert(
        countries, [{key: row[key] for key in ("code", "name", "currency", "in_eu")} for row in rows]
    )
    op.bulk_insert(
        rates,
        [
            {"country_code": row["code"], "tax_class": tax_class, "percent": row[f"{tax_class}_rate"]}
            for row in rows
            for tax_class in ("standard", "reduced")
            if row[f"{tax_class}_rate"] is not None
        ],
    )


def downgrade() -> None:
    op.drop_table("tax_rates")
    op.drop_table("countries")
