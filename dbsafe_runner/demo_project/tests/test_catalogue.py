"""Finding products by number and category."""

import pytest
from sqlalchemy.orm import Session

from shop import catalogue
from shop.catalogue import ProductNotFoundError
from shop.sku import InvalidSkuError

INACTIVE = "COMP-000119-6"


@pytest.fixture(scope="module")
def sitemap(engine):
    """All products of all categories, as the site map lists them; read once for the file."""
    with Session(engine) as session:
        slugs = ("books", "kitchen", "garden", "office")
        return {
            slug: [
                product.sku for page in range(1, 5) for product in catalogue.in_category(session, slug, page)
            ]
            for slug in slugs
        }


def test_by_sku(session):
    product = catalogue.by_sku(session, "novel-000101-8")
    assert product.name == "The Lighthouse Keeper"
    assert str(product.price) == "€12.90"
    assert product.category.slug == "novels"


def test_by_sku_of_an_inactive_product(session):
    with pytest.raises(ProductNotFoundError, match=INACTIVE):
        catalogue.by_sku(session, INACTIVE)


def test_by_sku_of_an_unknown_product(session):
    with pytest.raises(ProductNotFoundError):
        catalogue.by_sku(session, "NOVEL-999999-3")


def test_by_sku_with_a_typing_error(session):
    with pytest.raises(InvalidSkuError):
        catalogue.by_sku(session, "NOVEL-000101-9")


@pytest.mark.parametrize(
    ("slug", "ids"),
    [
        ("books", [1, 2, 3, 4]),
        ("novels", [2]),
        ("kitchen", [5, 6, 7]),
        ("office", [11, 12, 13]),
        ("toys", []),
    ],
)
def test_subtree(session, slug, ids):
    assert catalogue.subtree(session, slug) == ids


@pytest.mark.parametrize(
    ("slug", "names"),
    [
        ("novels", ["Books", "Novels"]),
        ("books", ["Books"]),
        ("pots", ["Kitchen", "Pots and pans"]),
        ("toys", []),
    ],
)
def test_breadcrumbs(session, slug, names):
    assert catalogue.breadcrumbs(session, slug) == names


def test_a_page_is_sorted_by_name(session):
    names = [product.name for product in catalogue.in_category(session, "kitchen")]
    assert names == sorted(names)
    assert len(names) == 10


def test_the_last_page_is_shorter(session):
    assert len(catalogue.in_category(session, "kitchen", page=2)) == 6
    assert catalogue.in_category(session, "kitchen", page=3) == []


def test_pages_do_not_overlap(session):
    first, second = (catalogue.in_category(session, "books", page) for page in (1, 2))
    assert not {product.id for product in first} & {product.id for product in second}


@pytest.mark.parametrize(("slug", "count"), [("books", 23), ("kitchen", 16), ("garden", 15), ("office", 15)])
def test_sitemap_counts(sitemap, slug, count):
    assert len(sitemap[slug]) == count


def test_sitemap_has_no_inactive_product(sitemap):
    assert not any(INACTIVE in skus for skus in sitemap.values())


def test_sitemap_has_no_product_twice(sitemap):
    skus = [sku for products in sitemap.values() for sku in products]
    assert len(skus) == len(set(skus))


@pytest.mark.parametrize("slug", ["books", "kitchen", "garden", "office", "seeds", "pens"])
def test_price_range_is_that_of_its_products(session, slug):
    prices = [
        product.price_cents for page in range(1, 5) for product in catalogue.in_category(session, slug, page)
    ]
    assert catalogue.price_range(session, slug) == (min(prices), max(prices))


def test_relationship_lists_products_by_number(session):
    novels = catalogue.by_sku(session, "NOVEL-000101-8").category.products
    assert [product.sku for product in novels] == sorted(product.sku for product in novels)
    assert len(novels) == 8
