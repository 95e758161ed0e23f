"""What a test takes of the machine: fixed ports and files, processes, memory, its place in the order."""

from __future__ import annotations

import pytest

from dbsafe_runner.analysis.levels import derive_level
from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("socket.socket().bind(('localhost', 8000))", "listens on the fixed port 8000"),
        ("HTTPServer(('', 9001), None)", "listens on the fixed port 9001"),
        ("open('/tmp/report.txt', 'w')", "writes the fixed file /tmp/report.txt"),
        ("Path('out.json').write_text('x')", "writes the fixed file out.json"),
    ],
)
def test_fixed_ports_and_files_need_the_machine_for_themselves(
    footprint, body: str, reason: str
) -> None:
    head = "import socket\nfrom http.server import HTTPServer\nfrom pathlib import Path\n"
    found = footprint(f"{head}def test_it(tmp_path):\n    {body}\n")
    assert found.alone
    assert reason in [one.what for one in found.evidence]


@pytest.mark.parametrize(
    "body",
    ["socket.socket().bind(('localhost', 0))", "(tmp_path / 'a').write_text('x')", "open('/etc/hosts')"],
)
def test_ports_and_files_of_its_own_do_not(footprint, body: str) -> None:
    assert not footprint(f"import socket\ndef test_it(tmp_path):\n    {body}\n").alone


@pytest.mark.parametrize(
    ("moves", "path", "alone"),
    [
        ("monkeypatch.chdir(tmp_path)", "out.json", False),
        ("os.chdir(tmp_path)", "out.json", False),
        ("monkeypatch.chdir(tmp_path)", "/srv/out.json", True),
        ("pass", "out.json", True),
    ],
)
def test_relative_paths_are_the_tests_own_once_it_has_moved_away(
    footprint, moves: str, path: str, alone: bool
) -> None:
    head = "import os\nimport pytest\nfrom pathlib import Path\n"
    fixture = f"@pytest.fixture\ndef away(tmp_path, monkeypatch):\n    {moves}\n"
    write = f"    Path({path!r}).write_text('x')\n"
    assert footprint(f"{head}{fixture}def test_it(away):\n{write}").alone is alone
    body = f"def test_it(tmp_path, monkeypatch):\n    {moves}\n{write}"
    assert footprint(f"{head}{body}").alone is alone


def test_a_directory_that_may_be_there_already_needs_nobody_to_wait(footprint) -> None:
    head = "from pathlib import Path\ndef test_it():\n    "
    assert not footprint(f"{head}Path('out').mkdir(exist_ok=True)\n").alone
    assert footprint(f"{head}Path('out').mkdir()\n").alone


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("['git', 'status']", NONE),
        ("['alembic', 'upgrade', 'head']", SCHEMA),
        ("[sys.executable, '-m', 'shop']", SHARED),
    ],
)
def test_processes(footprint, command: str, expected: Level) -> None:
    found = footprint(f"import subprocess, sys\ndef test_it():\n    subprocess.run({command})\n")
    assert derive_level(found) is expected
    assert found.cpu.name == "HEAVY"


@pytest.mark.parametrize(
    ("decorator", "alone"),
    [
        ("@pytest.mark.order(1)", True),
        ("@pytest.mark.run(order=2)", True),
        ("@pytest.mark.serial", True),
        ("@pytest.mark.slow", False),
        ("@pytest.mark.dependency(depends=['test_a'])", False),
    ],
)
def test_marks(footprint, decorator: str, alone: bool) -> None:
    assert footprint(f"import pytest\n{decorator}\ndef test_it():\n    pass\n").alone is alone


@pytest.mark.parametrize(
    ("library", "weight"), [("numpy", "MEDIUM"), ("torch", "HEAVY"), ("json", "LIGHT")]
)
def test_libraries_that_take_memory(footprint, library: str, weight: str) -> None:
    assert footprint(f"import {library}\ndef test_it():\n    pass\n").memory.name == weight
