"""Which file is read, and what is said where there are several, or none that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.configurations import load, refusal


def test_the_file_is_found_in_a_directory_above(tmp_path: Path) -> None:
    inner = tmp_path / "src" / "tests"
    inner.mkdir(parents=True)
    (tmp_path / "runner.toml").write_text("[workers]\ncount = 3\n")
    config = load(inner)
    assert config.workers.count == 3
    assert config.root == tmp_path
    assert config.run.output == tmp_path / ".dbsafe/results"


def test_nothing_above_the_repository_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "repository" / "tests"
    inner.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "runner.toml").write_text("[workers]\ncount = 3\n")
    assert load(inner).file is None


def test_pyproject_is_read_where_it_has_the_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dbsafe.workers]\ncount = 5\n")
    assert load(tmp_path).workers.count == 5


def test_a_pyproject_without_the_table_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 1\n")
    assert load(tmp_path, "[workers]\ncount = 3\n").workers.count == 3


@pytest.mark.parametrize("value", ["3", "[1]", '"x"'])
def test_a_pyproject_in_which_dbsafe_is_no_table_is_refused_with_the_line(
    tmp_path: Path, value: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool]\n\ndbsafe = {value}\n")
    error = refusal(tmp_path)
    assert error.code == "bad-configuration"
    expected = f"pyproject.toml:3: tool.dbsafe must be a table, [tool.dbsafe], not {value}"
    assert error.cause == expected
    assert refusal(tmp_path, file=tmp_path / "pyproject.toml").cause == expected


@pytest.mark.parametrize("text", ["tool = 3", "[[tool]]\ndbsafe = 3", "[tool.dbsafe]"])
def test_a_pyproject_that_says_nothing_to_dbsafe_does_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert load(tmp_path).workers.count == "auto"


def test_two_configurations_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dbsafe.workers]\ncount = 5\n")
    error = refusal(tmp_path, "[workers]\ncount = 3\n")
    assert error.code == "two-configurations"
    assert str(tmp_path / "runner.toml") in error.cause
    assert str(tmp_path / "pyproject.toml") in error.cause


def test_the_line_in_pyproject_is_that_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n\n[tool.dbsafe.run]\ntimeot = 5\n")
    cause = refusal(tmp_path).cause
    assert cause == 'pyproject.toml:4: unknown key "timeot" in [run] (did you mean "timeout"?)'


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    error = refusal(tmp_path, file=tmp_path / "other.toml")
    assert error.code == "configuration-unreadable"


def test_a_named_file_is_read_instead_of_the_one_found(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[workers]\ncount = 7\n")
    assert load(tmp_path, "[workers]\ncount = 3\n", file=other).workers.count == 7


def test_what_is_called_like_the_file_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    place = tmp_path / "runner.toml"
    place.mkdir()
    error = refusal(tmp_path)
    assert (error.code, error.cause) == ("configuration-unreadable", "Is a directory")
    place.rmdir()
    place.symlink_to("nowhere")
    assert refusal(tmp_path).code == "configuration-unreadable"
