"""Fixtures that many files share. The suite needs a database that ``alembic upgrade head`` has prepared."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from shop import customers, db, inventory
from shop.catalogue import by_sku
from shop.passwords import hash_password

NOVEL = "NOVEL-000101-8"
PASSWORD = "correct horse battery"

# Everything that the shop's transactions fill; the reference data stays.
FILLED_TABLES = (
    "customers, addresses, login_attempts, orders, order_lines, payments, stock, stock_movements, "
    "jobs, audit_log, payouts, invoices, supplier_offers, carts"
)


@pytest.fixture(scope="session")
def engine():
    """The engine of the shop, as the web site has it."""
    engine = db.make_engine(pool_size=4)
    with engine.connect() as connection:
        migrated = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    if not migrated:
        pytest.exit("The database has no tables: run 'alembic upgrade head' first.", returncode=4)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    """A session whose commits are savepoints: whatever a test does is rolled back."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


@pytest.fixture
def connection():
    """A psycopg connection in a transaction that is rolled back."""
    with db.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def empty_tables(engine):
    """A function that empties the tables; numbers start from 1 again."""

    def empty():
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {FILLED_TABLES} RESTART IDENTITY CASCADE"))

    return empty


@pytest.fixture
def committed(engine, empty_tables):
    """For tests whose code commits: the tables are empty before and after."""
    empty_tables()
    yield engine
    empty_tables()


@pytest.fixture
def autocommit(committed):
    """A psycopg connection each of whose statements commits."""
    with db.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def password_hash():
    """Hashing is dear on purpose, so the tests share one hash of PASSWORD."""
    return hash_password(PASSWORD)


@pytest.fixture
def customer(session):
    """A customer in the rolled-back session."""
    return customers.register(session, email="ada@example.org", name="Ada", password=PASSWORD)


@pytest.fixture
def stocked(session):
    """Fifty pieces of a novel in Berlin and twenty in Lyon, in the rolled-back session."""
    product = by_sku(session, NOVEL)
    inventory.receive(session, product, 50, "BER")
    inventory.receive(session, product, 20, "LYS")
    session.flush()
    return product


@pytest.fixture(scope="session")
def clerk(engine, password_hash):
    """The member of staff on whose behalf the back office works, for the whole run."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO staff (id, login, password_hash) VALUES (1, 'clerk', :hash)"),
            {"hash": password_hash},
        )
    yield "clerk"
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM staff WHERE id = 1"))
