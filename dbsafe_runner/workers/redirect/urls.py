"""Targets: what a connection string, URL or environment says about the server it means.

Pure text work with libpq's rules for URLs, `key=value` strings and service files. It opens no
connection and decides nothing; `routing` decides. Like the whole package it runs on Python 3.8 and
later, because programs that a test starts may have an interpreter of their own.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

DEFAULT_PORT = 5432
#: What every local address of the machine's own default server is called here.
LOOPBACK = "localhost"

#: Directories in which libpq and the distributions look for the default server's socket.
_DEFAULT_SOCKET_DIRECTORIES = frozenset(
    [
        "/var/run/postgresql",
        "/run/postgresql",
        "/tmp",  # noqa: S108 - Nothing is written there.
        "/private/tmp",
    ]
)
_LOOPBACK_NAMES = frozenset(
    [
        "",
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
        "::1",
        "0:0:0:0:0:0:0:1",
        "::",
        "0.0.0.0",  # noqa: S104
    ]
)
_LOOPBACK_ADDRESS = re.compile(r"(::ffff:)?127(\.\d{1,3}){3}$")
_SOCKET_FILE = re.compile(r"/?\.s\.PGSQL\.(\d+)$")
_URL = re.compile(
    r"(?:postgres(?:ql)?|postgis|pgsql|timescale(?:gis)?|asyncpg|psycopg[23]?|pg8000)(?:\+\w+)?://"
)
#: As libpq and SQLAlchemy have it: the login ends at an "@" before the first "/", and "#" and "?" mean
#: nothing in it. A further "@" belongs to the password: drivers that use urllib read it so.
_URL_PARTS = re.compile(
    r"(?P<scheme>[\w+]+)://(?:(?P<login>[^@/]*(?:@[^@/?]*)*)@)?"
    r"(?P<hosts>[^@/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>\d*))?$")
_KEY_VALUE = re.compile(
    r"\s*(?P<key>\w+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<bare>(?:[^\s\\']|\\.)*))"
)
#: Marks, while a URL is parsed, that its query has named a host already.
_REPEATED = "\0host"
_ESCAPE = re.compile(r"\\(.)")

#: libpq's environment variables for the parameters that redirection reads or has to neutralise.
ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "options": "PGOPTIONS",
    "service": "PGSERVICE",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslcertmode": "PGSSLCERTMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "gssencmode": "PGGSSENCMODE",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}


class _Fields(NamedTuple):
    host: str
    port: int
    user: str
    database: str


class Target(_Fields):
    """One server and what to log in to there; equal for all spellings of the same server.

    Every way to say "the default server of this machine" has the host `localhost`. A socket in any
    other directory is a server of its own and keeps its directory as host.
    """

    #: The host as it was given, for messages; no part of what makes targets equal.
    written: str

    def __new__(  # noqa: D102, PYI034 - `Self` needs Python 3.11.
        cls, host: str = "", port: int = DEFAULT_PORT, user: str = "", database: str = ""
    ) -> Target:
        new = super().__new__(cls, normalise_host(host), int(port or DEFAULT_PORT), user, database)
        new.written = host or new.host
        return new

    @property
    def server(self) -> tuple[str, int]:
        """Host and port: two targets with the same pair mean the same server."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The target as a URL, without a password; what has a meaning of its own in a URL is encoded."""
        login = f"{quote(self.user, safe='')}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        return f"postgresql://{login}{host}:{self.port}/{quote(self.database, safe='')}"

    @classmethod
    def parse(cls, text: str = "", environ: Mapping[str, str] | None = None) -> Target:
        """The first server that a URL or a `key=value` string means, with libpq's defaults.

        Raises ValueError when the text is neither.
        """
        return targets_of(parse_conninfo(text), environ)[0]


def normalise_host(host: str) -> str:
    """One name for all spellings of a host; a socket file is named by its directory."""
    if host.startswith("/"):
        directory = os.path.normpath(_SOCKET_FILE.sub("", host) or "/")
        return LOOPBACK if directory in _DEFAULT_SOCKET_DIRECTORIES else directory
    name = host.strip("[]").rstrip(".").lower()
    if name in _LOOPBACK_NAMES or _LOOPBACK_ADDRESS.match(name):
        return LOOPBACK
    return name


def is_loopback(host: str) -> bool:
    """Whether a normalised host is the machine's default server, by TCP or by socket."""
    return host == LOOPBACK


def is_socket(host: str) -> bool:
    """Whether a host is the directory (or the abstract name) of a Unix socket."""
    return host.startswith(("/", "@"))


def socket_port(path: str) -> int:
    """The port in the name of a socket file, e.g. 5432 for `/tmp/.s.PGSQL.5432`; 0 when it has none."""
    match = _SOCKET_FILE.search(path)
    return int(match.group(1)) if match else 0


def is_url(text: str) -> bool:
    """Whether the text is a PostgreSQL URL, SQLAlchemy's `postgresql+driver://` included."""
    return bool(_URL.match(text))


def parse_conninfo(text: str) -> dict[str, str]:
    """Libpq parameters that a URL or a `key=value` string sets; hosts and ports keep their commas.

    Raises ValueError when the text is neither.
    """
    return parse_url(text) if is_url(text) else parse_key_value(text)


class UrlParts(NamedTuple):
    """The parts of a URL as they are written there; None where it has no such part."""

    scheme: str
    user: str | None
    password: str | None
    hosts: str
    database: str | None
    query: str | None


def split_url(url: str) -> UrlParts:
    """Take a URL apart as libpq does. Raises ValueError, without its parts, when it is none."""
    match = _URL_PARTS.match(url)
    if match is None:
        msg = "not a PostgreSQL URL"
        raise ValueError(msg)
    login = match.group("login")
    user, colon, password = (login or "").partition(":")
    return UrlParts(
        match.group("scheme"),
        None if login is None else user,
        password if colon else None,
        match.group("hosts"),
        match.group("database"),
        match.group("query"),
    )


def parse_url(url: str) -> dict[str, str]:
    """Libpq parameters that a URL sets. Raises ValueError, without its parts, when it is none."""
    parts = split_url(url)
    params: dict[str, str] = {}
    named = (("user", parts.user), ("password", parts.password), ("dbname", parts.database))
    for key, written in named:
        if written:
            params[key] = unquote(written)
    hosts, ports = _split_hosts(parts.hosts)
    if any(hosts):
        params["host"] = ",".join(hosts)
    if any(ports):
        params["port"] = ",".join(ports)
    for key, value in parse_qsl(parts.query or "", keep_blank_values=True):
        _add_query_parameter(params, key, value)
    params.pop(_REPEATED, None)
    return params


def with_parameters(url: str, params: Mapping[str, str]) -> str:
    """The URL with these parameters in force, and no others in its query than these.

    A socket or another host goes into the query, where it overrides the host that stays in its place;
    a network address takes that place. Driver-specific scheme and password stay.
    """
    parts = split_url(url)
    rest = dict(params)
    hosts = parts.hosts.split(",")[0]
    if not is_socket(rest["host"]):
        host = rest.pop("host")
        hosts = f"[{host}]" if ":" in host else host
        hosts += ":" + rest.pop("port")
    login = parts.user or ""
    if "user" in rest and rest.pop("user") != unquote(login):
        login = quote(params["user"], safe="")
    password = parts.password
    if "password" in rest and rest.pop("password") != unquote(password or ""):
        password = quote(params["password"], safe="")
    login += "" if password is None else ":" + password
    database = parts.database
    if "dbname" in rest and rest.pop("dbname") != unquote(database or ""):
        database = quote(params["dbname"], safe="")
    query = urlencode(rest, safe="/", quote_via=quote)
    return "".join(
        (
            parts.scheme,
            "://",
            login and login + "@",
            hosts,
            "/",
            database or "",
            query and "?" + query,
        )
    )


def _split_hosts(text: str) -> tuple[list[str], list[str]]:
    hosts, ports = [], []
    for part in text.split(","):
        match = _HOST_AND_PORT.match(part)
        if match is None:
            msg = "not a PostgreSQL URL: host and port cannot be told apart"
            raise ValueError(msg)
        hosts.append(unquote(match.group("host")).strip("[]"))
        ports.append(match.group("port") or "")
    return hosts, ports


def _add_query_parameter(params: dict[str, str], key: str, value: str) -> None:
    """The query overrides the rest, as in libpq; repeated `host=name:port` is SQLAlchemy's form."""
    if key == "host" and value and not is_socket(value):
        hosts, ports = _split_hosts(value)
        repeated = _REPEATED in params
        params[_REPEATED] = ""
        value = ",".join([params["host"], *hosts] if repeated else hosts)
        if any(ports):
            params["port"] = ",".join([params.get("port", ""), *ports] if repeated else ports)
    params["dbname" if key == "database" else key] = value


def parse_key_value(text: str) -> dict[str, str]:
    """Libpq parameters of a `key=value` string. Raises ValueError when it is none."""
    params: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        match = _KEY_VALUE.match(text, position)
        if match is None:
            msg = "not a connection string"
            raise ValueError(msg)
        quoted = match.group("quoted")
        params[match.group("key")] = _ESCAPE.sub(
            r"\1", match.group("bare") if quoted is None else quoted
        )
        position = match.end()
    return params


def service_parameters(service: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What the service file says about a service; empty when there is no such file or service."""
    files = [environ.get("PGSERVICEFILE") or environ.get("HOME", "") + "/.pg_service.conf"]
    if environ.get("PGSYSCONFDIR"):
        files.append(environ["PGSYSCONFDIR"] + "/pg_service.conf")
    for file in files:
        try:
            # pathlib would cost more than all the rest of this package.
            with open(file, encoding="utf-8") as lines:  # noqa: PTH123
                found = _read_section(service, lines.read())
        except (OSError, ValueError):
            continue
        if found is not None:
            return found
    return {}


def _read_section(service: str, text: str) -> dict[str, str] | None:
    found: dict[str, str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            if found is not None:
                break
            found = {} if line == "[" + service + "]" else None
        elif found is not None and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key.strip()] = value.strip()
    return found


class Effective:
    """Parameters as libpq sees them: those given, then the service file's, then the environment's."""

    def __init__(self, params: Mapping[str, object], environ: Mapping[str, str] | None = None) -> None:
        self._given = params
        self._environ = os.environ if environ is None else environ
        service = params.get("service") or self._environ.get("PGSERVICE")
        self._service = service_parameters(str(service), self._environ) if service else {}

    def of_service(self) -> dict[str, str]:
        """What the service file says."""
        return self._service

    def inherited(self, key: str) -> str | None:
        """The value that the service file or the environment would supply if none were given."""
        if key in self._service:
            return self._service[key]
        return self._environ.get(ENVIRONMENT.get(key, ""))

    def get(self, key: str) -> str:
        """The value in force, "" when there is none."""
        given = self._given.get(key)
        return str(given) if given is not None else self.inherited(key) or ""


def targets_of(params: Mapping[str, object], environ: Mapping[str, str] | None = None) -> list[Target]:
    """Every server that libpq would try for these parameters, in order; at least one."""
    effective = Effective(params, environ)
    user = effective.get("user") or _system_user()
    database = effective.get("dbname") or user
    names = effective.get("host").split(",")
    addresses = effective.get("hostaddr").split(",")
    ports = effective.get("port").split(",")
    count = max(len(names), len(addresses))
    # What is connected to is the address, where both are given.
    hosts = [_item(addresses, i) or _item(names, i) for i in range(count)]
    return [
        Target(host, _port(ports[0] if len(ports) == 1 else _item(ports, i)), user, database)
        for i, host in enumerate(hosts)
    ]


def _item(values: list[str], index: int) -> str:
    return values[index].strip() if index < len(values) else ""


def _port(text: str) -> int:
    # A port that is no number is the driver's to complain about.
    return int(text) if text.strip().isdigit() else DEFAULT_PORT


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
