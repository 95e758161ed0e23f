"""Alembic's entry point: migrates the database that the shop's settings name, or the URL it is given."""

from alembic import context

from shop.db import make_engine
from shop.models import Base


def run() -> None:
    """Bring the database to the revision that was asked for, in one transaction."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    engine = make_engine()
    with engine.connect() as own:
        _migrate(own)
    engine.dispose()


def _migrate(connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


run()
