"""What cannot work from the start: a clear error, its exit code, and nothing left."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fakes.projects import Project

URL = "postgresql://shop:secret@localhost:5432/shop"
CONNECTS = f"import psycopg\ndef test_1(): psycopg.connect({URL!r}).close()\n"


@pytest.fixture
def servers() -> Iterator[Path]:
    """A folder for servers with a name that leaves room for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="b-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(tmp_path: Path, servers: Path) -> Project:
    project = Project(tmp_path)
    project.variables["DBSAFE_SERVERS_DIR"] = str(servers)
    project.file("test_one.py", CONNECTS)
    return project


def with_setup(project: Project, command: str) -> None:
    project.file("runner.toml", f'[database]\nsource = "{URL}"\nsetup = "{command}"\n')


def left_below(folder: Path) -> list[Path]:
    return list(folder.glob("*")) if folder.exists() else []


def processes_of(project: Project) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(project.root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_path_that_does_not_exist(project: Project) -> None:
    serial, parallel = project.same("nowhere/test_x.py")
    assert parallel.code == 4
    assert "file or directory not found: nowhere/test_x.py" in parallel.out
    assert "Traceback" not in parallel.out
    assert serial.outcomes == {}


def test_a_test_that_does_not_exist(project: Project) -> None:
    project.same("test_one.py::test_nowhere")


def test_a_conftest_that_skips_at_its_top(project: Project) -> None:
    project.file("tests/conftest.py", "import pytest\npytest.skip('no db', allow_module_level=True)\n")
    project.file("tests/test_two.py", "def test_2(): pass\n")
    _, parallel = project.same()
    assert parallel.code == 1
    assert "Skipped: no db" in parallel.out
    assert "error[" not in parallel.out


def test_a_setup_finds_the_source_in_the_environment(project: Project, servers: Path) -> None:
    project.file("setup_db.py", "import os\nprint('meant:', os.environ['DATABASE_URL'])\nexit(3)\n")
    with_setup(project, "python setup_db.py")
    assert f"meant: {URL}" in project.dbsafe().out


def test_a_setup_that_fails_shows_its_output(project: Project, servers: Path) -> None:
    with_setup(project, "echo half-way; exit 3")
    run = project.dbsafe()
    assert run.code == 66, run.out
    assert "error[setup-failed]" in run.out
    assert "half-way" in run.out
    assert left_below(servers) == []
    # Nothing half-made is taken for a template by the next run.
    assert project.dbsafe().code == 66


def test_a_setup_that_hangs_is_ended(project: Project, servers: Path) -> None:
    with_setup(project, "echo begun; sleep 300")
    run = project.dbsafe("--setup-timeout", "1")
    assert run.code == 66, run.out
    assert "error[setup-timeout]" in run.out
    assert "begun" in run.out
    assert not [line for line in processes_of(project) if "sleep 300" in line]
    assert left_below(servers) == []


def test_programs_that_are_not_there(project: Project, tmp_path: Path) -> None:
    run = project.dbsafe("--postgres-bindir", str(tmp_path / "nothing"))
    assert run.code == 65, run.out
    assert "error[" in run.out
    assert str(tmp_path / "nothing") in run.out


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can be mounted by root only")
def test_no_space_for_servers(project: Project, servers: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "tmpfs", str(servers)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        run = project.dbsafe()
        assert run.code == 65, run.out
        assert "error[no-space]" in run.out
        assert "Traceback" not in run.out
        assert left_below(servers) == []
    finally:
        subprocess.run(["umount", "-l", str(servers)], check=True)
