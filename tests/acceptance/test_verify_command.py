"""`dbsafe verify` compares what can be compared, and says why where it cannot."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fakes.projects import Project

#: Stands in for pytest-randomly: its option, its way to choose a seed, and an order that hangs on it.
SHUFFLING = """
    import random
    def pytest_addoption(parser):
        parser.addoption("--randomly-seed", dest="randomly_seed", default="default")
    def pytest_configure(config):
        if config.option.randomly_seed == "default":
            config.option.randomly_seed = random.Random().getrandbits(32)
    def pytest_collection_modifyitems(config, items):
        random.Random(int(config.option.randomly_seed)).shuffle(items)
"""


def verify(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dbsafe verify` as a user would."""
    command = ["verify" if word == "run" else word for word in project.command()]
    return subprocess.run(
        [*command, "--no-confirm", *arguments],
        cwd=project.root,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_both_runs_have_one_order_where_a_plugin_shuffles(tmp_path: Path) -> None:
    project = Project(tmp_path, plugins=("shuffling",)).write(
        shuffling=SHUFFLING,
        test_one="""
            import pytest
            ran = []
            @pytest.mark.parametrize("number", range(8))
            def test_one(number):
                ran.append(number)
                assert ran == sorted(ran)
        """,
    )
    project.variables["PYTHONPATH"] = str(tmp_path)
    done = verify(project)
    assert done.returncode == 0, done.stdout
    assert "8 tests ended the same" in done.stdout
