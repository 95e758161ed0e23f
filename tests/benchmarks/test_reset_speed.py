"""How long a look and a reset take, by how many tables there are. Run with -s to see the table.

python -m pytest -s tests/benchmarks/test_reset_speed.py
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.reset import Keeper
from dbsafe_runner.domain.namespace import Namespace

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
TURNS = 100
#: Milliseconds for a look and a reset with three dirty tables.
LIMIT = 3.0


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], Namespace]]:
    """Starts a server of the embedded version, or of an installed one, once each."""
    area = Path(
        tempfile.mkdtemp(prefix="dbs-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    )
    area.chmod(0o711)
    started: dict[str, Namespace] = {}
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBSAFE_SERVERS_DIR", str(area / "run"))
        patch.setenv("DBSAFE_CACHE_DIR", str(area / "cache"))

        def start(postgres: str) -> Namespace:
            if postgres not in started:
                provider = EmbeddedProvider(TemplateRequest(root=area), postgres=postgres)
                stack.callback(provider.close)
                provider.prepare(lambda _: None)
                started[postgres] = provider.acquire("gw0")
            return started[postgres]

        yield start
    shutil.rmtree(area, ignore_errors=True)


def _schema(session: psycopg.Connection[Any], tables: int) -> None:
    for number in range(tables):
        reference = f", r int references t{number - 1}" if number % 3 else ""
        session.execute(
            f"create table t{number}"
            f" (id serial primary key, name text not null, n int, at timestamptz{reference})"
        )
        session.execute(f"create index on t{number} (name)")
        if number % 2 == 0:
            session.execute(
                f"insert into t{number} (name, n) select 'x' || g, g from generate_series(1, 20) g"
            )


def _median(turns: int, prepare: Callable[[], object], timed: Callable[[], object]) -> float:
    found = []
    for _ in range(turns):
        prepare()
        started = time.perf_counter()
        timed()
        found.append((time.perf_counter() - started) * 1000)
    return statistics.median(found)


@pytest.mark.parametrize("tables", [60, 200, 1000])
@pytest.mark.parametrize("kind", ["wal-18", "wal-15", "scan-15"])
def test_look_and_reset(
    servers: Callable[[str], Namespace], tmp_path: Path, kind: str, tables: int
) -> None:
    method, _, version = kind.partition("-")
    if version == "15" and not DEBIAN_15.is_dir():
        pytest.skip("PostgreSQL 15 is not installed")
    server = servers("auto" if version == "18" else str(DEBIAN_15))
    name = f"bench{tables}"
    with psycopg.connect(server.admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name}")
        try:
            with psycopg.connect(server.admin_dsn, dbname=name, autocommit=True) as suite:
                _schema(suite, tables)
                here = dataclasses.replace(server, database=name, scratch=str(tmp_path))
                if method == "scan":
                    here = dataclasses.replace(here, server_version=140000)
                figures = _measure(here, suite, tables)
        finally:
            admin.execute(f"drop database {name} with (force)")
    print(
        f"\n{kind} {tables:5} tables: "
        + ", ".join(f"{what} {value:.2f}" for what, value in figures.items())
    )
    if method == "wal":
        assert figures["look and reset"] <= LIMIT


def _measure(here: Namespace, suite: psycopg.Connection[Any], tables: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    made = time.perf_counter()
    keeper = Keeper(here)
    figures["start"] = (time.perf_counter() - made) * 1000

    def write() -> None:
        suite.execute("insert into t2 (name) values ('a')")
        suite.execute("update t4 set n = 7 where id = 3")
        suite.execute("delete from t6 where id = 20")

    def undo() -> None:
        suite.execute("begin; update t4 set n = 7 where id = 3; rollback")

    def truncate() -> None:
        suite.execute(f"truncate t{tables - 2} cascade")

    def both() -> None:
        keeper.look()
        assert keeper.reset().retire == ""

    def discreet() -> None:
        keeper._links.discreet = True
        both()
        keeper._links.discreet = False

    figures["look, nothing"] = _median(TURNS, lambda: None, keeper.look)
    figures["look, rolled back"] = _median(TURNS, undo, keeper.look)
    figures["look, three written"] = _median(TURNS, lambda: (keeper.reset(), write()), keeper.look)
    keeper.reset()
    figures["look and reset"] = _median(TURNS, write, both)
    figures["after truncate"] = _median(TURNS // 2, truncate, both)
    figures["discreet"] = _median(TURNS // 2, write, discreet)
    keeper.close()
    everything = ", ".join(f"t{number}" for number in range(tables))
    figures["truncate all"] = _median(3, lambda: None, lambda: suite.execute(f"truncate {everything}"))
    deletes = "; ".join(f"delete from t{number}" for number in reversed(range(tables)))
    figures["delete all"] = _median(5, lambda: None, lambda: suite.execute(deletes))
    return figures
