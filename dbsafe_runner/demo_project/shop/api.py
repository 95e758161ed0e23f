"""The web API: a small ASGI application over an asyncpg pool."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from shop.sku import InvalidSkuError, parse_sku

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_ORDERS = "SELECT number, status, total_cents FROM orders WHERE number = $1"
_PLACE = (
    "INSERT INTO orders (customer_id, total_cents) "
    "SELECT id, $2 FROM customers WHERE lower(email) = lower($1) RETURNING id, number"
)
_LINE = (
    "INSERT INTO order_lines (order_id, position, product_id, quantity, unit_price_cents) "
    "VALUES ($1, $2, $3, $4, $5)"
)


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Answers /health, /products/SKU, /categories/SLUG and /orders/NUMBER; POST /orders places one."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body = await self._answer(scope, receive)
        except ApiError as error:
            status, body = error.status, {"error": str(error)}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Any]:
        match scope["method"], scope["path"].strip("/").split("/"):
            case "GET", ["health"]:
                return 200, {"database": await self.pool.fetchval("SELECT current_database()")}
            case "GET", ["products", sku]:
                return 200, await self._product(sku)
            case "GET", ["categories", slug]:
                return 200, await self._category(slug)
            case "GET", ["orders", number]:
                return 200, await self._order(number)
            case "POST", ["orders"]:
                return 201, await self._place(await _json_body(receive))
        raise ApiError(404, "no such page")

    async def _product(self, sku: str) -> dict[str, Any]:
        try:
            number = str(parse_sku(sku))
        except InvalidSkuError as error:
            raise ApiError(400, str(error)) from None
        row = await self.pool.fetchrow(
            "SELECT sku, name, price_cents FROM products WHERE sku = $1 AND active", number
        )
        if row is None:
            raise ApiError(404, f"no product {number}")
        return dict(row)

    async def _category(self, slug: str) -> dict[str, Any]:
        rows = await self.pool.fetch(
            "SELECT p.sku, p.name, p.price_cents FROM products p JOIN categories c ON c.id = p.category_id "
            "WHERE c.slug = $1 AND p.active ORDER BY p.sku",
            slug,
        )
        if not rows:
            raise ApiError(404, f"no category {slug}")
        return {"category": slug, "products": [dict(row) for row in rows]}

    async def _order(self, number: str) -> dict[str, Any]:
        row = await self.pool.fetchrow(_ORDERS, int(number)) if number.isdigit() else None
        if row is None:
            raise ApiError(404, f"no order {number}")
        return dict(row)

    async def _place(self, body: Any) -> dict[str, Any]:
        basket = body.get("basket") if isinstance(body, dict) else None
        if not basket or not all(isinstance(n, int) and n > 0 for n in basket.values()):
            raise ApiError(422, "a basket maps article numbers to quantities")
        async with self.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "SELECT id, sku, price_cents FROM products WHERE sku = ANY($1) AND active "
                "ORDER BY sku FOR SHARE",
                list(basket),
            )
            if len(rows) != len(basket):
                unknown = sorted(set(basket) - {row["sku"] for row in rows})
                raise ApiError(422, f"unknown products: {', '.join(unknown)}")
            total = sum(row["price_cents"] * basket[row["sku"]] for row in rows)
            order = await connection.fetchrow(_PLACE, body.get("email", ""), total)
            if order is None:
                raise ApiError(403, "no such customer")
            lines = [
                (order["id"], position, row["id"], basket[row["sku"]], row["price_cents"])
                for position, row in enumerate(rows, start=1)
            ]
            await connection.executemany(_LINE, lines)
        return {"number": order["number"], "total_cents": total}


async def _json_body(receive: Receive) -> Any:
    data = b""
    more = True
    while more:
        message = await receive()
        data += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        return json.loads(data)
    except ValueError:
        raise ApiError(400, "the body is not JSON") from None
