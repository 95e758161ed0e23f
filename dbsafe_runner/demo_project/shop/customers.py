"""Accounts: registration, login, addresses, deletion."""

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.models import Address, Customer
from shop.passwords import hash_password, needs_rehash, verify_password


class EmailTakenError(ValueError):
    """Another account has this e-mail address."""


class WrongCredentialsError(ValueError):
    """No account has this e-mail address and password."""


def register(
    session: Session, *, email: str, name: str, password: str, country: str = "DE", vat_id: str | None = None
) -> Customer:
    """A new account. Raises EmailTakenError, WeakPasswordError; the session stays usable."""
    customer = Customer(
        email=email.strip(),
        name=name,
        password_hash=hash_password(password),
        country_code=country,
        vat_id=vat_id,
    )
    try:
        with session.begin_nested():
            session.add(customer)
    except IntegrityError as error:
        if "customers_email" in str(error.orig):
            raise EmailTakenError(email) from None
        raise
    return customer


def find(session: Session, email: str) -> Customer | None:
    """The account with this e-mail address, whatever its case."""
    return session.scalar(select(Customer).where(func.lower(Customer.email) == email.strip().lower()))


def log_in(session: Session, email: str, password: str) -> Customer:
    """The account; its hash is renewed when it is of an older cost. Raises WrongCredentialsError."""
    customer = find(session, email)
    if customer is None or not verify_password(password, customer.password_hash):
        raise WrongCredentialsError(email)
    if needs_rehash(customer.password_hash):
        customer.password_hash = hash_password(password)
    return customer


def change_password(session: Session, customer: Customer, old: str, new: str) -> None:
    """Raises WrongCredentialsError, WeakPasswordError."""
    if not verify_password(old, customer.password_hash):
        raise WrongCredentialsError(customer.email)
    customer.password_hash = hash_password(new)
    session.flush()


def add_address(session: Session, customer: Customer, street: str, city: str) -> Address:
    """A new address in the customer's country; the first one becomes the default."""
    address = Address(street=street, city=city, country_code=customer.country_code)
    customer.addresses.append(address)
    session.flush()
    if customer.default_address is None:
        customer.default_address = address
        session.flush()
    return address
