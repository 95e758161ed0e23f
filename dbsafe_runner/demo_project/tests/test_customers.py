"""Accounts, in sessions that are rolled back."""

import base64
import hashlib

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from shop import customers
from shop.customers import EmailTakenError, WrongCredentialsError
from shop.models import Address, Customer
from shop.passwords import WeakPasswordError

PASSWORD = "correct horse battery"


def count(session, model):
    return session.scalar(select(func.count()).select_from(model))


def test_register(session):
    ada = customers.register(session, email=" Ada@example.org ", name="Ada", password=PASSWORD)
    session.flush()
    assert ada.id is not None
    assert ada.email == "Ada@example.org"
    assert ada.country.name == "Germany"
    assert ada.created_at.tzinfo is not None


def test_the_only_customer_is_the_new_one(session, customer):
    assert count(session, Customer) == 1
    assert session.scalars(select(Customer.email)).all() == ["ada@example.org"]


def test_password_is_stored_as_a_hash(session, customer):
    stored = session.scalar(text("SELECT password_hash FROM customers"))
    assert stored.startswith("scrypt$")
    assert PASSWORD not in stored


def test_email_is_taken_whatever_its_case(session, customer):
    with pytest.raises(EmailTakenError):
        customers.register(session, email="ADA@EXAMPLE.ORG", name="Other", password=PASSWORD)
    assert count(session, Customer) == 1


def test_session_survives_a_taken_email(session, customer):
    with pytest.raises(EmailTakenError):
        customers.register(session, email="ada@example.org", name="Other", password=PASSWORD)
    customers.register(session, email="bob@example.org", name="Bob", password=PASSWORD)
    assert count(session, Customer) == 2


def test_unknown_country(session):
    with pytest.raises(IntegrityError, match="customers_country_code_fkey"):
        customers.register(session, email="x@example.org", name="X", password=PASSWORD, country="XX")


@pytest.mark.parametrize("password", ["short", "1234567890123"])
def test_weak_passwords_make_no_account(session, password):
    with pytest.raises(WeakPasswordError):
        customers.register(session, email="x@example.org", name="X", password=password)
    assert count(session, Customer) == 0


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@example.org", " ada@example.org "])
def test_log_in(session, customer, email):
    assert customers.log_in(session, email, PASSWORD) is customer


@pytest.mark.parametrize(
    ("email", "password"), [("ada@example.org", "wrong horse battery"), ("nobody@example.org", PASSWORD)]
)
def test_log_in_refused(session, customer, email, password):
    with pytest.raises(WrongCredentialsError):
        customers.log_in(session, email, password)


def test_old_hash_is_renewed_at_login(session, customer):
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1024, r=8, p=1)
    customer.password_hash = "$".join(
        ["scrypt", "1024", base64.b64encode(salt).decode(), base64.b64encode(digest).decode()]
    )
    customers.log_in(session, customer.email, PASSWORD)
    assert customer.password_hash.startswith("scrypt$16384$")


def test_change_password(session, customer):
    customers.change_password(session, customer, PASSWORD, "entirely new words")
    assert customers.log_in(session, customer.email, "entirely new words") is customer
    with pytest.raises(WrongCredentialsError):
        customers.log_in(session, customer.email, PASSWORD)


def test_change_password_needs_the_old_one(session, customer):
    before = customer.password_hash
    with pytest.raises(WrongCredentialsError):
        customers.change_password(session, customer, "not my password", "entirely new words")
    assert customer.password_hash == before


class TestAddresses:
    """Where parcels go; customers and addresses refer to each other."""

    def test_the_first_address_becomes_the_default(self, session, customer):
        home = customers.add_address(session, customer, "Analytical Way 1", "Berlin")
        work = customers.add_address(session, customer, "Engine Street 2", "Berlin")
        assert customer.default_address is home
        assert customer.addresses == [home, work]

    def test_deleting_the_default_address_leaves_none(self, session, customer):
        customers.add_address(session, customer, "Analytical Way 1", "Berlin")
        session.execute(text("DELETE FROM addresses"))
        session.expire_all()
        assert customer.default_address is None

    def test_deleting_the_customer_deletes_the_addresses(self, session, customer):
        customers.add_address(session, customer, "Analytical Way 1", "Berlin")
        session.execute(text("DELETE FROM customers WHERE id = :id"), {"id": customer.id})
        assert count(session, Address) == 0

    def test_default_address_must_exist_at_commit(self, session, customer):
        session.execute(text("UPDATE customers SET default_address_id = 999999"))
        with pytest.raises(IntegrityError, match="customers_default_address"):
            session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


def test_commit_inside_a_test_is_a_savepoint(session, customer, engine):
    session.commit()
    with engine.connect() as other:
        assert other.scalar(text("SELECT count(*) FROM customers")) == 0
