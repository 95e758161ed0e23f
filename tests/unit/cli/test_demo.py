"""What `dbsafe demo` checks, copies and says."""

from __future__ import annotations

import pytest

import dbsafe_runner
from dbsafe_runner.cli import demo
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.session import Difference, Verification


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


def test_summary_of_equal_verdicts(tmp_path):
    assert demo.summary(verification(), tmp_path) == [
        "",
        "  serial pytest     27.0 s",
        "  dbsafe            10.0 s   2.7 times as fast",
        "  verdicts        equal, all 562 tests",
        f"  the project     {tmp_path}   (cd there and try: dbsafe run)",
    ]


def test_summary_names_every_difference(tmp_path):
    differing = verification(
        Difference("t.py::a", "passed", "failed"), Difference("t.py::b", "", "passed")
    )
    text = "\n".join(demo.summary(differing, tmp_path))
    assert "2 of 562 differ:" in text
    assert "t.py::a: passed serially, failed with dbsafe" in text
    assert "t.py::b: not run serially, passed with dbsafe" in text
    assert differing.exit_code == ExitCode.DIFFERENT


def test_summary_of_differing_exit_codes(tmp_path):
    text = "\n".join(demo.summary(verification(parallel_exit_code=3), tmp_path))
    assert "the exit codes differ: 0 serially, 3 with dbsafe" in text
