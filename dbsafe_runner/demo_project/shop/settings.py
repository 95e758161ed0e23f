"""Where the database is: one environment variable with a default that fits a developer's machine."""

import os

from sqlalchemy.engine import URL, make_url

DEFAULT_DATABASE_URL = "postgresql+psycopg://shop:shop@localhost:5432/shop"

# No statement of the shop may hang for ever: a request that waits longer than this is better refused.
LOCK_TIMEOUT = "15s"
STATEMENT_TIMEOUT = "60s"


def database_url() -> URL:
    """The URL of the shop's database, in SQLAlchemy's form."""
    return make_url(os.environ.get("SHOP_DATABASE_URL", DEFAULT_DATABASE_URL))


def dsn(database: str | None = None) -> str:
    """The same URL in the form that psycopg and asyncpg read, or that of another database beside it."""
    url = database_url().set(drivername="postgresql")
    if database is not None:
        url = url.set(database=database)
    return url.render_as_string(hide_password=False)


def server_settings() -> dict[str, str]:
    """What every connection of the shop sets when it opens."""
    return {
        "application_name": "shop",
        "lock_timeout": LOCK_TIMEOUT,
        "statement_timeout": STATEMENT_TIMEOUT,
        "timezone": "UTC",
    }
