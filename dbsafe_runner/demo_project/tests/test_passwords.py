"""Passwords. Each hash takes the time that makes guessing dear."""

import pytest

from shop.passwords import (
    COST,
    WeakPasswordError,
    check_strength,
    hash_password,
    needs_rehash,
    verify_password,
)

PASSWORD = "correct horse battery"
OLD_HASH = "scrypt$1024$c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 86 + "=="


@pytest.fixture(scope="module")
def stored():
    return hash_password(PASSWORD)


def test_right_password(stored):
    assert verify_password(PASSWORD, stored)


@pytest.mark.parametrize("wrong", ["Correct horse battery", "correct horse battery ", "", "x" * 1000])
def test_wrong_password(stored, wrong):
    assert not verify_password(wrong, stored)


def test_the_same_password_never_hashes_alike(stored):
    assert hash_password(PASSWORD) != stored


def test_the_password_is_not_in_the_hash(stored):
    assert "horse" not in stored
    assert stored.startswith(f"scrypt${COST}$")


@pytest.mark.parametrize("password", ["pässwörter sind lang", "密码密码密码一二三四五六", "🐎🔋📎✅ staple"])
def test_any_script(password):
    assert verify_password(password, hash_password(password))


@pytest.mark.parametrize(
    ("password", "reason"),
    [("short", "shorter than 10"), ("1234567890", "easy to guess"), ("aaaabbbbcccc", "easy to guess")],
)
def test_weak_passwords(password, reason):
    with pytest.raises(WeakPasswordError, match=reason):
        hash_password(password)


def test_strong_password_is_accepted():
    check_strength("Tr0ub4dor&3x")


def test_old_hashes_are_renewed(stored):
    assert needs_rehash(OLD_HASH)
    assert not needs_rehash(stored)


def test_broken_hash_is_an_error():
    with pytest.raises(ValueError, match="unpack"):
        verify_password(PASSWORD, "md5$abc")
