"""The place: a copy of the demo, a server of the user's, and the roles that runs log in as."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
from faulting.own_server import OwnServer, own_server

import dbsafe_runner

DBSAFE = (sys.executable, "-c", "from dbsafe_runner.cli.main import main; main()")
_DEMO = Path(dbsafe_runner.__file__).parent / "demo_project"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*")
#: Seconds that one run may take.
_LONGEST = 900.0


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the runs take place."""

    root: Path
    server: OwnServer

    def url(self, kind: str) -> str:
        """The URL that makes namespaces of a kind: as superuser, or as a role that may make schemas."""
        if kind == "schema":
            return self.server.url.replace("postgres@", "plain@").removesuffix("postgres") + "plain"
        return self.server.url

    def options(self, kind: str) -> list[str]:
        """What names the server and the kind on the command line."""
        if kind == "server":
            return ["--embedded"]
        return ["--database", self.url(kind), "--namespace", kind]

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a run: nothing of ours but what is given."""
        dropped = ("PG", "DBSAFE", "DATABASE_URL", "SHOP_", "PYTEST")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": path, "NO_COLOR": "1", "COLUMNS": "120", **more}

    def start(self, output: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
        """Start `dbsafe run` with a directory of its own for what it writes."""
        command = [*DBSAFE, "run", "--output", str(output), "--history", str(output / "history.db")]
        with (output.parent / f"{output.name}.txt").open("w") as log:
            return subprocess.Popen(
                [*command, *options],
                cwd=self.root / "demo",
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def run(self, output: Path, *options: str, **environment: str) -> tuple[dict[str, str], int]:
        """Run to the end; outcomes by node id, and the exit code."""
        process = self.start(output, *options, **environment)
        try:
            code = process.wait(_LONGEST)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        return outcomes_in(output), code

    def tidy(self) -> None:
        """Remove databases that the demo's own tests have left, should they have been stopped."""
        for name in self.server.databases():
            if name.startswith("shop_"):
                self.server.drop(name)


def outcomes_in(output: Path) -> dict[str, str]:
    """Outcomes by node id of the run that wrote here; the worst of several of one test."""
    results = output / "results.json"
    tests = json.loads(results.read_text())["tests"] if results.exists() else []
    found: dict[str, str] = {}
    for test in tests:
        if found.get(test["nodeid"]) not in {"failed", "error"}:
            found[test["nodeid"]] = test["outcome"]
    return found


def different(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Every test that ended otherwise than expected, in words."""
    return [
        f"{nodeid}: serially {expected.get(nodeid, 'not run')}, here {found.get(nodeid, 'not run')}"
        for nodeid in dict.fromkeys([*expected, *found])
        if expected.get(nodeid) != found.get(nodeid)
    ]


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A place for the time of a block."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="dbs-agree-", dir=memory))
    root.chmod(0o711)
    try:
        shutil.copytree(_DEMO, root / "demo", ignore=_LEFT_OUT)
        with own_server(root) as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("create role plain login")
                connection.execute("create database plain owner plain")
                # The demo's migrations make this role where it is missing, which is not for everybody.
                connection.execute("create role shop_seller nologin")
                connection.execute("grant shop_seller to plain")
            server.remember_roles()
            yield Place(root, server)
    finally:
        shutil.rmtree(root, ignore_errors=True)
