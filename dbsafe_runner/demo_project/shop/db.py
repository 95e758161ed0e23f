"""Connections: an engine for the ORM, plain psycopg connections for the rest, a pool for the API."""

from typing import Any

import asyncpg
import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from shop import settings


def libpq_options() -> str:
    """The connection settings in the form of libpq's ``options``."""
    return " ".join(f"-c {name}={value}" for name, value in settings.server_settings().items())


def make_engine(url: URL | None = None, **options: Any) -> Engine:
    """An engine for the shop's database; it connects at the first query."""
    connect_args = {"options": libpq_options()}
    return create_engine(url or settings.database_url(), connect_args=connect_args, **options)


def connect(database: str | None = None, *, autocommit: bool = False) -> psycopg.Connection[dict[str, Any]]:
    """A psycopg connection whose rows are dictionaries. The caller closes it."""
    return psycopg.connect(
        settings.dsn(database), options=libpq_options(), autocommit=autocommit, row_factory=dict_row
    )


async def make_pool(max_size: int = 4) -> asyncpg.Pool:
    """A pool of asyncpg connections for the web API. The caller closes it."""
    return await asyncpg.create_pool(
        settings.dsn(), min_size=1, max_size=max_size, server_settings=settings.server_settings()
    )
