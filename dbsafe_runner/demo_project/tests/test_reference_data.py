"""The reference data that the migrations bring along."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select, text

from shop.models import Base, Category, Country, Product, TaxRate, Warehouse
from shop.sku import parse_sku

SEED = Path(__file__).parents[1] / "migrations" / "seed"


@pytest.mark.parametrize(
    ("model", "count"), [(Country, 18), (TaxRate, 28), (Category, 13), (Product, 72), (Warehouse, 3)]
)
def test_number_of_rows(session, model, count):
    assert session.scalar(select(func.count()).select_from(model)) == count


def test_countries_are_those_of_the_file(session):
    with (SEED / "countries.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["code"]: row["name"] for row in csv.DictReader(file)}
    assert {country.code: country.name for country in session.scalars(select(Country))} == expected


def test_every_eu_country_has_both_rates_and_no_other_has_any(session):
    counts = session.execute(
        select(Country.in_eu, Country.code, func.count(TaxRate.tax_class))
        .join(TaxRate, isouter=True)
        .group_by(Country.code)
    )
    assert {(in_eu, rates) for in_eu, _, rates in counts} == {(True, 2), (False, 0)}


def test_reduced_rates_are_not_above_standard_rates(session):
    rates = {(rate.country_code, rate.tax_class): rate.percent for rate in session.scalars(select(TaxRate))}
    for (country, tax_class), percent in rates.items():
        if tax_class == "reduced":
            assert percent <= rates[country, "standard"]


def test_half_percents_survive(session):
    assert session.get(TaxRate, ("FI", "standard")).percent == Decimal("25.5")
    assert session.get(TaxRate, ("FR", "reduced")).percent == Decimal("5.5")


def test_every_article_number_is_valid(session):
    for sku in session.scalars(select(Product.sku)):
        assert str(parse_sku(sku)) == sku


def test_products_hang_on_leaves_of_the_category_tree(session):
    parents = select(Category.parent_id).where(Category.parent_id.is_not(None))
    inner = session.scalars(select(Product.sku).where(Product.category_id.in_(parents))).all()
    assert inner == []


def test_search_column_is_filled(session):
    empty = session.scalar(text("SELECT count(*) FROM products WHERE search = ''"))
    assert empty == 0


def test_new_products_get_numbers_from_1000(session):
    start = session.scalar(
        text(
            "SELECT seqstart FROM pg_sequence "
            "WHERE seqrelid = pg_get_serial_sequence('products', 'id')::regclass"
        )
    )
    assert start == 1000


def test_models_and_tables_agree(engine):
    inspector = inspect(engine)
    for name, table in Base.metadata.tables.items():
        columns = {column["name"]: column for column in inspector.get_columns(name)}
        for column in table.columns:
            assert column.name in columns, f"{name}.{column.name} is missing"
            assert columns[column.name]["nullable"] == column.nullable, f"{name}.{column.name}"


def test_the_statement_timeout_is_set(connection):
    assert connection.execute("SHOW statement_timeout").fetchone()["statement_timeout"] == "1min"
    assert connection.execute("SHOW application_name").fetchone()["application_name"] == "shop"
