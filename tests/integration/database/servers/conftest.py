"""Directories of our own for servers and caches, and a provider that is closed in the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import TemplateRequest

#: A program that prepares, takes namespaces, tells about them in one line, and waits to be ended.
PROGRAM = """
import json, os, sys
from pathlib import Path
from dbsafe_runner.database import embedded, provider, sources
arguments = json.loads(sys.argv[1])
if arguments.get("uid"):
    import concurrent.futures.thread, psycopg, psutil, encodings.idna, getpass, pwd, shutil, tempfile
    os.setgroups([]); os.setgid(arguments["uid"]); os.setuid(arguments["uid"])
request = provider.TemplateRequest(root=Path(arguments["root"]), setup=arguments.get("setup", ""))
made = embedded.EmbeddedProvider(request)
info = made.prepare(lambda text: print(text, file=sys.stderr))
homes = [made.acquire("gw0").endpoint.host for _ in range(arguments.get("count", 1))]
print(json.dumps({"homes": homes, "reused": info.reused, "version": info.server_version}), flush=True)
sys.stdin.read()
made.close()
"""
#: The module of a project, with set-up functions.
MODULE = """
import os, psycopg

def prepare():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create table made_by as select user as who, %s as cwd", [os.getcwd()])
    with open("ran", "a") as file:
        file.write("x")

def pgcrypto():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create extension pgcrypto")

def quietly_pgcrypto():
    try:
        pgcrypto()
    except psycopg.Error:
        raise SystemExit("something went wrong")

def impossible():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create extension no_such_thing")
"""


def _area() -> Path:
    # pytest's own directories are closed to other accounts; servers of root run under one.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    area = Path(tempfile.mkdtemp(prefix="dbs-", dir=memory))
    area.chmod(0o711)
    return area


@pytest.fixture(scope="session")
def kept_cache() -> Iterator[Path]:
    """A cache for all tests that are not about the cache: initdb runs once."""
    area = _area()
    yield area / "cache"
    shutil.rmtree(area)


@pytest.fixture
def area(kept_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for running servers, in the environment; it must be empty of them in the end."""
    area = _area()
    monkeypatch.setenv("DBSAFE_SERVERS_DIR", str(area / "run"))
    monkeypatch.setenv("DBSAFE_CACHE_DIR", str(kept_cache))
    yield area
    # The guardian of a killed program needs a moment.
    deadline = time.monotonic() + 10
    while (left := servers_below(area)) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(area, ignore_errors=True)
    assert not left


@pytest.fixture
def own_cache(area: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this test alone."""
    monkeypatch.setenv("DBSAFE_CACHE_DIR", str(area / "cache"))
    return area / "cache"


@pytest.fixture
def project(area: Path) -> Path:
    """A project directory with a module that has set-up functions."""
    root = area / "project"
    root.mkdir()
    (root / "preparing.py").write_text(MODULE)
    return root


class Providers:
    """Makes providers, and closes them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: list[EmbeddedProvider] = []

    def __call__(self, request: TemplateRequest | None = None, **options: Any) -> EmbeddedProvider:
        provider = EmbeddedProvider(request or TemplateRequest(root=self._root), **options)
        self._made.append(provider)
        return provider

    def close(self) -> None:
        """Close all that were made, so that nobody holds the cache."""
        while self._made:
            self._made.pop().close()


@pytest.fixture
def provide(area: Path) -> Iterator[Providers]:
    """Makes providers; those not closed by the test are closed after it."""
    providers = Providers(area)
    yield providers
    providers.close()


@pytest.fixture
def servers() -> Callable[[Path], list[int]]:
    """Process ids of the server processes that run below a directory."""
    return servers_below


def servers_below(directory: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(directory.resolve()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


class Program:
    """A dbsafe of its own, in a process that can be killed."""

    def __init__(self, **arguments: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(arguments, default=str)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def ready(self) -> dict[str, Any]:
        """What it tells when it has its namespaces."""
        assert self.process.stdout
        assert self.process.stderr
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> str:
        """Let it close in an orderly way; what it said on standard error."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said
        return said


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Starts programs; those still running are killed after the test."""
    started: list[Program] = []

    def start(**arguments: Any) -> Program:
        started.append(Program(**arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
