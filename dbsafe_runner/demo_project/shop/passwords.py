"""Passwords, hashed with scrypt at the cost that a login page can afford (about 50 ms)."""

import base64
import hashlib
import hmac
import os

COST, BLOCK, PARALLEL = 2**14, 8, 1
MINIMUM_LENGTH = 10


class WeakPasswordError(ValueError):
    """The password is not accepted; the message says why."""


def hash_password(password: str) -> str:
    """``scrypt$cost$salt$digest``. Raises WeakPasswordError."""
    check_strength(password)
    salt = os.urandom(16)
    return f"scrypt${COST}${_encode(salt)}${_encode(_digest(password, salt, COST))}"


def verify_password(password: str, stored: str) -> bool:
    """True if the password belongs to the stored hash; takes the same time either way."""
    _, cost, salt, digest = stored.split("$")
    return hmac.compare_digest(_digest(password, base64.b64decode(salt), int(cost)), base64.b64decode(digest))


def needs_rehash(stored: str) -> bool:
    """True if the hash was made at an older, lower cost."""
    return int(stored.split("$")[1]) < COST


def check_strength(password: str) -> None:
    """Raises WeakPasswordError for passwords that are short or of a single kind of character."""
    if len(password) < MINIMUM_LENGTH:
        raise WeakPasswordError(f"shorter than {MINIMUM_LENGTH} characters")
    if password.isdigit() or len(set(password)) < 4:
        raise WeakPasswordError("too easy to guess")


def _digest(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=BLOCK, p=PARALLEL, maxmem=2**26)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
