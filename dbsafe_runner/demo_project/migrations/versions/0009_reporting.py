"""Sales by day and category as a materialised view, and invoice numbers without gaps."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE MATERIALIZED VIEW daily_sales AS
    SELECT (o.placed_at AT TIME ZONE 'UTC')::date AS day, c.id AS category_id, c.slug AS category,
           count(DISTINCT o.id) AS orders, sum(l.quantity) AS pieces,
           sum(l.quantity * l.unit_price_cents) AS revenue_cents
    FROM orders o
    JOIN order_lines l ON l.order_id = o.id
    JOIN products p ON p.id = l.product_id
    JOIN categories c ON c.id = p.category_id
    WHERE o.status <> 'cancelled'
    GROUP BY 1, 2, 3
    """,
    # REFRESH … CONCURRENTLY needs it.
    "CREATE UNIQUE INDEX daily_sales_key ON daily_sales (day, category_id)",
    "CREATE SEQUENCE invoice_number_seq",
    """
    CREATE TABLE invoices (
        number bigint PRIMARY KEY DEFAULT nextval('invoice_number_seq'),
        order_number integer NOT NULL UNIQUE,
        issued_on date NOT NULL DEFAULT current_date,
        pdf bytea NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE invoices")
    op.execute("DROP SEQUENCE invoice_number_seq")
    op.execute("DROP MATERIALIZED VIEW daily_sales")
