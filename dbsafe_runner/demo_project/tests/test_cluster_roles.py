"""Roles for people and programs. Roles belong to the whole server, so their names are taken by everybody."""

import psycopg
import pytest
from psycopg import errors

from shop import db, settings


@pytest.fixture
def admin():
    with db.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def accountant(admin):
    """The role of the accountants, who read orders and nothing else."""
    admin.execute("CREATE ROLE shop_accountant LOGIN PASSWORD 'ledger'")
    admin.execute("GRANT SELECT ON orders, payments, invoices TO shop_accountant")
    yield "shop_accountant"
    admin.execute("DROP OWNED BY shop_accountant")
    admin.execute("DROP ROLE shop_accountant")


def log_in_as(role, password):
    url = settings.database_url().set(drivername="postgresql", username=role, password=password)
    return psycopg.connect(url.render_as_string(hide_password=False))


def roles(connection):
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop\\_%' ORDER BY 1")
    return [row["rolname"] for row in rows]


def test_roles_of_the_migrations(admin):
    assert roles(admin) == ["shop_seller"]


def test_the_accountant_is_the_only_new_role(admin, accountant):
    assert roles(admin) == ["shop_accountant", "shop_seller"]


def test_accountants_log_in_and_read(accountant):
    with log_in_as(accountant, "ledger") as connection:
        assert connection.execute("SELECT current_user, count(*) FROM orders").fetchone() == (accountant, 0)


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM customers", "DELETE FROM orders", "CREATE TABLE mine (id integer)"]
)
def test_accountants_do_nothing_else(accountant, statement):
    with log_in_as(accountant, "ledger") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


def test_a_role_is_made_once(admin, accountant):
    with pytest.raises(errors.DuplicateObject):
        admin.execute("CREATE ROLE shop_accountant")


def test_a_role_with_rights_cannot_be_dropped(admin, accountant):
    with pytest.raises(errors.DependentObjectsStillExist):
        admin.execute("DROP ROLE shop_accountant")


def test_rights_can_be_taken_back(admin, accountant):
    admin.execute("REVOKE SELECT ON orders FROM shop_accountant")
    with log_in_as(accountant, "ledger") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM orders")


def test_settings_of_a_role(admin, accountant):
    admin.execute("ALTER ROLE shop_accountant SET statement_timeout = '5s'")
    with log_in_as(accountant, "ledger") as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)


def test_connection_limit_of_a_role(admin, accountant):
    admin.execute("ALTER ROLE shop_accountant CONNECTION LIMIT 1")
    with (
        log_in_as(accountant, "ledger"),
        pytest.raises(psycopg.OperationalError, match="too many connections"),
    ):
        log_in_as(accountant, "ledger")
