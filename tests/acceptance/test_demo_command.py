"""`dbsafe demo`, as a user meets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dbsafe_runner

DBSAFE = Path(sys.executable).parent / "dbsafe"
PROJECT = Path(dbsafe_runner.__file__).parent / "demo_project"


#: Some of the demo's tests, of all levels: the whole is what `scripts/demo` runs.
PART = "test_money or test_schema_changes"


def run(
    *command: object, cwd: Path, timeout: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.mark.parametrize("options", [f"-k '{PART}'", pytest.param("", marks=pytest.mark.long)])
def test_the_demo_shows_both_times_and_its_verdicts_agree(tmp_path, options):
    command = [DBSAFE, "demo", "shop", "--workers", "4"]
    ended = run(*command, cwd=tmp_path, timeout=600, PYTEST_ADDOPTS=options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ratio = re.search(r"serially .* s, with dbsafe .* s: (\d+\.\d) times as fast", ended.stdout)
    assert ratio, ended.stdout
    assert re.search(r"No difference: \d+ tests ended the same in both runs\.", ended.stdout)
    assert (tmp_path / "shop" / ".dbsafe" / "results" / "results.json").is_file()


def test_a_directory_with_something_in_it_is_refused(tmp_path):
    kept = tmp_path / "shop" / "thesis.txt"
    kept.parent.mkdir()
    kept.write_text("years of work")
    ended = run(DBSAFE, "demo", "shop", cwd=tmp_path)
    assert ended.returncode == 64
    assert "error[demo-directory-in-use]" in ended.stderr
    assert [path.name for path in kept.parent.iterdir()] == ["thesis.txt"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    ended = run(DBSAFE, "demo", "file/shop", cwd=tmp_path)
    assert ended.returncode == 64
    assert "error[demo-not-written]" in ended.stderr
    assert str(tmp_path / "file" / "shop") in ended.stderr


@pytest.mark.long
def test_the_suite_is_as_large_as_promised():
    ended = run(
        sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", cwd=PROJECT
    )
    nodeids = [line for line in ended.stdout.splitlines() if "::" in line]
    assert len(nodeids) >= 240
    assert len({nodeid.partition("::")[0] for nodeid in nodeids}) >= 20


def test_configuring_the_demo_takes_ten_lines():
    assert len((PROJECT / "runner.toml").read_text().splitlines()) <= 10
