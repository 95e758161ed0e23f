"""Source URLs: what the URLs that the suite connects to say, or why they cannot be read.

URLs are taken apart by `workers.redirect.urls` alone, so that all of dbsafe reads them alike.
"""

from __future__ import annotations

import getpass
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dbsafe_runner.database.sources import Source
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.workers.redirect import urls

NEITHER: Final = "It is neither a URL nor a libpq connection string."
#: Parameters that say where a server is, and which database is meant.
_PLACE: Final = ("host", "hostaddr", "dbname")
_SCHEMES: Final = frozenset(("postgresql", "postgres", "postgis"))


class _UnfitError(ValueError):
    """Why a URL cannot be used, in words of our own that hold none of its parts but the scheme."""


def parse_source(text: str) -> Source:
    """The parts of a URL (`postgresql://`, also with `+driver`) or of a libpq connection string.

    What it leaves out is taken from the service file and the environment, as by libpq.

    Raises:
        UserError: `bad-source` when it is neither.
    """
    try:
        if "://" in text:
            values = _of_url(text)
        else:
            values = {name: str(value) for name, value in conninfo_to_dict(text).items() if value}
        known = urls.Effective({name: value for name, value in values.items() if value})
        user = known.get("user") or getpass.getuser()
        port = _first_port(known.get("port"))
    except (ValueError, psycopg.Error, KeyError, OSError) as error:
        # The URL itself stays out of it: it may hold a password.
        raise bad_source(str(error) if isinstance(error, _UnfitError) else NEITHER) from None
    return Source(
        user=user,
        database=known.get("dbname") or user,
        password=known.get("password"),
        host=known.get("host"),
        port=port,
    )


def completed(url: str) -> str:
    """A URL of a server with what the service file says, and where the environment says that it is.

    What is to be refused by its name, or to be carried over to other databases, is then in the URL. One
    that libpq cannot read is left for it to complain about.
    """
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
        known = urls.Effective(given)
        wanted = (*_PLACE, *known.of_service()) if url else ()
        return make_conninfo(url, **{name: known.get(name) for name in wanted if known.get(name)})
    except psycopg.Error:
        return url


def bad_source(cause: str) -> UserError:
    """The error for a URL of the suite's that cannot be read; the URL must not be in `cause`."""
    return UserError(
        "bad-source",
        "The database URL of the suite cannot be read.",
        cause=cause,
        hint="Write it as postgresql://user:password@host:port/database.",
        exit_code=ExitCode.USAGE,
    )


def _of_url(url: str) -> dict[str, str]:
    scheme = url.partition("://")[0]
    if scheme.partition("+")[0] not in _SCHEMES:
        raise _UnfitError(f"Its scheme is {scheme!r}, not postgresql.")
    try:
        return urls.parse_url(url)
    except ValueError:
        raise _UnfitError("Its host and its port cannot be told apart from the rest.") from None


def _first_port(text: str) -> int:
    port = text.split(",", maxsplit=1)[0] or "0"
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        # What is taken for it may be a piece of a password.
        raise _UnfitError("Its port is no number below 65536.")
    return int(port)
