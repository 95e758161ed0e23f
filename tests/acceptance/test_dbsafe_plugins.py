"""Plugins of dbsafe, installed or named in runner.toml, as their users meet them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

PLUGIN = """
    import pathlib

    from dbsafe_runner.hooks import hookimpl

    @hookimpl
    def dbsafe_classify(test):
        return "SCHEMA_CHANGES" if test.function == "test_first" else None

    @hookimpl
    def dbsafe_event(event):
        with pathlib.Path("seen").open("a") as file:
            print(type(event).__name__, file=file)
"""
SUITE = """
    def test_first(): pass
    def test_second(): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "suite").write(test_shop=SUITE)


def install(project: Project, folder: Path) -> None:
    """What pip leaves of a package with an entry point, in a folder of its own."""
    made = Project(folder).write(shop_dbsafe=PLUGIN)
    made.file(
        "shop_dbsafe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop-dbsafe\nVersion: 1.0\n"
    )
    made.file("shop_dbsafe-1.0.dist-info/entry_points.txt", "[dbsafe]\nshop = shop_dbsafe\n")
    project.variables["PYTHONPATH"] = str(folder)


def explained(project: Project) -> str:
    done = subprocess.run(
        [*DBSAFE, "explain", "test_shop.py::test_first"],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_an_installed_plugin_sees_the_run_and_says_levels(project, tmp_path):
    install(project, tmp_path / "site")
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    assert [ran.test(name)["level"] for name in ("test_first", "test_second")] == [4, 0]
    seen = (project.root / "seen").read_text().split()
    assert seen[0] == "RunStarted"
    assert seen[-1] == "RunFinished"
    assert seen.count("TestFinished") == 2
    assert "plugin shop says SCHEMA_CHANGES" in explained(project)


def test_a_module_of_the_project_is_named_in_runner_toml(project):
    project.write(shop_dbsafe=PLUGIN).file("runner.toml", '[run]\nplugins = ["shop_dbsafe"]\n')
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    assert ran.test("test_first")["level"] == 4
    assert (project.root / "seen").exists()


def test_a_plugin_that_raises_is_told_and_costs_nothing(project):
    broken = PLUGIN.replace("import pathlib\n", "import nothing\n", 1)
    project.write(shop_dbsafe=broken).file("runner.toml", '[run]\nplugins = ["shop_dbsafe"]\n')
    refused = project.dbsafe()
    assert refused.code == 64
    assert "error[plugin-not-loaded]" in refused.out
    raising = PLUGIN.replace("with pathlib", "1 / 0\n        with pathlib")
    project.write(shop_dbsafe=raising)
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    assert ran.notices().count("plugin-failed") == 1
    assert "ZeroDivisionError" in ran.out
    assert ran.test("test_first")["outcome"] == "passed"
