"""The reading half of the web API, over one asyncpg pool for the whole file."""

import asyncio
import json

import pytest
import pytest_asyncio

from shop import db
from shop.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool():
    async with await db.make_pool() as pool:
        yield pool


@pytest.fixture
def get(pool):
    """GET a path: status and body."""
    api = Api(pool)

    async def get(path):
        sent = []

        async def send(message):
            sent.append(message)

        await api({"type": "http", "method": "GET", "path": path}, None, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    return get


async def test_health_names_the_database(get):
    assert await get("/health") == (200, {"database": "shop"})


async def test_product(get):
    status, body = await get("/products/NOVEL-000101-8")
    assert status == 200
    assert body == {"sku": "NOVEL-000101-8", "name": "The Lighthouse Keeper", "price_cents": 1290}


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/products/NOVEL-000101-9", 400, "wrong check digit"),
        ("/products/COMP-000119-6", 404, "no product"),
        ("/categories/toys", 404, "no category toys"),
        ("/orders/999999", 404, "no order 999999"),
        ("/orders/abc", 404, "no order abc"),
        ("/", 404, "no such page"),
    ],
)
async def test_errors(get, path, status, error):
    answer, body = await get(path)
    assert answer == status
    assert error in body["error"]


async def test_category(get):
    status, body = await get("/categories/knives")
    assert status == 200
    assert len(body["products"]) == 8
    assert body["products"][0]["sku"].startswith("KNIFE-")


async def test_many_requests_share_the_pool(get, pool):
    answers = await asyncio.gather(*(get("/products/NOVEL-000101-8") for _ in range(60)))
    assert {status for status, _ in answers} == {200}
    assert pool.get_size() <= 4


async def test_requests_wait_for_a_free_connection(get, pool):
    holders = [await pool.acquire() for _ in range(4)]
    waiting = asyncio.create_task(get("/health"))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    for holder in holders:
        await pool.release(holder)
    assert (await waiting)[0] == 200


async def test_slow_queries_run_side_by_side(pool):
    connections = [await pool.acquire() for _ in range(4)]
    slow = "SELECT statement_timestamp() AS start, pg_sleep(0.25), clock_timestamp() AS stop"
    rows = await asyncio.gather(*(connection.fetchrow(slow) for connection in connections))
    for connection in connections:
        await pool.release(connection)
    assert max(row["start"] for row in rows) < min(row["stop"] for row in rows)


async def test_cancelled_request_gives_its_connection_back(pool):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(pool.execute("SELECT pg_sleep(30)"), timeout=0.2)
    assert await pool.fetchval("SELECT 1") == 1


async def test_prices_arrive_as_whole_numbers(pool):
    prices = await pool.fetch("SELECT price_cents FROM products")
    assert len(prices) == 72
    assert all(type(row["price_cents"]) is int for row in prices)
