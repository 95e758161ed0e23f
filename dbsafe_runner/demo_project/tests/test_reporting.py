"""Figures for the management, over a year of sales that is made once for the file."""

import datetime as dt

import pytest
from psycopg import errors

from shop import db, reporting

FIRST, LAST = dt.date(2025, 1, 1), dt.date(2025, 12, 31)

ORDERS = """
    INSERT INTO orders (customer_id, status, total_cents, placed_at)
    SELECT 1 + n %% 400, CASE WHEN n %% 20 = 0 THEN 'cancelled' ELSE 'shipped' END, 1000 + n %% 7000,
           timestamptz '2025-01-01 08:00+00' + make_interval(days => n %% 365, secs => n %% 30000)
    FROM generate_series(1, %s) n
"""
LINES = """
    INSERT INTO order_lines (order_id, position, product_id, quantity, unit_price_cents)
    SELECT o.id, p.position, p.id, 1 + (o.id + p.position) % 3, p.price_cents
    FROM orders o
    CROSS JOIN LATERAL (
        SELECT id, price_cents, row_number() OVER (ORDER BY id) AS position
        FROM products WHERE id % 24 = o.id % 24
    ) p
"""


@pytest.fixture(scope="module")
def year(empty_tables):
    """8,000 orders of 400 customers in 2025, committed; the tables are emptied after the file."""
    empty_tables()
    with db.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO customers (email, name, password_hash, country_code) "
            "SELECT 'c' || n || '@example.org', 'Customer ' || n, 'x', 'DE' FROM generate_series(1, 400) n"
        )
        connection.execute(ORDERS, (8_000,))
        connection.execute(LINES)
        connection.execute("ANALYZE orders, order_lines")
        reporting.refresh(connection)
        yield connection
        empty_tables()
        reporting.refresh(connection)


def value(connection, statement):
    return next(iter(connection.execute(statement).fetchone().values()))


def test_size(year):
    assert value(year, "SELECT count(*) FROM orders") == 8_000
    assert value(year, "SELECT count(*) FROM order_lines") == 24_000


def test_every_day_has_sales(year):
    assert value(year, "SELECT count(DISTINCT day) FROM daily_sales") == 365


def test_sales_of_the_year_add_up(year):
    expected = value(
        year,
        "SELECT sum(quantity * unit_price_cents) FROM order_lines l JOIN orders o ON o.id = l.order_id "
        "WHERE o.status <> 'cancelled'",
    )
    assert sum(sale.revenue_cents for sale in reporting.sales(year, FIRST, LAST)) == expected


def test_best_category_first(year):
    revenues = [sale.revenue_cents for sale in reporting.sales(year, FIRST, LAST)]
    assert revenues == sorted(revenues, reverse=True)
    assert len(revenues) == 9


@pytest.mark.parametrize("month", [1, 2, 6, 12])
def test_sales_of_a_month_are_part_of_the_year(year, month):
    first = dt.date(2025, month, 1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    whole = {sale.category: sale.pieces for sale in reporting.sales(year, FIRST, LAST)}
    for sale in reporting.sales(year, first, last):
        assert 0 < sale.pieces < whole[sale.category]


def test_no_sales_before_the_shop_opened(year):
    assert reporting.sales(year, dt.date(2020, 1, 1), dt.date(2024, 12, 31)) == []


def test_running_total_never_falls(year):
    totals = reporting.running_total(year)
    assert list(totals.values()) == sorted(totals.values())
    assert totals[LAST] == sum(sale.revenue_cents for sale in reporting.sales(year, FIRST, LAST))


def test_best_sellers(year):
    best = reporting.best_sellers(year, 10)
    assert len(best) == 10
    assert [pieces for _, pieces in best] == sorted((pieces for _, pieces in best), reverse=True)


def test_cancelled_orders_do_not_count(year):
    by_day = "SELECT sum(n) FROM (SELECT max(orders) AS n FROM daily_sales GROUP BY day)"
    assert value(year, by_day) <= 7_600


def test_figures_are_as_old_as_the_last_refresh(year):
    before = reporting.sales(year, FIRST, LAST)
    with year.transaction(force_rollback=True):
        year.execute("UPDATE orders SET status = 'cancelled' WHERE id % 2 = 0")
        assert reporting.sales(year, FIRST, LAST) == before
        reporting.refresh(year)
        assert reporting.sales(year, FIRST, LAST) != before
    assert reporting.sales(year, FIRST, LAST) == before


def test_refresh_lets_readers_read_on(year):
    with year.transaction(), db.connect() as reader:
        reporting.refresh(year, concurrently=True)
        assert value(reader, "SELECT count(DISTINCT day) FROM daily_sales") == 365


def test_plain_refresh_makes_readers_wait(year):
    with year.transaction(), db.connect() as reader:
        reporting.refresh(year)
        reader.execute("SET LOCAL lock_timeout = '250ms'")
        with pytest.raises(errors.LockNotAvailable):
            reader.execute("SELECT count(*) FROM daily_sales")


def test_a_years_orders_by_customer(year):
    rows = year.execute(
        "SELECT customer_id, count(*) AS n, rank() OVER (ORDER BY sum(total_cents) DESC) AS place "
        "FROM orders GROUP BY customer_id"
    ).fetchall()
    assert {row["n"] for row in rows} == {20}
    assert min(row["place"] for row in rows) == 1


def test_the_audit_log_has_every_order(year):
    assert value(year, "SELECT count(*) FROM audit_log WHERE table_name = 'orders'") == 8_000
