"""The suites that are measured: the packaged demo, and two that are generated."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import dbsafe_runner

#: Libraries that suites import; together about one second of CPU.
IMPORTS = (
    "alembic.command",
    "asyncpg",
    "django.contrib.auth",
    "django.db.models",
    "hypothesis",
    "jsonschema",
    "numpy",
    "pg8000",
    "psycopg",
    "pydantic",
    "rich.console",
    "sqlalchemy.orm",
    "sqlglot",
    "sqlmodel",
    "typer",
)

_CONFTEST = '''
"""A conftest that takes about a second, as those of large projects do."""

{imports}
'''

_SKEWED_CONFTEST = '''
"""Notes when each test slept, so that the span of the tests can be told from the start-up."""

import os
import time

import pytest


@pytest.fixture
def nap():
    def nap(seconds):
        begin = time.time()
        time.sleep(seconds)
        with open(os.environ["BENCHMARK_SPANS"], "a") as log:
            log.write(f"{begin} {time.time()}\\n")

    return nap
'''


_CRASHING_CONFTEST = """
import os
import signal
import time

import pytest

URL = os.environ.get("DATABASE_URL", "postgresql://shop:shop@localhost/shop")


@pytest.fixture
def note():
    def note(what):
        with open(os.environ["BENCHMARK_CRASHES"], "a") as log:
            log.write(f"{what} {time.time()}\\n")

    with psycopg.connect(URL) as connection:
        connection.execute("SELECT 1")
        yield note


@pytest.fixture
def crash(note):
    def crash():
        note("crash")
        os.kill(os.getpid(), signal.SIGKILL)

    return crash
"""


def copy_demo(target: Path) -> Path:
    """A fresh copy of the demo project."""
    source = Path(dbsafe_runner.__file__).parent / "demo_project"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    return target


def make_trivial(target: Path, files: int = 200, tests: int = 25) -> Path:
    """Files of trivial tests beneath a conftest that is dear to import."""
    target.mkdir(parents=True)
    (target / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["."]\n')
    imports = "\n".join(f"import {name}" for name in IMPORTS)
    (target / "conftest.py").write_text(_CONFTEST.format(imports=imports))
    body = "\n\n".join(
        f"def test_{number}():\n    assert {number} + 1 == {number + 1}" for number in range(tests)
    )
    for number in range(files):
        (target / f"test_{number:03d}.py").write_text(body + "\n")
    return target


def make_skewed(target: Path, seed: int = 1) -> tuple[Path, list[float]]:
    """Forty files of ten sleeping tests, few of them long; the suite and the seconds of each test."""
    rng = random.Random(seed)
    target.mkdir(parents=True)
    (target / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["."]\n')
    (target / "conftest.py").write_text(_SKEWED_CONFTEST)
    durations: list[float] = []
    for number in range(40):
        naps = [_duration(rng) for _ in range(10)]
        durations += naps
        tests = [f"def test_{index}(nap):\n    nap({nap})" for index, nap in enumerate(naps)]
        (target / f"test_{number:02d}.py").write_text("\n\n".join(tests) + "\n")
    return target, durations


def make_crashing(target: Path, crashes: int = 10) -> Path:
    """Tests that kill their process, each followed by one that notes when the next process got there."""
    target.mkdir(parents=True)
    (target / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["."]\n')
    (target / "runner.toml").write_text('[database]\nsource = "postgresql://shop:shop@localhost/shop"\n')
    imports = "\n".join(f"import {name}" for name in IMPORTS)
    (target / "conftest.py").write_text(_CONFTEST.format(imports=imports) + _CRASHING_CONFTEST)
    pair = (
        "def test_{0}_crashes(crash):\n    crash()\n\n\ndef test_{0}_goes_on(note):\n    note('there')\n"
    )
    (target / "test_crashes.py").write_text("\n\n".join(pair.format(one) for one in range(crashes)))
    return target


def _duration(rng: random.Random) -> float:
    """Most tests are short; one in thirty takes one to two seconds."""
    if rng.random() < 1 / 30:
        return round(rng.uniform(1.0, 2.0), 3)
    return round(min(rng.lognormvariate(-3.6, 0.8), 0.5), 4)
