"""What a user sees when something is wrong with what they gave: exact texts, from the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion


def dbsafe(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBSAFE_")}
    for name in ("FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS"):
        inherited.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", "from dbsafe_runner.cli.main import main; main()", *arguments],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shown(folder: Path, done: subprocess.CompletedProcess[str]) -> str:
    """All that the user sees, with the folder's name taken out."""
    text = f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in text
    return text.replace(str(folder), "FOLDER")


@pytest.mark.parametrize(
    "line",
    [
        "runn",
        "tests/test_a.py",
        "--frobnicate",
        "run --timeout",
        "run -n",
        "run --timeout=soon --workers 0",
        "run --isolation balansed",
        "run --config missing.toml",
        "run --output /proc/here",
        "run --database postgresql://maker:se%krit@localhost/shop",
        "run --database postgresql://maker:se@krit@localhost/shop",
        "run --direct postgresql://maker@localhost/shop",
        "run --namespace schema",
    ],
)
def test_command_lines(tmp_path: Path, snapshot: SnapshotAssertion, line: str) -> None:
    assert shown(tmp_path, dbsafe(tmp_path, *line.split())) == snapshot


@pytest.mark.parametrize(
    "text",
    [
        "[run]\nisolation = balanced\n",
        '[databse]\n\n[run]\ntimeot = 3\nretries = "2"\n',
        '[[rules]]\nnodeid = "tests/*"\n',
    ],
    ids=["not-toml", "unknown-and-wrong", "rule-without-effect"],
)
def test_files(tmp_path: Path, snapshot: SnapshotAssertion, text: str) -> None:
    (tmp_path / "runner.toml").write_text(text)
    assert shown(tmp_path, dbsafe(tmp_path, "run")) == snapshot


def test_two_files(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    (tmp_path / "runner.toml").write_text("[run]\n")
    (tmp_path / "pyproject.toml").write_text("[tool.dbsafe.run]\n")
    assert shown(tmp_path, dbsafe(tmp_path, "run")) == snapshot


def test_variables(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    done = dbsafe(tmp_path, "run", DBSAFE_WORKERS="4", DBSAFE_RUN_TIMEOUT="soon")
    assert shown(tmp_path, done) == snapshot


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = (
        f"{sys.executable} -c 'from dbsafe_runner.cli.main import main; main()' run --help | head -1"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""


def test_a_teardown_that_raises_after_the_run_was_ended(
    tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def whole():\n"
        "    yield\n"
        "    raise RuntimeError('half done')\n"
        "def test_one(): pytest.exit('enough')\n"
        "def test_two(): pass\n"
    )
    done = dbsafe(tmp_path, "run", "--workers", "1")
    lines = [line for line in shown(tmp_path, done).splitlines() if "tore down" in line]
    assert lines == snapshot
    assert "ERROR" not in done.stdout
