"""The catalogue's packages and types: which packages are known, what their types promise. Data only."""

from __future__ import annotations

#: Packages of which the catalogue knows all that matters: their other names do nothing to a database.
_KNOWN = """
    psycopg psycopg2 psycopg_pool asyncpg aiopg pg8000 sqlalchemy sqlmodel sqlalchemy_utils alembic
    django peewee playhouse tortoise pytest unittest typing typing_extensions os sys re json time
    datetime functools itertools collections contextlib pathlib dataclasses enum asyncio logging
    random string uuid math decimal copy abc types inspect operator warnings threading subprocess
    socket tempfile shutil io hashlib base64 fastapi starlette flask pydantic pydantic_settings
    numpy pandas freezegun faker factory anyio httpx requests attr attrs jwt secrets __future__
    builtins importlib traceback weakref queue concurrent multiprocessing signal select struct
    textwrap pytest_django pytest_asyncio click typer rich yaml toml tomllib csv zoneinfo pytz
    dateutil rest_framework
"""
KNOWN_PACKAGES = frozenset(_KNOWN.split())

#: What an annotation with such a type promises; by the first and the last part of the name.
INSTANCES = {
    "psycopg.Connection": "Connection",
    "psycopg.AsyncConnection": "Connection",
    "psycopg2.connection": "Connection",
    "asyncpg.Connection": "Connection",
    "asyncpg.Pool": "Pool",
    "pg8000.Connection": "Connection",
    "psycopg.Cursor": "Cursor",
    "psycopg.AsyncCursor": "Cursor",
    "psycopg2.cursor": "Cursor",
    "psycopg_pool.ConnectionPool": "Pool",
    "psycopg_pool.AsyncConnectionPool": "Pool",
    "sqlalchemy.Engine": "Engine",
    "sqlalchemy.AsyncEngine": "Engine",
    "sqlalchemy.Connection": "SaConnection",
    "sqlalchemy.AsyncConnection": "SaConnection",
    "sqlalchemy.Session": "Session",
    "sqlalchemy.AsyncSession": "Session",
    "sqlalchemy.scoped_session": "Session",
    "sqlalchemy.sessionmaker": "SessionFactory",
    "sqlalchemy.async_sessionmaker": "SessionFactory",
    "sqlmodel.Session": "Session",
    "sqlmodel.AsyncSession": "Session",
    "starlette.TestClient": "HttpClient",
    "fastapi.TestClient": "HttpClient",
    "flask.FlaskClient": "HttpClient",
    "httpx.AsyncClient": "HttpClient",
    "httpx.Client": "HttpClient",
    "django.Client": "DjangoClient",
    "pathlib.Path": "path",
}

#: Kinds that can reach a database: an unknown function that is given one may write through it.
REACHES_DATABASE = frozenset(
    ["Connection", "Cursor", "Pool", "Engine", "SaConnection", "Session", "SessionFactory", "Database"]
)
