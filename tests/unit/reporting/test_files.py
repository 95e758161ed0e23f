from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.reporting.files import ReportFiles, prepare_folder

NAMES = {"report.html", "results.json", "junit.xml"}


def test_all_files_are_there_once_the_run_is_over(tmp_path: Path) -> None:
    sink = ReportFiles(tmp_path)
    *run, finished = make_run(Scenario(tests=20))
    for event in run:
        sink.on(event)
    assert list(tmp_path.iterdir()) == list(sink.paths) == []
    sink.on(finished)
    assert {path.name for path in tmp_path.iterdir()} == NAMES == {path.name for path in sink.paths}
    (tmp_path / "results.json").unlink()
    sink.close()
    assert not (tmp_path / "results.json").exists(), "written once only"


def test_a_run_that_does_not_get_to_its_end_is_written_by_close(tmp_path: Path) -> None:
    sink = ReportFiles(tmp_path)
    run = make_run(Scenario(tests=40))
    for event in run[: len(run) // 2]:
        sink.on(event)
    sink.close()
    data = json.loads((tmp_path / "results.json").read_text())
    assert data["run"]["exit_code"] is None
    assert data["run"]["interrupted"] is True
    assert data["totals"]["not_run"] > 0


def test_a_run_that_never_knew_its_tests_writes_nothing(tmp_path: Path) -> None:
    sink = ReportFiles(tmp_path)
    sink.on(events.Preparing(0.0, "starting PostgreSQL"))
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_ends_the_run_is_written_even_before_tests_are_known(tmp_path: Path) -> None:
    sink = ReportFiles(tmp_path)
    failed = events.RunFailed(1.0, 2.0, "setup-failed", "It exited with 3.", "why", "Do.", 66)
    sink.on(failed)
    data = json.loads((tmp_path / "results.json").read_text())
    assert (data["run"]["exit_code"], data["run"]["interrupted"]) == (66, False)
    assert data["run"]["started"] == 2.0
    told = {"code": "setup-failed", "message": "It exited with 3.", "cause": "why", "hint": "Do."}
    assert data["notices"] == [data["error"]] == [{"kind": "error", "nodeid": "", **told}]
    assert {path.name for path in tmp_path.iterdir()} == NAMES


def test_what_cannot_be_written_is_told_and_the_rest_is_written(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    sink = ReportFiles(tmp_path)
    *run, finished = make_run(Scenario(tests=20))
    for event in run:
        sink.on(event)
    with pytest.raises(UserError) as caught:
        sink.on(finished)
    assert caught.value.code == "report-not-written"
    assert str(tmp_path / "results.json") in caught.value.cause
    assert [path.name for path in sink.paths] == ["report.html", "junit.xml"]
    assert {path.name for path in tmp_path.iterdir()} == NAMES


def test_a_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / ".dbsafe" / "results"
    assert prepare_folder(folder) == folder
    assert list(folder.iterdir()) == []
    assert (tmp_path / ".dbsafe" / ".gitignore").read_text().endswith("*\n")


def test_a_folder_of_the_users_gets_no_gitignore(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "reports" / "here")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["here"]


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/here"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError) as caught:
        prepare_folder(tmp_path / where)
    assert caught.value.code == "output-not-writable"
    assert caught.value.exit_code is ExitCode.USAGE
    assert where in caught.value.message
