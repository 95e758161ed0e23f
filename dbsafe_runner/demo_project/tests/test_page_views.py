"""Page views in partitions and carts in an unlogged table; what is recorded stays recorded."""

import datetime as dt
import uuid

import pytest
from psycopg import errors

from shop import analytics, db


@pytest.fixture
def views():
    """A connection to an empty history of page views and no carts."""
    with db.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE page_views, carts RESTART IDENTITY")
        yield connection


def at(month, day=1, hour=12):
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


def partition_sizes(connection):
    rows = connection.execute(
        "SELECT tableoid::regclass::text AS name, count(*) AS n FROM page_views GROUP BY 1 ORDER BY 1"
    )
    return {row["name"]: row["n"] for row in rows}


def visitor(number):
    return uuid.UUID(int=number)


def test_views_go_to_their_month(views):
    analytics.record_views(
        views, [(at(1), "/", visitor(1)), (at(2), "/", visitor(1)), (at(2, 28, 23), "/books", visitor(2))]
    )
    assert partition_sizes(views) == {"page_views_2026_01": 1, "page_views_2026_02": 2}


def test_views_of_other_months_go_to_the_default(views):
    analytics.record_views(views, [(at(12), "/", visitor(1))])
    assert partition_sizes(views) == {"page_views_default": 1}


def test_month_boundaries(views):
    last = dt.datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
    analytics.record_views(views, [(last, "/", visitor(1)), (at(2, 1, 0), "/", visitor(1))])
    assert partition_sizes(views) == {"page_views_2026_01": 1, "page_views_2026_02": 1}


def test_visitors_are_counted_once_a_day(views):
    day = [(at(3, 5, hour), f"/{hour}", visitor(hour % 3)) for hour in range(24)]
    analytics.record_views(views, day)
    assert analytics.visitors_per_day(views) == {dt.date(2026, 3, 5): 3}


def test_a_busy_quarter(views):
    rows = [
        (at(1) + dt.timedelta(minutes=15 * number), f"/p/{number % 40}", visitor(number % 700))
        for number in range(8_000)
    ]
    assert analytics.record_views(views, rows) == 8_000
    assert len(analytics.visitors_per_day(views)) == 84
    assert sum(partition_sizes(views).values()) == 8_000


def test_ids_start_from_1(views):
    analytics.record_views(views, [(at(1), "/", visitor(1)), (at(3), "/", visitor(1))])
    ids = [row["id"] for row in views.execute("SELECT id FROM page_views ORDER BY id")]
    assert ids == [1, 2]


def test_moving_a_view_to_another_month_moves_the_row(views):
    analytics.record_views(views, [(at(1), "/", visitor(1))])
    views.execute("UPDATE page_views SET seen_at = seen_at + interval '1 month'")
    assert partition_sizes(views) == {"page_views_2026_02": 1}


def test_queries_look_at_one_partition_only(views):
    rows = views.execute(
        "EXPLAIN SELECT * FROM page_views "
        "WHERE seen_at >= '2026-02-03 00:00+00' AND seen_at < '2026-02-04 00:00+00'"
    )
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "page_views_2026_02" in plan
    assert "page_views_2026_01" not in plan


class TestCarts:
    """Shopping carts."""

    def test_new_cart_is_empty(self, views):
        token = analytics.new_cart(views)
        assert analytics.put_in_cart(views, token, "NOVEL-000101-8", 0) == {}

    def test_put_in(self, views):
        token = analytics.new_cart(views)
        analytics.put_in_cart(views, token, "NOVEL-000101-8", 2)
        assert analytics.put_in_cart(views, token, "KNIFE-000125-X", 1) == {
            "NOVEL-000101-8": 2,
            "KNIFE-000125-X": 1,
        }

    def test_take_out(self, views):
        token = analytics.new_cart(views)
        analytics.put_in_cart(views, token, "NOVEL-000101-8", 2)
        assert analytics.put_in_cart(views, token, "NOVEL-000101-8", 0) == {}

    def test_carts_are_apart(self, views):
        first, second = analytics.new_cart(views), analytics.new_cart(views)
        analytics.put_in_cart(views, first, "NOVEL-000101-8", 2)
        assert analytics.put_in_cart(views, second, "KNIFE-000125-X", 1) == {"KNIFE-000125-X": 1}
        assert views.execute("SELECT count(*) AS n FROM carts").fetchone()["n"] == 2

    def test_unknown_cart(self, views):
        with pytest.raises(LookupError, match="no cart"):
            analytics.put_in_cart(views, visitor(1), "NOVEL-000101-8", 1)

    def test_carts_are_not_logged(self, views):
        row = views.execute("SELECT relpersistence AS kind FROM pg_class WHERE relname = 'carts'").fetchone()
        assert row["kind"] == "u"

    def test_token_is_unique(self, views):
        token = analytics.new_cart(views)
        with pytest.raises(errors.UniqueViolation):
            views.execute("INSERT INTO carts (token) VALUES (%s)", (token,))
