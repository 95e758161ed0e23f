"""A serial run with plain pytest on a namespace of its own, written down test by test."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.session.parts import allowed_hosts, make_provider
from dbsafe_runner.session.serial_progress import Record, Tell, progress_told
from dbsafe_runner.workers.launch import RECORD, TEACHER, kill_group
from dbsafe_runner.workers.redirect import Target
from dbsafe_runner.workers.redirect.environment import serial_environment
from dbsafe_runner.workers.run_directory import run_directory
from dbsafe_runner.workers.shuffling import SEED

#: Makes a role and a database exist in the namespace.
_Learn = Callable[[str, str], None]
#: Seconds that an interrupted run has for its teardown, whose results nobody waits for.
_PATIENCE: Final = 1.0
_INTERRUPTED: Final = 2


@dataclasses.dataclass(frozen=True, slots=True)
class SerialRun:
    """A serial run: outcomes by node id, wall seconds of the whole process, and its exit code."""

    outcomes: Mapping[str, str]
    seconds: float
    exit_code: int
    #: Node id -> why the test ended as it did, in a line; only where there is something to say.
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)


class SerialInterrupted(KeyboardInterrupt):
    """The user or the system ended dbsafe during a serial run; `run` is what had ended of it."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.run = SerialRun({}, 0.0, code)


def run_serially(
    config: Config,
    request: RunRequest,
    sources: tuple[Target, ...],
    processes: int = 0,
    tell: Tell | None = None,
) -> SerialRun:
    """Run plain pytest on one fresh namespace. Its output is not shown.

    Args:
        config: the configuration in force.
        request: what to run.
        sources: what the suite connects to, as configured or learned. Where there are none, the run
            learns them as a worker does.
        processes: not 0: that many of pytest-xdist, which share the namespace.
        tell: told now and then, in words, what the run is at.

    Raises:
        UserError: the run ends before any test.
        SerialInterrupted: a signal says that dbsafe is to end.
    """
    with _signals_raised(), contextlib.closing(make_provider(config, fresh=False)) as provider:
        provider.prepare(lambda _step: None)
        namespace = provider.acquire("serial")
        for source in sources:
            provider.learn(source.user, source.database, namespace)
        environment = serial_environment(os.environ, namespace.endpoint, sources, allowed_hosts(config))
        with run_directory() as directory, contextlib.ExitStack() as stack:
            pupil = None
            if not sources:
                pupil = stack.enter_context(
                    _taught(lambda role, database: provider.learn(role, database, namespace))
                )
            command = _command(request, environment, processes)
            told = _told(request, environment, directory / "record", pupil)
            run = _pytest(request, command, told, directory, pupil, tell)
            if not run.outcomes and not processes and run.exit_code not in {0, 2, 4, 5}:
                raise _serial_failed(directory / "log", run.exit_code)
            return run


def has_xdist(request: RunRequest, environment: Mapping[str, str]) -> bool:
    """Whether pytest-xdist is loaded when the suite is run."""
    loads_plugins = not environment.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    installed = importlib.util.find_spec("xdist") is not None
    return loads_plugins and installed and "no:xdist" not in request.pytest_arguments


@contextlib.contextmanager
def _taught(learn: _Learn) -> Iterator[int]:
    """The descriptor on which a serial run says what it has learned, and waits until it exists."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=_teach, args=(ours, learn), daemon=True)
    thread.start()
    try:
        yield theirs.fileno()
    finally:
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()
        ours.close()
        theirs.close()


def _teach(connection: socket.socket, learn: _Learn) -> None:
    with connection.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            # What cannot be made is missed by the test that connects, whose failure then says so.
            with contextlib.suppress(Exception):
                _, _, role, database = json.loads(line)
                learn(role, database)
            connection.sendall(b"\n")


def _command(request: RunRequest, environment: Mapping[str, str], processes: int) -> list[str]:
    arguments = list(request.pytest_arguments)
    if has_xdist(request, environment):
        # The suite's own addopts may ask for several processes.
        arguments += ["-n", str(processes)]
    return [sys.executable, "-m", "pytest", "-p", "dbsafe_runner.workers.recorder", *arguments]


@contextlib.contextmanager
def _signals_raised() -> Iterator[None]:
    """Within the block, the first signal that ends dbsafe is raised, so that what runs is ended, too.

    Further ones change nothing, as the end takes a second or two.
    """
    raised = False

    def handle(number: int, _frame: object) -> None:
        nonlocal raised
        if not raised:
            raised = True
            raise SerialInterrupted(_INTERRUPTED if number == signal.SIGINT else 128 + number)

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _pytest(
    request: RunRequest,
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    pupil: int | None,
    tell: Tell | None,
) -> SerialRun:
    """Run pytest to its end, or to that of dbsafe."""
    record, started = directory / "record", time.monotonic()
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=request.invocation_dir,
            env=environment,
            pass_fds=() if pupil is None else (pupil,),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal is to reach it once, from here.
            process_group=0,
        )
        try:
            with progress_told(record, tell):
                code = process.wait()
        except SerialInterrupted as interrupted:
            # What ends from here on may have ended so because of the interrupt.
            interrupted.run = _run_of(record, started, interrupted.run.exit_code)
            raise
        finally:
            _end(process)
    return _run_of(record, started, code)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run that goes on, with a moment for its teardown."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        kill_group(process.pid)
        process.wait()


def _run_of(record: Path, started: float, code: int) -> SerialRun:
    seconds = time.monotonic() - started
    outcomes, reasons = _read_record(record)
    return SerialRun(outcomes, seconds, code, reasons)


def _told(
    request: RunRequest, environment: Mapping[str, str], record: Path, pupil: int | None
) -> dict[str, str]:
    """The environment of the serial run with what the recorder is told in it."""
    told = {RECORD: str(record)}
    if request.seed is not None:
        told[SEED] = str(request.seed)
    if pupil is not None:
        told[TEACHER] = str(pupil)
    return {**environment, **told}


def _read_record(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Outcomes and reasons by node id."""
    outcomes: dict[str, str] = {}
    reasons: dict[str, str] = {}
    ended = (line for line in map(json.loads, Record(path).new_lines()) if isinstance(line, list))
    for nodeid, outcome, _, reason in ended:
        outcomes[nodeid] = outcome
        if reason:
            reasons[nodeid] = reason
    return outcomes, reasons


def _serial_failed(log: Path, code: int) -> UserError:
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
    return UserError(
        "serial-run-failed",
        f"The serial run ended with exit code {code} before any test.",
        cause=tail,
        hint="The suite has to run with plain `python -m pytest` before it can be compared.",
        exit_code=ExitCode.DIFFERENT,
    )
