"""What the shop does to its own schema while it runs: partitions, indexes, columns, export tables."""

import datetime as dt
import threading

import pytest
from psycopg import errors

from shop import analytics, db


@pytest.fixture
def owner():
    """An autocommit connection of the owner of the schema."""
    with db.connect(autocommit=True) as connection:
        yield connection


def columns(connection, table):
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table,)
    )
    return {row["column_name"] for row in rows}


def test_add_a_partition(owner):
    name = analytics.add_partition(owner, dt.date(2026, 4, 1))
    seen = dt.datetime(2026, 4, 30, 23, tzinfo=dt.UTC)
    analytics.record_views(owner, [(seen, "/", "00000000-0000-0000-0000-000000000001")])
    assert name == "page_views_2026_04"
    assert owner.execute("SELECT count(*) AS n FROM page_views_2026_04").fetchone()["n"] == 1
    analytics.drop_partition(owner, name)
    assert owner.execute("SELECT to_regclass('page_views_2026_04') AS name").fetchone()["name"] is None


def test_add_a_partition_twice(owner):
    name = analytics.add_partition(owner, dt.date(2026, 5, 1))
    with pytest.raises(errors.DuplicateTable):
        analytics.add_partition(owner, dt.date(2026, 5, 1))
    analytics.drop_partition(owner, name)


def test_december_is_followed_by_january(owner):
    name = analytics.add_partition(owner, dt.date(2026, 12, 1))
    bounds = owner.execute(
        "SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class WHERE relname = %s", (name,)
    ).fetchone()["bounds"]
    assert "2027-01-01" in bounds
    analytics.drop_partition(owner, name)


def test_index_made_while_others_write(owner):
    with db.connect() as writer:
        writer.execute("INSERT INTO supplier_offers VALUES ('X', 'Northwind', 1, 1)")
        index = threading.Thread(
            target=lambda: owner.execute(
                "CREATE INDEX CONCURRENTLY offers_price ON supplier_offers (price_cents)"
            )
        )
        index.start()
        index.join(0.3)
        assert index.is_alive()
        writer.rollback()
        index.join(20)
        assert not index.is_alive()
    valid = "SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = 'offers_price'::regclass"
    assert owner.execute(valid).fetchone()["valid"]
    owner.execute("DROP INDEX CONCURRENTLY offers_price")


def test_new_column_with_a_default_fills_old_rows(owner):
    owner.execute("ALTER TABLE products ADD COLUMN brand text NOT NULL DEFAULT 'unknown'")
    brands = owner.execute("SELECT DISTINCT brand FROM products").fetchall()
    owner.execute("ALTER TABLE products DROP COLUMN brand")
    assert brands == [{"brand": "unknown"}]
    assert "brand" not in columns(owner, "products")


def test_schema_change_waits_for_readers_but_not_for_ever(owner):
    with db.connect() as reader:
        reader.execute("SELECT count(*) FROM products")
        owner.execute("SET lock_timeout = '400ms'")
        with pytest.raises(errors.LockNotAvailable):
            owner.execute("ALTER TABLE products ADD COLUMN brand text")
    assert "brand" not in columns(owner, "products")


def test_rolled_back_change_leaves_no_trace(connection):
    connection.execute("ALTER TABLE products ADD COLUMN brand text")
    assert "brand" in columns(connection, "products")
    connection.rollback()
    assert "brand" not in columns(connection, "products")


def test_export_table_for_the_accountants(owner):
    owner.execute("CREATE TABLE export_2025 AS SELECT sku, price_cents FROM products WHERE active")
    assert owner.execute("SELECT count(*) AS n FROM export_2025").fetchone()["n"] == 69
    owner.execute("DROP TABLE export_2025")


def test_export_schema_with_a_view(owner):
    owner.execute("CREATE SCHEMA accounting")
    owner.execute(
        "CREATE VIEW accounting.prices AS SELECT sku, price_cents / 100.0 AS price FROM public.products"
    )
    row = owner.execute("SELECT max(price) AS top FROM accounting.prices").fetchone()
    owner.execute("DROP SCHEMA accounting CASCADE")
    assert row["top"] > 50


def methods(listed):
    return (
        "ALTER TABLE payments DROP CONSTRAINT method_known, "
        f"ADD CONSTRAINT method_known CHECK (method IN ({listed}))"
    )


def test_widening_a_constraint(owner):
    check = "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'method_known'"
    owner.execute(methods("'card', 'invoice', 'transfer', 'cash'"))
    widened = owner.execute(check).fetchone()["text"]
    owner.execute(methods("'card', 'invoice', 'transfer'"))
    assert "cash" in widened
    assert "cash" not in owner.execute(check).fetchone()["text"]
