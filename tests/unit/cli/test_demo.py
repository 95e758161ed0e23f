"""What `dbsafe demo` checks, copies and says."""

from __future__ import annotations

from pathlib import Path

import pytest

import dbsafe_runner
from dbsafe_runner.cli import demo
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.session.verifying import Difference, Verification


def verification(*differences: Difference, parallel_exit_code: int = 0) -> Verification:
    return Verification(
        differences=differences,
        tests=562,
        serial_seconds=27.04,
        parallel_seconds=10.0,
        serial_exit_code=0,
        parallel_exit_code=parallel_exit_code,
    )


def test_missing_packages_are_all_named(monkeypatch):
    monkeypatch.setattr(
        demo, "PACKAGES", {"one": "no_such_one", "pytest": "pytest", "two": "no_such_two"}
    )
    with pytest.raises(UserError, match="one, two") as caught:
        demo.require_packages()
    assert caught.value.code == "demo-packages-missing"
    assert caught.value.hint == 'pip install "dbsafe[demo]"'


def test_copy_has_what_a_project_needs(tmp_path):
    project = demo.copy_project(tmp_path / "new" / "shop")
    for name in ("runner.toml", "alembic.ini", "pyproject.toml", "shop/models.py", "tests/conftest.py"):
        assert (project / name).is_file()
    assert (project / demo.MARKER).read_text() == dbsafe_runner.__version__
    assert not list(project.rglob("__pycache__"))


def test_copy_into_an_empty_directory(tmp_path):
    assert (demo.copy_project(tmp_path) / "runner.toml").is_file()


def test_copy_of_this_version_keeps_what_was_edited(tmp_path):
    project = demo.copy_project(tmp_path / "shop")
    (project / "runner.toml").write_text("[workers]\ncount = 2\n")
    demo.copy_project(project)
    assert (project / "runner.toml").read_text() == "[workers]\ncount = 2\n"


def test_copy_of_another_version_is_renewed(tmp_path):
    project = demo.copy_project(tmp_path / "shop")
    (project / "runner.toml").write_text("")
    (project / demo.MARKER).write_text("0.0.1")
    demo.copy_project(project)
    assert "alembic upgrade head" in (project / "runner.toml").read_text()
    assert (project / demo.MARKER).read_text() == dbsafe_runner.__version__


def test_a_file_in_the_way_is_refused(tmp_path):
    target = tmp_path / "shop"
    target.write_text("mine")
    with pytest.raises(UserError) as caught:
        demo.copy_project(target)
    assert caught.value.code == "demo-directory-in-use"
    assert target.read_text() == "mine"


def text_of(found: Verification, project: Path) -> list[str]:
    return ["".join(text for _, text in line) for line in demo.closing_lines(found, project)]


def test_closing_lines_of_equal_verdicts(tmp_path):
    *_, times, verdict, place = text_of(verification(), tmp_path)
    assert times.endswith("2.7 times as fast")
    assert verdict == "No difference: 562 tests ended the same in both runs."
    assert place == f"The project is in {tmp_path}: try `dbsafe run` there."


def test_closing_lines_name_every_difference(tmp_path):
    differing = verification(
        Difference("t.py::a", "passed", "failed"), Difference("t.py::b", "", "passed")
    )
    first, second, *_ = text_of(differing, tmp_path)
    assert first.startswith("t.py::a:")
    assert second.startswith("t.py::b:")
    assert differing.exit_code == ExitCode.DIFFERENT


def test_the_place_is_named_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "in shop:" in text_of(verification(), tmp_path / "shop")[-1]
