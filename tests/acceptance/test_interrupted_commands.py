"""Commands other than `dbsafe run` that are interrupted end at once, and say why they show nothing."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

SUITE = """
    import pathlib, time
    pathlib.Path("started").write_text("x")
    time.sleep(60)
    def test_one(): pass
"""


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("benchmark", "--turns", "1"),
        pytest.param(("explain", "test_one.py::test_one"), marks=pytest.mark.long),
        pytest.param(("bisect", "test_one.py::test_one"), marks=pytest.mark.long),
    ],
    ids=lambda command: command[0],
)
def test_interrupted_while_collecting(tmp_path: Path, command: tuple[str, ...]) -> None:
    project = Project(tmp_path).write(test_one=SUITE)
    process = subprocess.Popen(
        [*DBSAFE, *command],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 40
    while not (project.root / "started").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come that far"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2, out
    assert out.endswith("Interrupted.\n"), out
    assert "error[" not in out
    assert "Traceback" not in out
