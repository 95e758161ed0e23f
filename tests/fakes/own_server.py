"""A user's server as a user sees it: dbsafe as a command, and connections to what it made there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dbsafe_runner.domain.namespace import Namespace

#: What is the same on all versions is tried on one.
ONE_VERSION = pytest.mark.parametrize("user_server", ["18"], indirect=True)
DBSAFE = Path(sys.executable).parent / "dbsafe"


def environment(project: Path, url: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBSAFE"))}
    return {**kept, "PATH": path, "DATABASE_URL": url, "NO_COLOR": "1", "COLUMNS": "200"}


def dbsafe(project: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DBSAFE, *arguments],
        cwd=project,
        env=environment(project, url),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def connect(namespace: Namespace, database: str) -> psycopg.Connection:
    """As the redirection would lead a connection to `database`."""
    endpoint = namespace.endpoint
    return psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        dbname=endpoint.databases[database],
        autocommit=True,
        **endpoint.options,
    )
