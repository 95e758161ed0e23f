"""The stage: a copy of a part of the demo suite, and a place for everything that a run makes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

import dbsafe_runner

#: Quick files of the demo, of several levels.
FILES = ("audit", "constraints", "inventory", "job_queue", "page_views", "schema_changes")

#: Outcomes that must come out of every run, whatever happens to it.
KNOWN = '''
"""Tests whose outcomes are known, to tell a fault that hides a failure."""

import pytest


def test_fails():
    assert 1 == 2, "as known"


def test_fails_with_rows(connection):
    assert connection.execute("select 1").fetchone() == (2,), "as known"


@pytest.fixture
def broken():
    raise RuntimeError("as known")


def test_error(broken):
    pass


@pytest.mark.skip(reason="as known")
def test_skipped():
    pass


@pytest.mark.xfail(reason="as known", strict=True)
def test_xfailed():
    assert 0
'''

#: Tells that tests run now, and lets a signal close the sockets of a worker.
PLUGIN = '''
"""The harness's own part of the suite."""

import os
import signal
import socket
import stat
from pathlib import Path


def _close_sockets(_number, _frame):
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as one:
                    one.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


def pytest_runtest_setup(item):
    signal.signal(signal.SIGUSR2, _close_sockets)
    Path(os.environ["FAULTS_MARK"]).touch()
'''


class Stage:
    """Directories below `root`: the project, temporary files, and servers."""

    def __init__(self, root: Path, files: Sequence[str] = FILES) -> None:
        self.root = root
        self.project = root / "p"
        self.servers = root / "s"
        self.temporary = root / "t"
        self.mark = root / "mark"
        self.log = root / "log"
        source = Path(dbsafe_runner.__file__).parent / "demo_project"
        shutil.copytree(source, self.project, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        for path in (self.project / "tests").glob("test_*.py"):
            if path.stem.removeprefix("test_") not in files:
                path.unlink()
        (self.project / "tests" / "test_known.py").write_text(KNOWN)
        (self.project / "conftest.py").write_text(PLUGIN)
        self.temporary.mkdir()
        #: Why the disk cannot be filled; "" when it can.
        self.cannot_fill = self._mount()

    def _mount(self) -> str:
        """Give the servers a small file system of their own, if we may."""
        self.servers.mkdir(mode=0o711)
        if os.geteuid() != 0 or not shutil.which("mount"):
            return "mounting needs root"
        command = ["mount", "-t", "tmpfs", "-o", "size=640m,mode=711", "tmpfs", str(self.servers)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stderr.strip().splitlines()[-1] if done.returncode else ""

    def close(self) -> None:
        """End and remove everything."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.2)
        if not self.cannot_fill:
            subprocess.run(["umount", "-l", str(self.servers)], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Of every process of a run."""
        left_out = ("DBSAFE_", "PYTEST_", "PG", "DATABASE_URL", "SHOP_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        return {
            **kept,
            "DBSAFE_SERVERS_DIR": str(self.servers),
            "TMPDIR": str(self.temporary),
            "FAULTS_MARK": str(self.mark),
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of dbsafe."""
        main = "from dbsafe_runner.cli.main import main; main()"
        return [sys.executable, "-c", main, *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `dbsafe run`; its output goes to `log`."""
        self.mark.unlink(missing_ok=True)
        shutil.rmtree(self.project / ".dbsafe" / "results", ignore_errors=True)
        with self.log.open("wb") as log:
            return subprocess.Popen(
                self.command("run", "--workers", "2", *arguments),
                cwd=self.project,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """What the last run printed."""
        return self.log.read_text(errors="replace")

    def results(self) -> Path:
        """The report of the last run."""
        return self.project / ".dbsafe" / "results" / "results.json"

    def processes(self) -> list[psutil.Process]:
        """Everything alive that has to do with the stage, whoever its parent is."""
        found = []
        marks = (f"DBSAFE_SERVERS_DIR={self.servers}", f"{self.servers}/")
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                told = " ".join(process.cmdline()) + f" {process.cwd()}/"
                environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace")
                if any(mark in told for mark in marks) or marks[0] in environment.split("\0"):
                    found.append(process)
        return found

    def orphans(self, patience: float, *, files: bool = True) -> list[str]:
        """What is left after a run that is over: processes, then files. Waits so many seconds."""
        deadline = time.monotonic() + patience
        while True:
            left = [f"process {p.pid} {_what(p)}" for p in self.processes()]
            left += [f"directory {path}" for path in self._files() if files]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.1)

    def _files(self) -> list[Path]:
        below = self.servers.glob("*") if self.servers.exists() else ()
        return [*below, *self.temporary.glob("dbsafe*")]


def _what(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:120]
    return "gone"


@contextlib.contextmanager
def stage(files: Sequence[str] = FILES) -> Iterator[Stage]:
    """A stage in memory, where there is any; everything that is left on it is ended."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="dbf-", dir=memory))
    root.chmod(0o711)
    made = Stage(root, files)
    try:
        yield made
    finally:
        made.close()
