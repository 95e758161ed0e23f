from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from dbsafe_runner.session import serial_progress
from dbsafe_runner.session.serial_progress import Record, SerialProgress, progress_told


def after(*lines: object) -> SerialProgress:
    progress = SerialProgress()
    for number, line in enumerate(lines):
        progress.take(json.dumps(line), float(number))
    return progress


def test_before_the_first_test_the_suite_is_being_collected() -> None:
    assert SerialProgress().words(12.0) == "collecting serially · 12.0 s"


def test_the_test_that_runs_is_told_with_its_time_and_how_many_are_done() -> None:
    progress = after({"collected": 4}, {"started": "t.py::a"}, ["t.py::a", "passed", 0.1, ""])
    assert progress.words(8.0) == "[ 25%] 1 of 4 tests serially · 8.0 s"
    progress.take(json.dumps({"started": "t.py::test_hangs"}), 10.0)
    assert progress.words(40.0) == "[ 25%] 1 of 4 tests serially · 40.0 s · t.py::test_hangs 30.0 s"


def test_a_long_name_does_not_make_the_line_longer_than_a_terminal() -> None:
    progress = after({"collected": 4}, {"started": f"tests/{'x' * 200}.py::test_hangs"})
    assert len(progress.words(40.0)) <= 80


def test_a_line_that_is_not_complete_waits(tmp_path: Path) -> None:
    path = tmp_path / "record"
    record = Record(path)
    assert record.new_lines() == []
    path.write_text('{"collected": 4}\n{"star')
    assert record.new_lines() == ['{"collected": 4}']
    assert record.new_lines() == []
    with path.open("a") as file:
        file.write('ted": "é"}\n')
    assert record.new_lines() == ['{"started": "é"}']


def test_it_is_told_again_and_again_until_the_run_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_progress, "EVERY", 0.05)
    path, told = tmp_path / "record", list[str]()
    path.write_text('{"collected": 1}\n{"started": "t.py::test_hangs"}\n')
    with progress_told(path, told.append):
        deadline = time.monotonic() + 10
        while len(told) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    number = len(told)
    assert number >= 3
    assert all("0 of 1 test serially" in line and "t.py::test_hangs" in line for line in told)
    time.sleep(0.2)
    assert len(told) == number
