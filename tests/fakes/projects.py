"""Small projects in a folder, run by plain pytest and by `dbsafe run` as a user would run them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

DBSAFE = (sys.executable, "-c", "from dbsafe_runner.cli.main import main; main()")
#: Variables that would change what a run does.
_PREFIXES = ("DBSAFE_", "PYTEST_", "COV_", "COVERAGE_", "PG")
_URL = "postgresql://shop:secret@localhost:5432/shop"


@dataclasses.dataclass(frozen=True)
class Run:
    """One finished run: exit code, all that it printed, and outcomes by node id, first ended first."""

    code: int
    out: str
    outcomes: dict[str, str]
    results: dict[str, Any]

    def test(self, name: str) -> dict[str, Any]:
        """What results.json says about the test whose node id ends like this."""
        found = [test for test in self.results["tests"] if test["nodeid"].endswith(name)]
        assert found, f"no test {name} in {list(self.outcomes)}"
        return found[-1]

    def notices(self) -> list[str]:
        """Codes of all notices."""
        return [notice["code"] for notice in self.results["notices"]]


class Project:
    """A folder with a suite in it. Only the plugins that are named are loaded."""

    def __init__(self, root: Path, *, plugins: tuple[str, ...] = ()) -> None:
        self.root = root
        self.plugins = plugins
        self.python = sys.executable
        self.variables: dict[str, str] = {}

    def write(self, **files: str) -> Project:
        """Write modules: the name without `.py`, double underscores for folders."""
        for name, text in files.items():
            path = self.root / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return self

    def file(self, name: str, text: str) -> Project:
        """Write one file, with its path as the name."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return self

    def environment(self) -> dict[str, str]:
        """This process's environment without what configures pytest or dbsafe."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_PREFIXES)}
        kept.pop("FORCE_COLOR", None)
        base = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "NO_COLOR": "1", "COLUMNS": "80"}
        return {**kept, **base, **self.variables}

    def loading(self) -> list[str]:
        """The options that load the plugins."""
        return [part for plugin in self.plugins for part in ("-p", plugin)]

    def pytest(self, *arguments: str) -> Run:
        """Run plain pytest, in one process."""
        record = self.root / ".serial-record"
        record.unlink(missing_ok=True)
        command = [self.python, "-m", "pytest", "-p", "dbsafe_runner.workers.recorder", *self.loading()]
        done = self._run([*command, *arguments], {"DBSAFE_RECORD": str(record)})
        lines = record.read_text().splitlines() if record.exists() else []
        ended = (line for line in map(json.loads, lines) if isinstance(line, list))
        outcomes = {nodeid: outcome for nodeid, outcome, *_ in ended}
        return Run(done.returncode, done.stdout, outcomes, {})

    def dbsafe(self, *arguments: str, workers: int = 2) -> Run:
        """Run `dbsafe run`."""
        done = self._run([*self.command(workers), *arguments], {})
        return Run(done.returncode, done.stdout, *self.read_results())

    def command(self, workers: int = 2) -> list[str]:
        """The command line of `dbsafe run`, for tests that start it themselves."""
        return [self.python, *DBSAFE[1:], "run", "--workers", str(workers), *self.loading()]

    def start(self, words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command in the folder; all that it prints is in `stdout`."""
        return subprocess.Popen(
            words,
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def other(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command than `dbsafe run` on the suite; all that it printed is in `stdout`."""
        words = [command if word == "run" else word for word in self.command()]
        return self._run([*words, *arguments], {})

    def read_results(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Outcomes, and all of results.json; empty when the run got nowhere."""
        path = self.root / ".dbsafe" / "results" / "results.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        return {test["nodeid"]: test["outcome"] for test in results.get("tests", ())}, results

    def same(self, *arguments: str, workers: int = 2) -> tuple[Run, Run]:
        """Run both ways, compare exit codes and the outcome of every test, and return both."""
        serial = self.pytest(*arguments)
        parallel = self.dbsafe("--no-confirm", *arguments, workers=workers)
        assert parallel.outcomes == serial.outcomes, parallel.out
        assert parallel.code == serial.code, parallel.out
        return serial, parallel

    def _run(self, command: list[str], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        results = self.root / ".dbsafe" / "results" / "results.json"
        results.unlink(missing_ok=True)
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment(), **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )


def project_with_table(root: Path) -> Project:
    """A project whose set-up makes the table `item`; its module `dbhelp` runs SQL in the database."""
    project = Project(root)
    project.write(
        dbhelp=f"""
            import psycopg
            def run(sql):
                with psycopg.connect({_URL!r}, autocommit=True) as c:
                    found = c.execute(sql)
                    return found.fetchall() if found.description else []
        """,
        prepare="from dbhelp import run\nrun('create table item (n int)')",
    )
    project.file(
        "runner.toml",
        f'[database]\nsource = ["{_URL}"]\nsetup = "python prepare.py"\ninputs = ["prepare.py"]\n',
    )
    return project


def verdict(run: Run, name: str) -> tuple[str, str, str]:
    """Outcome, verdict and the other test."""
    found = run.test(name)
    return found["outcome"], found["verdict"], found["other"]


def left_over(project: Project) -> list[str]:
    """Processes that still work in the project's folder."""
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if process.cwd() == str(project.root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.cmdline()}")
        except psutil.Error:
            continue
    return found


def wait_until_none_is_left(project: Project, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while left_over(project) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = left_over(project)
    assert not left, left
