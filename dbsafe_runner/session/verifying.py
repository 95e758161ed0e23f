"""`dbsafe verify`: the suite with dbsafe and serially with plain pytest, compared test by test."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.domain.events import RunEvent, TestFinished
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.reporting.sink import Sink
from dbsafe_runner.session.parts import allowed_hosts, make_provider
from dbsafe_runner.session.running import run_pool
from dbsafe_runner.workers.launch import RECORD
from dbsafe_runner.workers.redirect import Target
from dbsafe_runner.workers.redirect.environment import serial_environment
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.shuffling import SEED


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A test whose outcome differs. An outcome is "" where the test was not run at all."""

    nodeid: str
    serial: str
    parallel: str


@dataclasses.dataclass(frozen=True, slots=True)
class SerialRun:
    """A serial run: outcomes by node id, wall seconds of the whole process, and its exit code."""

    outcomes: Mapping[str, str]
    seconds: float
    exit_code: int


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """Both runs, and where they differ. Times are wall seconds from command to end."""

    differences: tuple[Difference, ...]
    tests: int
    serial_seconds: float
    parallel_seconds: float
    serial_exit_code: int
    parallel_exit_code: int

    @property
    def exit_code(self) -> int:
        """0 when the verdicts agree, pytest's code when both had no tests to run, else DIFFERENT."""
        if self.differences or self.serial_exit_code != self.parallel_exit_code:
            return int(ExitCode.DIFFERENT)
        return 0 if self.tests else self.parallel_exit_code


def verify(
    config: Config,
    request: RunRequest,
    sinks: Sequence[Sink],
    say: Callable[[str], None] = lambda _text: None,
) -> Verification:
    """Run the suite with dbsafe, then serially on a fresh namespace, and compare.

    Args:
        config: the configuration in force.
        request: what to run.
        sinks: read the events of the parallel run.
        say: told each step in words.

    Raises:
        UserError: as `run`; also when the serial run ends without running the tests.
    """
    # One order, wherever a plugin shuffles the tests.
    request = dataclasses.replace(request, seed=secrets.randbits(32))
    say("Running the suite with dbsafe.")
    outcomes = Outcomes()
    started = time.monotonic()
    code, pool = run_pool(config, request, [outcomes, *sinks])
    seconds = time.monotonic() - started
    say("Running the suite serially with plain pytest, on a fresh namespace.")
    serial = run_serially(config, request, tuple(Target(*source) for source in pool.tenancy.sources))
    return Verification(
        differences=compare(serial.outcomes, outcomes.by_nodeid),
        tests=len(serial.outcomes.keys() | outcomes.by_nodeid.keys()),
        serial_seconds=serial.seconds,
        parallel_seconds=seconds,
        serial_exit_code=serial.exit_code,
        parallel_exit_code=code,
    )


def compare(serial: Mapping[str, str], parallel: Mapping[str, str]) -> tuple[Difference, ...]:
    """Every test whose outcomes are not the same, in the order of the serial run."""
    nodeids = [*serial, *(nodeid for nodeid in parallel if nodeid not in serial)]
    return tuple(
        Difference(nodeid, serial.get(nodeid, ""), parallel.get(nodeid, ""))
        for nodeid in nodeids
        if serial.get(nodeid, "") != parallel.get(nodeid, "")
    )


def run_serially(
    config: Config, request: RunRequest, sources: tuple[Target, ...], processes: int = 0
) -> SerialRun:
    """Run plain pytest on one fresh namespace. Its output is not shown.

    Args:
        config: the configuration in force.
        request: what to run.
        sources: what the suite connects to, as configured or learned.
        processes: not 0: that many of pytest-xdist, which share the namespace.
    """
    provider = make_provider(config, fresh=False)
    try:
        provider.prepare(lambda _step: None)
        namespace = provider.acquire("serial")
        for source in sources:
            provider.learn(source.user, source.database, namespace)
        environment = serial_environment(os.environ, namespace.endpoint, sources, allowed_hosts(config))
        with run_directory() as directory:
            return _pytest(request, environment, directory, processes)
    finally:
        provider.close()


def has_xdist(request: RunRequest, environment: Mapping[str, str]) -> bool:
    """Whether pytest-xdist is loaded when the suite is run."""
    loads_plugins = not environment.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    installed = importlib.util.find_spec("xdist") is not None
    return loads_plugins and installed and "no:xdist" not in request.pytest_arguments


def _pytest(
    request: RunRequest, environment: Mapping[str, str], directory: Path, processes: int
) -> SerialRun:
    record, log = directory / "record", directory / "log"
    arguments = list(request.pytest_arguments)
    if has_xdist(request, environment):
        # The suite's own addopts may ask for several processes.
        arguments += ["-n", str(processes)]
    command = [sys.executable, "-m", "pytest", "-p", "dbsafe_runner.workers.recorder", *arguments]
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=request.invocation_dir,
            env=_told(request, environment, record),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    seconds = time.monotonic() - started
    outcomes = _read_record(record)
    if not outcomes and not processes and code not in {0, 2, 4, 5}:
        raise _serial_failed(log, code)
    return SerialRun(outcomes, seconds, code)


def _told(request: RunRequest, environment: Mapping[str, str], record: Path) -> dict[str, str]:
    """The environment of the serial run with what the recorder is told in it."""
    seed = {} if request.seed is None else {SEED: str(request.seed)}
    return {**environment, RECORD: str(record), **seed}


def _read_record(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {nodeid: outcome for nodeid, outcome, _ in map(json.loads, lines)}


def _serial_failed(log: Path, code: int) -> UserError:
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
    return UserError(
        "serial-run-failed",
        f"The serial run ended with exit code {code} before any test.",
        cause=tail,
        hint="The suite has to run with plain `python -m pytest` before it can be compared.",
        exit_code=ExitCode.DIFFERENT,
    )


class Outcomes:
    """A sink that keeps the outcome of each test; an error outweighs what came before it."""

    def __init__(self) -> None:
        self.by_nodeid: dict[str, str] = {}

    def on(self, event: RunEvent) -> None:
        """Keep an outcome."""
        if isinstance(event, TestFinished):
            self.by_nodeid[event.result.nodeid] = event.result.outcome.value

    def tick(self, now: float) -> None:
        """Nothing happens with time."""

    def close(self) -> None:
        """Nothing is held open."""
