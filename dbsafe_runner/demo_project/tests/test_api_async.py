"""The writing half of the web API: asyncpg, requests side by side, everything committed."""

import asyncio
import json

import asyncpg
import pytest
import pytest_asyncio

from shop import db
from shop.api import Api

NOVEL, KNIFE = "NOVEL-000101-8", "KNIFE-000125-X"


@pytest_asyncio.fixture
async def pool(committed):
    async with await db.make_pool() as pool:
        await pool.execute(
            "INSERT INTO customers (id, email, name, password_hash, country_code) "
            "VALUES (1, 'ada@example.org', 'Ada', 'x', 'DE')"
        )
        yield pool


@pytest.fixture
def call(pool):
    """Send a request: status and body."""
    api = Api(pool)

    async def call(method, path, body=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        parts = [data[:10], data[10:]]
        sent = []

        async def receive():
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message):
            sent.append(message)

        await api({"type": "http", "method": method, "path": path}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    return call


def order(**basket):
    return {"email": "Ada@example.org", "basket": {NOVEL: 1} | basket}


async def test_place(call):
    assert await call("POST", "/orders", order()) == (201, {"number": 1, "total_cents": 1290})


async def test_read_back(call):
    await call("POST", "/orders", order(**{KNIFE: 2}))
    status, body = await call("GET", "/orders/1")
    assert (status, body) == (200, {"number": 1, "status": "placed", "total_cents": 7270})


async def test_lines_are_stored(call, pool):
    await call("POST", "/orders", order(**{KNIFE: 2}))
    rows = await pool.fetch("SELECT position, quantity, unit_price_cents FROM order_lines ORDER BY position")
    assert [tuple(row) for row in rows] == [(1, 2, 2990), (2, 1, 1290)]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"email": "nobody@example.org", "basket": {NOVEL: 1}}, 403, "no such customer"),
        ({"email": "ada@example.org", "basket": {}}, 422, "a basket maps"),
        ({"email": "ada@example.org", "basket": {NOVEL: 0}}, 422, "a basket maps"),
        ({"email": "ada@example.org", "basket": {NOVEL: 1, "X": 1}}, 422, "unknown products: X"),
        (["not", "an", "object"], 422, "a basket maps"),
        (b"{broken", 400, "not JSON"),
    ],
)
async def test_refused(call, pool, body, status, error):
    answer, content = await call("POST", "/orders", body)
    assert answer == status
    assert error in content["error"]
    assert await pool.fetchval("SELECT count(*) FROM orders") == 0


async def test_forty_requests_side_by_side(call, pool):
    answers = await asyncio.gather(*(call("POST", "/orders", order()) for _ in range(40)))
    assert sorted(body["number"] for _, body in answers) == list(range(1, 41))
    assert await pool.fetchval("SELECT count(*) FROM orders") == 40


async def test_price_change_waits_for_the_order(pool):
    async with pool.acquire() as ordering, pool.acquire() as pricing:
        transaction = ordering.transaction()
        await transaction.start()
        await ordering.fetch("SELECT price_cents FROM products WHERE sku = $1 FOR SHARE", NOVEL)
        await pricing.execute("SET lock_timeout = '300ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await pricing.execute("UPDATE products SET price_cents = 1 WHERE sku = $1", NOVEL)
        await transaction.rollback()


async def test_listening_in_the_api_process(pool):
    heard = asyncio.get_running_loop().create_future()
    async with pool.acquire() as listener:

        def on_job(_connection, _pid, _channel, payload):
            heard.set_result(payload)

        await listener.add_listener("job_added", on_job)
        await pool.execute("INSERT INTO jobs (kind) VALUES ('mail')")
        assert await asyncio.wait_for(heard, 10) == "1:mail"
        await listener.remove_listener("job_added", on_job)


async def test_a_failed_transaction_leaves_the_pool_usable(pool, call):
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "INSERT INTO customers (id, email, name, password_hash, country_code) "
            "VALUES (1, 'bob@example.org', 'Bob', 'x', 'DE')"
        )
    assert (await call("POST", "/orders", order()))[0] == 201


async def test_copy_of_many_customers(pool):
    rows = [(f"c{number}@example.org", f"Customer {number}", "x", "FR") for number in range(2_000)]
    columns = ["email", "name", "password_hash", "country_code"]
    assert await pool.execute("SELECT setval('customers_id_seq', 1, true)")
    await pool.copy_records_to_table("customers", records=rows, columns=columns)
    assert await pool.fetchval("SELECT count(*) FROM customers") == 2_001
    assert await pool.fetchval("SELECT max(id) FROM customers") == 2_001


async def test_cursor_reads_in_portions(pool):
    await pool.execute("INSERT INTO jobs (kind) SELECT 'mail' FROM generate_series(1, 500)")
    async with pool.acquire() as connection, connection.transaction():
        cursor = connection.cursor("SELECT id FROM jobs ORDER BY id", prefetch=50)
        seen = [record["id"] async for record in cursor]
    assert seen == list(range(1, 501))
