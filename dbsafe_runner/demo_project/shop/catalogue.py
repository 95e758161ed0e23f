"""Finding products: by category, by words, by price."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from shop.models import Category, Product, TaxRate
from shop.sku import parse_sku

PAGE_SIZE = 10


class ProductNotFoundError(LookupError):
    """No active product has this article number."""


def by_sku(session: Session, sku: str) -> Product:
    """The active product with this article number. Raises ProductNotFoundError, InvalidSkuError."""
    number = str(parse_sku(sku))
    product = session.scalar(select(Product).where(Product.sku == number, Product.active))
    if product is None:
        raise ProductNotFoundError(number)
    return product


def subtree(session: Session, slug: str) -> list[int]:
    """The ids of a category and of everything below it."""
    top = select(Category.id).where(Category.slug == slug).cte("tree", recursive=True)
    tree = top.union_all(select(Category.id).where(Category.parent_id == top.c.id))
    return list(session.scalars(select(tree.c.id).order_by(tree.c.id)))


def in_category(session: Session, slug: str, page: int = 1) -> Sequence[Product]:
    """One page of the active products of a category and its subcategories, by name."""
    statement = (
        select(Product)
        .where(Product.category_id.in_(subtree(session, slug)), Product.active)
        .order_by(Product.name, Product.id)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    return session.scalars(statement).all()


def breadcrumbs(session: Session, slug: str) -> list[str]:
    """The names of the categories from the top down to this one."""
    statement = text(
        """
        WITH RECURSIVE up AS (
            SELECT id, name, parent_id, 0 AS depth FROM categories WHERE slug = :slug
            UNION ALL
            SELECT c.id, c.name, c.parent_id, up.depth + 1 FROM categories c JOIN up ON c.id = up.parent_id
        )
        SELECT name FROM up ORDER BY depth DESC
        """
    )
    return list(session.scalars(statement, {"slug": slug}))


def search(session: Session, words: str, limit: int = 10) -> list[str]:
    """The article numbers of active products that match, best match first."""
    statement = text(
        """
        SELECT sku FROM products, websearch_to_tsquery('english', :words) AS query
        WHERE search @@ query AND active
        ORDER BY ts_rank(search, query) DESC, sku LIMIT :limit
        """
    )
    return list(session.scalars(statement, {"words": words, "limit": limit}))


def price_range(session: Session, slug: str) -> tuple[int, int]:
    """The lowest and the highest price in a category, in cents."""
    ids = subtree(session, slug)
    statement = select(func.min(Product.price_cents), func.max(Product.price_cents)).where(
        Product.category_id.in_(ids), Product.active
    )
    lowest, highest = session.execute(statement).one()
    return lowest, highest


def tax_rates(session: Session) -> dict[tuple[str, str], Decimal]:
    """All rates by country and tax class."""
    return {(rate.country_code, rate.tax_class): rate.percent for rate in session.scalars(select(TaxRate))}
