"""Servers as a user has them: on TCP, with passwords, roles of every rank, TLS and a pooler."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbsafe_runner.database.account import Account, server_account
from dbsafe_runner.database.binaries import Binaries, choose
from dbsafe_runner.database.cache import Cache
from dbsafe_runner.database.cluster import initialise
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.relocation import reachable
from dbsafe_runner.database.server import Installation, Server, free_port
from dbsafe_runner.database.user_server_provider import UserServerProvider
from dbsafe_runner.database.user_servers import Choice, provider_for

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
#: Directories of further servers' programs: DBSAFE_TEST_SERVERS=/opt/pg13/bin:/opt/pg16/bin
FURTHER = os.environ.get("DBSAFE_TEST_SERVERS", "").split(os.pathsep)
FURTHER = [directory for directory in FURTHER if directory]
PASSWORD = "s3cret word/@:"
QUOTED = "s3cret%20word%2F%40%3A"
#: Files of tests on whole databases, which the server itself copies.
WHOLE_DATABASES = ("test_databases", "test_databases_reset")

ROLES = f"""
create role maker login createdb createrole password '{PASSWORD}';
create role plain login password '{PASSWORD}';
create role other login password '{PASSWORD}';
alter role postgres password '{PASSWORD}';
"""


@dataclasses.dataclass
class UserServer:
    """A running server, and how a user would name it."""

    server: Server
    directory: Path
    account: Account
    bindir: Path
    tls: bool

    def url(self, database: str = "postgres", user: str = "postgres", query: str = "") -> str:
        return f"postgresql://{user}:{QUOTED}@127.0.0.1:{self.server.port}/{database}{query}"

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(database, user), autocommit=True)

    def ask(self, query: str, database: str = "postgres") -> list[Any]:
        with self.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def do(self, *statements: str, database: str = "postgres", user: str = "postgres") -> None:
        with self.connect(database, user) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ours(self) -> list[str]:
        """Databases of dbsafe's, without its templates."""
        rows = self.ask("select datname from pg_database where datname ~ '^dbsafe_' order by 1")
        return [name for (name,) in rows if not name.startswith("dbsafe_t_")]

    def restart(self) -> None:
        self.server.kill()
        self.server.launch()
        self.server.wait()


def _write(account: Account, path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)
    if account.switch:
        os.chown(path, account.uid, account.gid)


def _tls(account: Account, data: Path) -> None:
    key, certificate = data / "server.key", data / "server.crt"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    for path in (key, certificate):
        _write(account, path, path.read_text())


def _start(binaries: Binaries, directory: Path) -> UserServer:
    account = server_account()
    binaries, _ = reachable(binaries, account, Cache(directory / "cache", "binaries"), print)
    installation = Installation(binaries, account)
    home = account.make_directory(directory / "home")
    initialise(installation, directory / "data")
    data = directory / "data"
    tls = binaries.major == 15 and shutil.which("openssl") is not None
    if tls:
        _tls(account, data)
    with (data / "postgresql.conf").open("a") as file:
        file.write(f"max_connections = 60\nssl = {'on' if tls else 'off'}\n")
        # PostgreSQL 13 makes MD5 of passwords if not told otherwise, and pg_hba.conf asks for SCRAM.
        file.write("password_encryption = 'scram-sha-256'\n")
    _write(
        account, data / "pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    server = Server(installation, home, data, port=free_port(), listen="127.0.0.1")
    server.launch()
    server.wait()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(ROLES.encode())
        connection.execute("create database plain_db owner plain")
    return UserServer(server, directory, account, binaries.bindir, tls)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave whole runs, and whole databases, on other versions than the first to `scripts/long`.

    How a schema is cloned depends most on the version; the server itself copies databases.
    """
    for item in items:
        further = (
            getattr(item, "callspec", None) and item.callspec.params.get("user_server", "18") != "18"
        )
        whole = item.get_closest_marker("whole_run") or item.path.stem in WHOLE_DATABASES
        if further and whole:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", params=["18", "15", *FURTHER])
def user_server(request: pytest.FixtureRequest) -> Iterator[UserServer]:
    """A server with roles of every rank, of two major versions, and of further ones that are named."""
    if request.param == "15" and not DEBIAN_15.exists():
        pytest.skip("PostgreSQL 15 is not installed")
    bindir = {"18": "embedded", "15": str(DEBIAN_15)}.get(request.param, request.param)
    binaries = choose(bindir)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="dbs-own-", dir=memory))
    directory.chmod(0o711)
    started = _start(binaries, directory)
    yield started
    started.server.kill()
    shutil.rmtree(directory)


@pytest.fixture
def source(user_server: UserServer) -> Iterator[str]:
    """The name of a database with a few tables, owned by `maker`."""
    user_server.do("drop database if exists shop with (force)", "create database shop owner maker")
    user_server.do(
        "create table items (id serial primary key, name text not null)",
        "insert into items (name) values ('one'), ('two')",
        database="shop",
        user="maker",
    )
    yield "shop"
    user_server.do("drop database if exists shop with (force)")


@pytest.fixture
def provide(user_server: UserServer, tmp_path: Path) -> Iterator[Callable[..., UserServerProvider]]:
    """Makes providers, closes them in the end, and finds nothing of theirs left."""
    made: list[UserServerProvider] = []

    def make(
        url: str,
        direct: str = "",
        namespace: str = "auto",
        patience: float = 60.0,
        **request: Any,
    ) -> UserServerProvider:
        choice = Choice(url, direct, namespace, patience=patience)
        provider = provider_for(choice, TemplateRequest(**{"root": tmp_path, **request}))
        made.append(provider)
        return provider

    yield make
    for provider in made:
        provider.close()
    assert user_server.ours() == []


@dataclasses.dataclass
class Pooler:
    """PgBouncer in transaction mode before a server."""

    port: int

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}:{QUOTED}@127.0.0.1:{self.port}/{database}"


@pytest.fixture
def pooler(user_server: UserServer, tmp_path: Path) -> Iterator[Pooler]:
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    port = free_port()
    directory = user_server.account.make_directory(user_server.directory / f"pooler-{port}")
    users = "".join(f'"{user}" "{PASSWORD}"\n' for user in ("postgres", "maker", "plain"))
    _write(user_server.account, directory / "users", users)
    settings = f"""
[databases]
* = host=127.0.0.1 port={user_server.server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = transaction
logfile = {directory}/log
"""
    _write(user_server.account, directory / "ini", settings)
    options = user_server.account.popen_options()
    process = subprocess.Popen([program, "-q", directory / "ini"], stderr=subprocess.DEVNULL, **options)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    yield Pooler(port)
    process.terminate()
    process.wait()
