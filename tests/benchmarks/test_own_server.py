"""How soon a namespace on a user's server is ready: from the warm pool, and cold beside CREATE DATABASE.

python -m pytest -s tests/benchmarks/test_own_server.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fakes.projects import Project

from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.user_server_provider import UserServerProvider
from dbsafe_runner.database.user_servers import Choice, provider_for

TABLES = 60
ROWS = 50
FILES, TESTS, TURNS = 10, 30, 3
WRITING = f"""
    import os
    import psycopg, pytest

    @pytest.mark.parametrize("number", range({TESTS}))
    def test_writes(number):
        with psycopg.connect(os.environ["SHOP_URL"], autocommit=True) as connection:
            for table in (1, 2, 3):
                name = f"{{__name__}} {{number}}"
                connection.execute(f"insert into t{{table}} (name) values (%s)", [name])
"""
#: Not in the tests, which would have to run alone for a file that all of them write to.
CLOCK = """
    import time
    import pytest

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol():
        yield
        with open("clock", "a") as file: print(time.time(), file=file)
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with a database of 60 tables, each with two indexes, a serial and a foreign key."""
    provider = EmbeddedProvider(TemplateRequest(root=Path(tempfile.gettempdir())))
    try:
        provider.prepare(lambda _text: None)
        home = provider.acquire("server").endpoint
        there = f"postgresql://postgres@/{{}}?host={home.host}&port={home.port}"
        with psycopg.connect(there.format("postgres"), autocommit=True) as connection:
            connection.execute("create database shop")
        with psycopg.connect(there.format("shop"), autocommit=True) as connection:
            for number in range(TABLES):
                before = f"references t{number - 1}" if number else ""
                columns = f"id serial primary key, other int {before}, name text unique"
                connection.execute(f"create table t{number} ({columns})")
                rows = f"select g, 'n' || g from generate_series(1, {ROWS}) as g"
                connection.execute(f"insert into t{number} (other, name) {rows}")
        yield there
    finally:
        provider.close()


def providers(url: str, namespace: str) -> UserServerProvider:
    request = TemplateRequest(root=Path(tempfile.gettempdir()))
    return provider_for(Choice(url.format("shop"), namespace=namespace), request)


def milliseconds(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"median {statistics.median(ordered) * 1000:.1f} ms, worst {ordered[-1] * 1000:.1f} ms"


@pytest.mark.parametrize("namespace", ["database", "schema"])
def test_a_namespace_of_the_warm_pool_is_there_at_once(url: str, namespace: str) -> None:
    provider = providers(url, namespace)
    try:
        provider.prepare(lambda _text: None)
        waits = []
        for number in range(30):
            provider.warm(2)
            # As long as a worker that is made anew takes to start.
            time.sleep(0.25)
            started = time.perf_counter()
            leased = provider.acquire(f"gw{number}")
            waits.append(time.perf_counter() - started)
            provider.release(leased)
    finally:
        provider.close()
    print(f"\n{namespace}, warm: {milliseconds(waits)}")
    assert statistics.median(waits) <= 0.005


def test_a_cold_clone_costs_little_more_than_create_database(url: str) -> None:
    provider = providers(url, "database")
    bare, cold = [], []
    try:
        provider.prepare(lambda _text: None)
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            found = connection.execute("select datname from pg_database where datname like 'dbsafe%'")
            (template,) = [name for (name,) in found]
            for number in range(25):
                started = time.perf_counter()
                connection.execute(f"create database bare template {template} strategy file_copy")
                bare.append(time.perf_counter() - started)
                connection.execute("drop database bare")
                started = time.perf_counter()
                leased = provider.acquire(f"gw{number}")
                cold.append(time.perf_counter() - started)
                provider.release(leased)
    finally:
        provider.close()
    ratio = statistics.median(cold) / statistics.median(bare)
    print(
        f"\nCREATE DATABASE: {milliseconds(bare)}; cold clone: {milliseconds(cold)}; {ratio:.2f} times"
    )
    assert ratio <= 1.3


def test_a_schema_is_cloned_and_dropped(url: str) -> None:
    provider = providers(url, "schema")
    cold, gone = [], []
    try:
        started = time.perf_counter()
        provider.prepare(lambda _text: None)
        prepared = time.perf_counter() - started
        for number in range(15):
            started = time.perf_counter()
            leased = provider.acquire(f"gw{number}")
            cold.append(time.perf_counter() - started)
            started = time.perf_counter()
            provider.release(leased)
            gone.append(time.perf_counter() - started)
    finally:
        provider.close()
    print(f"\nschema: read in {prepared:.2f} s, clone {milliseconds(cold)}, drop {milliseconds(gone)}")
    assert statistics.median(cold) < 1.0


def test_isolation_costs_little_per_test(url: str, tmp_path: Path) -> None:
    project = Project(tmp_path).write(conftest=CLOCK)
    project.write(**{f"test_{number}": WRITING for number in range(FILES)})
    taken: dict[str, list[float]] = {}
    for turn in range(TURNS):
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute(f"create database plain{turn} template shop")
        project.variables["SHOP_URL"] = url.format(f"plain{turn}")
        assert project.pytest("-q").code == 0
        taken.setdefault("pytest, one database", []).append(per_test(project))
        project.variables["SHOP_URL"] = url.format("shop")
        for strategy in ("balanced", "conservative"):
            ran = project.dbsafe(
                "--database",
                url.format("shop"),
                "--isolation",
                strategy,
                "--history",
                strategy,
                workers=1,
            )
            assert ran.code == 0, ran.out
            assert ran.results["run"]["namespace_kind"] == "database"
            taken.setdefault(f"dbsafe, {strategy}", []).append(per_test(project))
    print(f"\n{FILES * TESTS} tests that write to three tables, one worker, milliseconds per test:")
    for way, seconds in taken.items():
        print(f"{way}: {', '.join(f'{1000 * one:.1f}' for one in seconds)}")


def per_test(project: Project) -> float:
    """Seconds from the end of one test to the end of the next, in the mean."""
    clock = project.root / "clock"
    ended = sorted(float(line) for line in clock.read_text().split())
    clock.unlink()
    assert len(ended) == FILES * TESTS
    return (ended[-1] - ended[0]) / (len(ended) - 1)
