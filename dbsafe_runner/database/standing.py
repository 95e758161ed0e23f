"""Standing servers: one for each project, started by `dbsafe db start`, there until `dbsafe db stop`.

Such a server starts as a copy of the project's template and listens on 127.0.0.1. It belongs to no run:
its files lie beside the cache, where neither a guardian nor the janitor looks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psutil

from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.cache import cache_directory
from dbsafe_runner.database.cluster import copy_data
from dbsafe_runner.database.ending import Ending
from dbsafe_runner.database.janitor import remove_leftovers
from dbsafe_runner.database.preparation import Preparation, Prepared
from dbsafe_runner.database.provider import Report, TemplateRequest
from dbsafe_runner.database.rundir import RunDirectory
from dbsafe_runner.database.server import Server, end_orphans, free_port, is_free
from dbsafe_runner.database.sources import Source
from dbsafe_runner.database.space import telling_when_full
from dbsafe_runner.errors import ExitCode, UserError

_FACTS: Final = "server.json"
_ADDRESS: Final = "127.0.0.1"

#: Seconds that it may take to end in an orderly way.
_STOP_TIMEOUT: Final = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """A standing server. `started` is Unix time."""

    #: The directory of the project.
    root: str
    pid: int
    version: str
    #: Without a password: it asks for none.
    url: str
    started: float
    directory: Path
    #: Whether its process lives.
    running: bool


def start(request: TemplateRequest, postgres: str, port: int, report: Report) -> Standing:
    """The project's standing server, started if it does not run.

    Args:
        request: what its template shall be.
        postgres: "auto", "embedded", or the directory of the server programs to use.
        port: that it is to listen on; any free one instead when this is taken or 0.
        report: told each step in words.

    Raises:
        UserError: the server or its template cannot be had.
    """
    with _locked(request.root) as directory:
        found = _read(directory)
        if found is not None and found.running:
            return found
        _remove(directory)
        remove_leftovers()
        run = RunDirectory(server_account())
        try:
            preparation = Preparation(request, postgres, run, cache_directory(run.account), Ending())
            prepared = preparation.prepare(report)
            with contextlib.closing(prepared):
                return _launch(prepared, directory, request, port)
        finally:
            run.close()


def stop(root: Path) -> Standing | None:
    """End the project's standing server and remove its data; what it was, or None if there was none."""
    with _locked(root) as directory:
        found = _read(directory)
        if found is not None:
            _remove(directory)
        return found


def list_standing() -> list[Standing]:
    """All standing servers on this machine that are ours."""
    place = _place()
    directories = sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    return [found for directory in directories if (found := _read(directory)) is not None]


def _launch(prepared: Prepared, directory: Path, request: TemplateRequest, port: int) -> Standing:
    account = prepared.installation.account
    with telling_when_full(directory.parent):
        directory.mkdir(mode=0o711)
        home = account.make_directory(directory / "home")
        data = account.make_directory(directory / "data")
    port = port if port and is_free(port) else free_port()
    server = Server(
        prepared.installation,
        home,
        data,
        port=port,
        listen=_ADDRESS,
        # While it lives, the programs that were copied for it stay in the cache.
        held=tuple(entry.descriptor for entry in prepared.entries),
    )
    try:
        copy_data(prepared.installation, prepared.template.data, data)
        # A socket's path is short, that of a cache need not be.
        server.launch(unix_socket_directories="")
        server.wait()
        source = request.sources[0] if request.sources else Source("postgres", "postgres")
        facts = {
            "root": str(request.root),
            "pid": server.pid,
            "version": prepared.installation.binaries.version,
            "url": f"postgresql://{quote(source.user)}@{_ADDRESS}:{port}/{quote(source.database)}",
            "started": time.time(),
        }
        (directory / _FACTS).write_text(json.dumps(facts))
    except BaseException:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    found = _read(directory)
    assert found is not None
    return found


def _read(directory: Path) -> Standing | None:
    try:
        facts: dict[str, Any] = json.loads((directory / _FACTS).read_text())
        return Standing(directory=directory, running=_lives(facts["pid"], directory / "data"), **facts)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _lives(pid: int, data: Path) -> bool:
    """Whether a process is a server on a data directory; its number may have gone to another one."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        return process.cwd() == str(data.resolve()) and process.status() != psutil.STATUS_ZOMBIE
    return False


def _remove(directory: Path) -> None:
    """End the server in an orderly way if it will, and remove its files."""
    found = _read(directory)
    data = directory / "data"
    if found is not None and found.running:
        os.kill(found.pid, signal.SIGINT)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while _lives(found.pid, data) and time.monotonic() < deadline:
            time.sleep(0.01)
    if data.is_dir():
        end_orphans(data)
    shutil.rmtree(directory, ignore_errors=True)


def _place() -> Path:
    return cache_directory(server_account()) / "standing"


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[Path]:
    """The directory of a project's server, for this process alone meanwhile."""
    place = _place()
    try:
        place.mkdir(mode=0o755, exist_ok=True)
        name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
        lock = os.open(place / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(
            "cache-unusable",
            "There is no directory to keep a server in.",
            cause=str(error),
            hint="Name one with the environment variable DBSAFE_CACHE_DIR.",
            exit_code=ExitCode.SERVER,
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place / name
    finally:
        os.close(lock)
