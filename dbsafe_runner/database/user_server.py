"""The user's own server: how it is reached, what it is, and what the role of its URL may do there.

Only a URL that the user gave is ever connected to; nothing is created here. The password stays within
`ServerAddress.dsn` and `Endpoint`, and is left out of every text that can be shown.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from dbsafe_runner.database.passwords import masked, masked_urls
from dbsafe_runner.database.sources import Source
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.errors import ExitCode, UserError

#: The oldest major version that namespaces are made on.
OLDEST: Final = 13

#: Seconds that connecting may take.
CONNECT_TIMEOUT: Final = 15

#: The database that sessions without a database of their own go to, where it can be connected to.
MAINTENANCE: Final = "postgres"

#: Where libpq finds the same in the environment.
_VARIABLE: Final = "PG{}"

#: What of a URL belongs to the way to the server, and goes into every connection that is led there.
_WAY: Final = frozenset(
    ("gssencmode", "channel_binding", "krbsrvname", "options", "require_auth", "requirepeer")
)
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")

_HINT: Final = (
    "Check the URL given as --database, as [database] server or in DATABASE_URL; "
    "--embedded uses servers of dbsafe's own."
)
_HINT_FULL: Final = (
    "It has no connection left for this role. End what else uses the server, or raise "
    "max_connections or the role's CONNECTION LIMIT; --embedded uses servers of dbsafe's own."
)
#: How PostgreSQL, and a pooler, say that they have no connection left.
_FULL: Final = (
    "too many connections",
    "too many clients",
    "connection slots are reserved",
    "no more connections",
)

_FACTS: Final = """
select current_setting('server_version_num')::int, current_setting('server_version'),
       r.rolsuper, r.rolcreatedb, has_database_privilege(current_database(), 'CREATE'), r.rolname::text,
       current_database()::text, pg_is_in_recovery(), pg_backend_pid(),
       current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true), '0')::int,
       r.rolconnlimit, d.datconnlimit
  from pg_roles as r, pg_database as d
 where r.rolname = current_user and d.datname = current_database()
"""


@dataclasses.dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is and how to log in, with libpq's environment and password file filled in."""

    host: str
    port: int
    user: str
    database: str
    password: str = dataclasses.field(default="", repr=False)
    #: libpq parameters of the way there: TLS and its files (absolute paths), `options` and such.
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def dsn(self, database: str = "", **parameters: str) -> str:
        """A libpq connection string, password included."""
        given: dict[str, Any] = {
            **self.options,
            "host": self.host,
            "port": str(self.port),
            "user": self.user,
            "dbname": database or self.database,
            **parameters,
        }
        if self.password:
            given["password"] = self.password
        return make_conninfo("", **given)

    @property
    def shown(self) -> str:
        """For output: no password."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def mask(self, text: str) -> str:
        """`text` without the password; one that is a mere word, only as part of a URL or a setting."""
        return masked(text, self.password, (self.user, self.database))


@dataclasses.dataclass(frozen=True, slots=True)
class ServerFacts:
    """What was found out about a server and about the role of its URL."""

    version: str
    version_num: int
    superuser: bool
    createdb: bool
    #: It may create schemas in the database of the URL.
    create_schema: bool
    role: str
    #: Something between us and PostgreSQL hands server connections out per transaction.
    pooled: bool
    max_connections: int
    #: Connections that only superusers (and members of pg_use_reserved_connections) get.
    reserved: int
    #: How many connections the role may have, -1 for no limit.
    role_limit: int

    @property
    def capacity(self) -> int:
        """How many connections our role could have if nobody else had one."""
        free = self.max_connections - (0 if self.superuser else self.reserved)
        return free if self.role_limit < 0 or self.superuser else min(free, self.role_limit)


def check_allowed(url: str, deny: Sequence[str]) -> None:
    """Refuse servers whose host or database looks like production.

    Args:
        url: of the server.
        deny: patterns (fnmatch) of names that are refused.

    Raises:
        UserError: `server-denied`, `bad-server-url`.
    """
    values = _parse(url)
    names = [*str(values.get("host", "")).split(","), *str(values.get("hostaddr", "")).split(",")]
    for name in (*names, str(values.get("dbname", ""))):
        for pattern in deny:
            if name and fnmatch.fnmatchcase(name.lower(), pattern.lower()):
                raise UserError(
                    "server-denied",
                    f"{name!r} looks like a production system: it matches {pattern!r}.",
                    cause="Tests write to the database that they are given. Nothing was connected to.",
                    hint="Name another server; or, if this one is meant for tests, remove the pattern "
                    "from [database] deny.",
                    exit_code=ExitCode.USAGE,
                )


def check_url(url: str) -> None:
    """Refuse what cannot be the URL of a server.

    Raises:
        UserError: `bad-server-url`.
    """
    _parse(url)


def inspect_pooler(url: str) -> tuple[ServerAddress, ServerFacts]:
    """As `inspect`, where a pooler may be in between, which keeps its connections to a database.

    These would be in the way when the URL's database is to be copied: so it is asked for another one,
    if the role may connect to that.

    Raises:
        UserError: as `inspect`.
    """
    try:
        address, facts = inspect(make_conninfo(url, dbname=MAINTENANCE))
    except UserError:
        return inspect(url)
    if not facts.pooled:
        return inspect(url)
    return dataclasses.replace(address, database=_database_of(url) or address.user), facts


def _database_of(url: str) -> str:
    """The database that a URL names, libpq's environment filled in."""
    defaults = {default.keyword.decode(): default.val for default in Conninfo.get_defaults()}
    named = _parse(url).get("dbname") or (defaults["dbname"] or b"").decode()
    return str(named)


def inspect(url: str) -> tuple[ServerAddress, ServerFacts]:
    """Connect to the server of `url`, and say where it really is and what it is.

    Raises:
        UserError: `bad-server-url`, `server-unreachable`, `server-too-old`, `server-read-only`.
    """
    with connect(url) as connection:
        address = _address(connection, _parse(url))
        row = connection.execute(_FACTS).fetchone()
        assert row is not None
        own_pid = connection.info.backend_pid
        pooled = row[8] != own_pid and _shares_sessions(address, connection)
    facts = ServerFacts(
        version=row[1].split()[0],
        version_num=row[0],
        superuser=row[2],
        createdb=row[2] or row[3],
        create_schema=row[4],
        role=row[5],
        pooled=pooled,
        max_connections=row[9],
        reserved=row[10],
        role_limit=row[11],
    )
    _check(address, facts, standby=row[7])
    return address, facts


def connect(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A session in autocommit mode that prepares no statements.

    Raises:
        UserError: `server-unreachable`.
    """
    try:
        return psycopg.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,
            application_name="dbsafe",
            connect_timeout=CONNECT_TIMEOUT,
        )
    except psycopg.OperationalError as error:
        raise UserError(
            "server-unreachable",
            "The server that namespaces are to be made on cannot be connected to.",
            cause=_without_secrets(str(error), dsn),
            hint=_HINT_FULL if any(words in str(error) for words in _FULL) else _HINT,
            exit_code=ExitCode.SERVER,
        ) from None


def can_log_in(address: ServerAddress, source: Source, database: str = "") -> bool:
    """Whether a login of the suite works on this server; `database`: instead of the address's."""
    there = dataclasses.replace(address, user=source.user, password=source.password)
    try:
        psycopg.connect(there.dsn(database), connect_timeout=CONNECT_TIMEOUT).close()
    except psycopg.OperationalError:
        return False
    return True


def choose_kind(wanted: str, facts: ServerFacts) -> tuple[NamespaceKind, str]:
    """The kind of namespaces, and why in words.

    Args:
        wanted: "auto" for the strongest that is permitted, or a NamespaceKind value.
        facts: of the server.

    Raises:
        UserError: `namespace-not-permitted`.
    """
    name = facts.role
    if wanted == "server":
        raise _not_permitted(
            "Whole servers cannot be made on a server that is given by URL.",
            "Use --namespace auto, or --database embedded for servers of dbsafe's own.",
        )
    if wanted != "schema" and facts.createdb:
        right = "is a superuser" if facts.superuser else "may create databases"
        return NamespaceKind.DATABASE, f"a database for each worker, as {name} {right}"
    if wanted == "database":
        raise _not_permitted(
            f"The role {name} may not create databases on this server.",
            f"ALTER ROLE {name} CREATEDB gives the right; --namespace schema needs less.",
        )
    if not facts.create_schema:
        raise _not_permitted(
            f"The role {name} may create neither databases on this server nor schemas in this database.",
            f"ALTER ROLE {name} CREATEDB, or GRANT CREATE ON DATABASE ... TO {name}.",
        )
    if facts.pooled:
        raise _not_permitted(
            "A schema for each worker needs search_path on the session, which a pooler that hands out "
            "server connections per transaction does not keep.",
            "Give the URL of PostgreSQL itself, or the right to create databases.",
        )
    why = "as asked for" if wanted == "schema" else f"as {name} may not create databases"
    return NamespaceKind.SCHEMA, f"a schema for each worker, {why}"


def _parse(url: str) -> dict[str, Any]:
    try:
        values = conninfo_to_dict(url)
    except psycopg.Error as error:
        # libpq quotes parts of the URL, and the password may be one of them.
        raise _bad_url(str(error).partition('"')[0].rstrip(" :\n")) from None
    # libpq takes these, and would say so with what may be a piece of the password.
    if any("@" in host[1:] for host in str(values.get("host", "")).split(",")):
        raise _bad_url('There is an "@" in its host: one in a password is written %40.')
    for port in str(values.get("port") or "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise _bad_url("Its port is no number below 65536: a / in a password is written %2F.")
    return values


def _bad_url(cause: str) -> UserError:
    return UserError(
        "bad-server-url",
        "The URL of the server cannot be read.",
        cause=cause,
        hint="Write it as postgresql://user:password@host:port/database, with special characters in the "
        "password as %40 and the like.",
        exit_code=ExitCode.USAGE,
    )


def _address(connection: psycopg.Connection[Any], given: Mapping[str, Any]) -> ServerAddress:
    info = connection.info
    # Only what was said: drivers that are not libpq do not know all of what libpq fills in.
    options = {
        key: value
        for key, value in info.get_parameters().items()
        if (key.startswith("ssl") or key in _WAY)
        and (key in given or _VARIABLE.format(key.upper()) in os.environ)
    }
    for key in _FILES:
        # "system" is libpq's word for the certificates of the operating system.
        if (file := options.get(key)) and file != "system":
            options[key] = str(Path(file).absolute())
    if options.get("sslpassword"):
        del options["sslpassword"]
    return ServerAddress(
        host=info.host or info.hostaddr,
        port=info.port,
        user=info.user,
        database=info.dbname,
        password=info.password,
        options=options,
    )


def _shares_sessions(address: ServerAddress, first: psycopg.Connection[Any]) -> bool:
    """Whether a second client gets the server connection of the first, which is idle.

    A pooler invents the process id that a client is told, and hands an idle server connection of a
    client that is still there to the next one only when it pools transactions or statements.
    """
    with connect(address.dsn()) as second:
        pids = [session.execute("select pg_backend_pid()").fetchone() for session in (first, second)]
    return pids[0] == pids[1]


def _check(address: ServerAddress, facts: ServerFacts, *, standby: bool) -> None:
    if facts.version_num < OLDEST * 10000:
        raise UserError(
            "server-too-old",
            f"{address.shown} is PostgreSQL {facts.version}; {OLDEST} is the oldest that is supported.",
            exit_code=ExitCode.SERVER,
        )
    if standby:
        raise UserError(
            "server-read-only",
            f"{address.shown} is a standby: nothing can be created there.",
            hint="Give the URL of the primary, or of another server.",
            exit_code=ExitCode.SERVER,
        )


def _not_permitted(message: str, hint: str) -> UserError:
    return UserError("namespace-not-permitted", message, hint=hint, exit_code=ExitCode.SERVER)


def _without_secrets(message: str, dsn: str) -> str:
    return masked_urls(message, [dsn]).strip()
