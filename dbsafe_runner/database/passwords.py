"""Passwords: how they are left out of texts, however they are spelled there.

Python, URLs, connection strings and shells each write some characters in a way of their own, and a URL
may be written in many ways: all of them are found.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable
from typing import Final

from psycopg.conninfo import conninfo_to_dict

MASK: Final = "***"

#: What stands around a password in URLs, connection strings and Python.
_AROUND: Final = (
    (":", "@"),
    ("password=", ""),
    ("password='", "'"),
    ('password="', '"'),
    ("'password': '", "'"),
    ("PGPASSWORD': '", "'"),
)
#: Ways to write one character, beside itself and its bytes in hexadecimal digits.
_ESCAPES: Final = {" ": (r"\+",), "'": (r"\\+'", r"'\"'\"'"), '"': (r'\\+"',), "\\": (r"\\+",)}


def masked(text: str, password: str, names: Collection[str] = ()) -> str:
    """A text without a password; one that is a mere word, only where it stands as a password.

    Args:
        text: any.
        password: "" changes nothing.
        names: of roles and databases, which are to stay even where the password is the same.
    """
    if not password or not text:
        return text
    pattern = _spelled(password)
    if _is_secret(password) and password not in names:
        return re.sub(pattern, MASK, text)
    for before, after in _AROUND:
        text = re.sub(f"{before}{pattern}{after}", f"{before}{MASK}{after}", text)
    return text


def masked_urls(text: str, urls: Iterable[str]) -> str:
    """A text without the passwords in these URLs, of which libpq can read each."""
    for url in urls:
        values = {key: str(value or "") for key, value in conninfo_to_dict(url).items()}
        names = values.get("user", ""), values.get("dbname", "")
        text = masked(text, values.get("password", ""), names)
    return text


def _is_secret(password: str) -> bool:
    """Whether a password stands for nothing else in a text, as "password" or "test" do."""
    return len(password) >= 6 and not password.isalpha()


@functools.lru_cache(maxsize=32)
def _spelled(password: str) -> str:
    """A regular expression for all spellings."""
    return "".join(f"(?:{'|'.join(_spellings(character))})" for character in password)


def _spellings(character: str) -> list[str]:
    """Regular expressions for one character, longer ones first."""
    code = ord(character)
    percent = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    spellings = [*_ESCAPES.get(character, ()), f"(?i:{percent})", re.escape(character)]
    return spellings if character.isascii() else [rf"\\+(?:x{code:02x}|u{code:04x})", *spellings]
