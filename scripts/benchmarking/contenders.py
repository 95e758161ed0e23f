"""Who is measured on which suite, and how each is run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarking.measuring import Command
from dbsafe_runner.config import load_config
from dbsafe_runner.database.provider import NamespaceProvider
from dbsafe_runner.session.parts import make_provider

_BIN = Path(sys.executable).parent
_QUIET = ("-q", "-p", "no:cacheprovider")
#: One worker that may be replaced as often as it takes.
_XDIST = ("-n", "1", "--max-worker-restart", "1000")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A way to run a suite. Entering `run` makes it ready, which is not measured."""

    name: str
    run: Callable[[], contextlib.AbstractContextManager[Command]]


def environment(**more: str) -> dict[str, str]:
    """Ours, with the tools of this environment on the path, and nothing of the caller's databases."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"SHOP_DATABASE_URL", "DATABASE_URL", "PYTHONPATH"}
    }
    return {
        **kept,
        "PATH": f"{_BIN}{os.pathsep}{kept.get('PATH', '')}",
        "PY_COLORS": "0",
        "NO_COLOR": "1",
        **more,
    }


def pytest_command(*arguments: str) -> list[str]:
    """Plain pytest."""
    return [sys.executable, "-m", "pytest", *_QUIET, "--tb=no", "-r", "N", *arguments]


def dbsafe_command(workers: int, *arguments: str) -> list[str]:
    """dbsafe with so many workers."""
    return [str(_BIN / "dbsafe"), "run", "--workers", str(workers), *_QUIET, "--tb=no", *arguments]


def plain(name: str, directory: Path, arguments: Sequence[str], **variables: str) -> Contender:
    """A contender that needs nothing but its command."""

    @contextlib.contextmanager
    def run() -> Iterator[Command]:
        yield Command(arguments, directory, environment(**variables))

    return Contender(name, run)


def knowing_nothing(contender: Contender, directory: Path) -> Contender:
    """The same, but what dbsafe learned from earlier runs is forgotten before each."""

    @contextlib.contextmanager
    def run() -> Iterator[Command]:
        known = directory / ".dbsafe"
        aside = directory / ".dbsafe-aside"
        if known.exists():
            known.rename(aside)
        try:
            with contender.run() as command:
                yield command
        finally:
            shutil.rmtree(known, ignore_errors=True)
            if aside.exists():
                aside.rename(known)

    return Contender(f"{contender.name}, first run", run)


def sharing_one_server(
    name: str, directory: Path, arguments: Sequence[str], provider: NamespaceProvider
) -> Contender:
    """A contender whose processes all use one database, fresh from the template for each run."""

    @contextlib.contextmanager
    def run() -> Iterator[Command]:
        namespace = provider.acquire("shared")
        endpoint = namespace.endpoint
        # SQLAlchemy wants its driver named, where libpq knows no such thing.
        url = f"://shop:shop@/shop?host={endpoint.host}&port={endpoint.port}"
        try:
            yield Command(
                arguments,
                directory,
                environment(
                    SHOP_DATABASE_URL=f"postgresql+psycopg{url}", DATABASE_URL=f"postgresql{url}"
                ),
                server=_server_of(endpoint.host),
            )
        finally:
            provider.release(namespace)

    return Contender(name, run)


def _server_of(socket_directory: str) -> int:
    """The process id of the server with its socket there; the socket's lock file begins with it."""
    lock = next(Path(socket_directory).glob(".s.PGSQL.*.lock"))
    return int(lock.read_text().splitlines()[0])


@contextlib.contextmanager
def shared_server(directory: Path) -> Iterator[NamespaceProvider]:
    """Servers for contenders that have none of their own, as the suite's runner.toml says."""
    os.environ["PATH"] = environment()["PATH"]
    config = load_config(directory, environment=environment(), options={}, file=None)
    provider = make_provider(config, fresh=False)
    try:
        provider.prepare(lambda _step: None)
        yield provider
    finally:
        provider.close()


def demo_contenders(directory: Path, provider: NamespaceProvider) -> list[Contender]:
    """The demo: serially, with xdist on one database, and with dbsafe."""
    shared = [
        sharing_one_server(name, directory, pytest_command(*arguments), provider)
        for name, arguments in (
            ("pytest", ()),
            ("pytest -n 2", ("-n", "2")),
            ("pytest -n 4", ("-n", "4")),
        )
    ]
    ours = [
        plain(f"dbsafe, {workers} workers", directory, dbsafe_command(workers)) for workers in (2, 4)
    ]
    return [*shared, *ours, knowing_nothing(ours[-1], directory)]


def crashing_contenders(directory: Path, provider: NamespaceProvider, log: Path) -> list[Contender]:
    """The crashing suite, one worker each, which is replaced again and again."""
    variables = {"BENCHMARK_CRASHES": str(log)}
    xdist = sharing_one_server("pytest -n 1", directory, pytest_command(*_XDIST), provider)
    return [
        with_variables(xdist, variables),
        plain("dbsafe, 1 worker", directory, dbsafe_command(1, "--no-confirm"), **variables),
    ]


def with_variables(contender: Contender, variables: dict[str, str]) -> Contender:
    """The same with more environment variables."""

    @contextlib.contextmanager
    def run() -> Iterator[Command]:
        with contender.run() as command:
            yield dataclasses.replace(command, environment={**command.environment, **variables})

    return Contender(contender.name, run)


def trivial_contenders(directory: Path) -> list[Contender]:
    """The trivial suite: no database anywhere."""
    return [
        plain("pytest", directory, pytest_command()),
        plain("pytest -n 2", directory, pytest_command("-n", "2")),
        plain("pytest -n 4", directory, pytest_command("-n", "4")),
        plain("dbsafe, 2 workers", directory, dbsafe_command(2)),
        plain("dbsafe, 4 workers", directory, dbsafe_command(4)),
    ]


def skewed_contenders(directory: Path, spans: Path) -> list[Contender]:
    """The skewed suite, six workers each; dbsafe knows the durations from an earlier run."""
    variables = {"BENCHMARK_SPANS": str(spans)}
    ways = [
        plain(
            f"pytest -n 6 --dist {way}", directory, pytest_command("-n", "6", "--dist", way), **variables
        )
        for way in ("load", "worksteal", "loadfile")
    ]
    ours = plain("dbsafe, 6 workers", directory, dbsafe_command(6), **variables)
    return [*ways, ours, knowing_nothing(ours, directory)]
