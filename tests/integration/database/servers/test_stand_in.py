"""The stand-in for PostgreSQL as drivers see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2
import pytest
import sqlalchemy

from dbsafe_runner.database.stand_in import StandIn


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    server = StandIn(tmp_path_factory.mktemp("s"))
    yield server
    server.close()


def test_psycopg(stand_in: StandIn) -> None:
    before = time.time()
    with psycopg.connect(host=str(stand_in.home), user="me", dbname="shop") as connection:
        cursor = connection.execute("select id, name as title from items where id = %s", [3])
        assert [column.name for column in cursor.description or ()] == ["id", "title"]
        assert cursor.fetchall() == []
        assert connection.execute("insert into items values (1) returning id").fetchone() is None
        with connection.cursor().copy("copy items from stdin") as into:
            into.write("1\n")
        with connection.cursor().copy("copy items to stdout") as out:
            assert list(out) == []
        with connection.transaction(), connection.pipeline():
            connection.execute("select 1")
            connection.execute("update items set id = 2")
    assert stand_in.take_statements(before) == []
    sent = stand_in.take_statements(time.time())
    assert "insert into items values (1) returning id" in sent
    assert stand_in.take_statements(time.time()) == []


def test_psycopg2(stand_in: StandIn) -> None:
    connection = psycopg2.connect(host=str(stand_in.home), user="me", dbname="shop")
    with connection, connection.cursor() as cursor:
        cursor.execute("delete from items; select id from items")
        assert cursor.fetchall() == []
    connection.close()


def test_asyncpg(stand_in: StandIn) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(host=str(stand_in.home), user="me", database="shop")
        assert await connection.fetch("select id from items where id = $1::int", 3) == []
        assert await connection.execute("update items set id = 1") == "UPDATE 0"
        async with connection.transaction():
            assert await connection.fetchrow("select * from items where name = $1", "x") is None
        await connection.close()

    asyncio.run(work())


def test_pg8000(stand_in: StandIn) -> None:
    path = f"{stand_in.home}/.s.PGSQL.5432"
    connection = pg8000.dbapi.connect(user="me", database="shop", unix_sock=path)
    cursor = connection.cursor()
    cursor.execute("select id from items where id = %s", (1,))
    assert list(cursor.fetchall()) == []
    connection.close()


def test_sqlalchemy(stand_in: StandIn) -> None:
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://me@/shop?host={stand_in.home}")
    items = sqlalchemy.Table("items", sqlalchemy.MetaData(), sqlalchemy.Column("id", sqlalchemy.Integer))
    with engine.begin() as connection:
        assert connection.execute(sqlalchemy.select(items)).all() == []
        items.metadata.create_all(connection)
    engine.dispose()


def test_a_client_that_speaks_no_protocol_harms_nobody(stand_in: StandIn) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{stand_in.home}/.s.PGSQL.5432")
        client.sendall(b"\xff" * 20)
    test_psycopg(stand_in)


def test_its_socket_is_in_its_home(stand_in: StandIn) -> None:
    assert [path.name for path in Path(stand_in.home).iterdir()] == [".s.PGSQL.5432"]
