"""A note for the driver on every order; old orders get an empty one."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("delivery_note", sa.Text))
    op.execute("UPDATE orders SET delivery_note = ''")
    op.alter_column("orders", "delivery_note", nullable=False, server_default="")


def downgrade() -> None:
    op.drop_column("orders", "delivery_note")
