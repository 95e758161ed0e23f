"""The yearly archive: a database of its own beside the shop's, under a fixed name."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from psycopg import errors
from sqlalchemy import text

from shop import db, settings

ARCHIVE = "shop_archive"
PROJECT = Path(__file__).parents[1]


@pytest.fixture
def server():
    """A connection to the server's maintenance database."""
    with db.connect("postgres", autocommit=True) as connection:
        yield connection


@pytest.fixture
def archive(server):
    """An empty archive database."""
    server.execute(f"CREATE DATABASE {ARCHIVE} TEMPLATE template0")
    yield ARCHIVE
    server.execute(f"DROP DATABASE {ARCHIVE} WITH (FORCE)")


def databases(connection):
    rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'shop%' ORDER BY 1")
    return [row["datname"] for row in rows]


def test_only_the_shop_at_first(server):
    assert databases(server) == ["shop"]


def test_the_archive_is_empty(server, archive):
    assert databases(server) == ["shop", "shop_archive"]
    with db.connect(archive) as connection:
        assert connection.execute("SELECT to_regclass('orders') AS name").fetchone()["name"] is None
        assert connection.execute("SELECT current_database() AS name").fetchone()["name"] == archive


def test_made_once(server, archive):
    with pytest.raises(errors.DuplicateDatabase):
        server.execute(f"CREATE DATABASE {ARCHIVE}")


def test_not_inside_a_transaction(connection):
    with pytest.raises(errors.ActiveSqlTransaction):
        connection.execute(f"CREATE DATABASE {ARCHIVE}")


def test_the_archive_is_migrated_like_the_shop(archive):
    engine = db.make_engine(settings.database_url().set(database=archive))
    with engine.begin() as connection:
        config = Config(PROJECT / "alembic.ini")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM products")) == 72
    engine.dispose()


def test_rows_move_by_copy(archive):
    with db.connect() as shop, db.connect(archive, autocommit=True) as target:
        target.execute("CREATE TABLE products (sku text PRIMARY KEY, price_cents integer)")
        read = shop.cursor().copy("COPY (SELECT sku, price_cents FROM products) TO STDOUT")
        write = target.cursor().copy("COPY products FROM STDIN")
        with read as source, write as sink:
            for block in source:
                sink.write(block)
        assert target.execute("SELECT count(*) AS n FROM products").fetchone()["n"] == 72


def test_the_archive_can_be_renamed(server, archive):
    server.execute(f"ALTER DATABASE {archive} RENAME TO shop_archive_2025")
    assert databases(server) == ["shop", "shop_archive_2025"]
    server.execute(f"ALTER DATABASE shop_archive_2025 RENAME TO {archive}")


def test_gone_afterwards(server):
    assert databases(server) == ["shop"]
