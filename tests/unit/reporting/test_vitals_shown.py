"""What consoles show of slow tests, leaks, the number of workers and what the run takes."""

from __future__ import annotations

import io
import re

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Result, Verdict
from dbsafe_runner.reporting.console import PlainConsole
from dbsafe_runner.reporting.live import LiveConsole
from dbsafe_runner.reporting.printer import ConsoleStyle

MIB = 2**20


def left(number: int) -> events.TestFinished:
    result = Result(f"tests/test_a.py::test_{number}", Outcome.PASSED, {"call": 0.1}, "gw0", 1.0)
    leaks = (f"process {number}: sleep 60", "transaction, 1 left open")
    return events.TestFinished(2.0 + number, result, "none", 0, leaks=leaks)


def plain(*more: events.RunEvent, verbosity: int = 0) -> str:
    run = make_run(Scenario(tests=20, failing=0))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    sink = PlainConsole(stream, ConsoleStyle(verbosity=verbosity))
    for event in (*run[:-1], *more, run[-1]):
        sink.on(event)
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


SLOW = (
    events.TestSlow(3.0, "tests/test_a.py::test_0", "gw1", 60.0),
    events.TestSlow(4.0, "tests/test_a.py::test_0", "gw1", 120.0),
    events.TestSlow(4.0, "tests/test_a.py::test_1", "gw2", 60.0),
)
RESIZED = (
    events.PoolResized(1.0, 2, 0, "as planned"),
    events.PoolResized(3.0, 4, 2, "the processors are 23% busy"),
)


def test_slow_tests_are_told_at_once_and_counted_at_the_end() -> None:
    shown = plain(*SLOW)
    assert "SLOW > 60.0 s [gw1] tests/test_a.py::test_0" in shown
    assert "SLOW > 2 min 00 s [gw1] tests/test_a.py::test_0" in shown
    assert "2 tests ran longer than 60.0 s" in shown


@pytest.mark.parametrize(("verbosity", "expected"), [(0, 0), (1, 1), (-1, 0)])
def test_another_number_of_workers_is_told_with_v(verbosity: int, expected: int) -> None:
    shown = plain(*RESIZED, verbosity=verbosity)
    assert shown.count("4 workers instead of 2: the processors are 23% busy") == expected
    assert "as planned" not in shown


def broken(number: int, verdict: Verdict) -> events.TestFinished:
    result = Result(
        f"test_b.py::test_{number}", Outcome.FAILED, {"call": 0.1}, "gw0", 1.0, verdict=verdict
    )
    return events.TestFinished(2.0 + number, result, "none", 0)


def test_failures_that_there_was_no_time_to_look_into_are_named_at_the_end() -> None:
    finished = [broken(1, Verdict.CONFIRMED), broken(2, Verdict.CLEAR)]
    spent = events.Notice(3.0, "warning", "not-run-again", "What further failures hang on is not.")
    assert "a serial run might pass" not in plain(*finished)
    assert "a serial run might pass test_b.py::test_2: no time" in plain(*finished, spent)
    shown = plain(*finished, broken(3, Verdict.CLEAR), spent)
    assert "a serial run might pass test_b.py::test_2 and 1 more: no time" in shown


def test_leaky_tests_are_named_at_the_end_all_of_them_with_v() -> None:
    finished = [left(number) for number in range(5)]
    shown = plain(*finished)
    assert "5 tests left something behind" in shown
    assert "tests/test_a.py::test_2: process 2: sleep 60; transaction, 1 left open" in shown
    assert "test_3: process" not in shown
    assert "and 2 more, which -v lists" in shown
    verbose = plain(*finished, verbosity=1)
    assert "test_4: process 4: sleep 60" in verbose
    assert "which -v lists" not in verbose


def test_the_live_display_shows_what_the_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("LINES", "30")
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=True)
    sink = LiveConsole(stream, ConsoleStyle())
    run = make_run(Scenario(tests=20, failing=0))
    for event in run[: len(run) // 2]:
        sink.on(event)
    now = run[len(run) // 2].at
    busy = next(view.name for view in sink.progress.workers.values() if view.nodeid)
    workers = {busy: events.WorkerVitals(0.5, 42 * MIB, 3)}
    sink.on(events.Vitals(now, 0.87, 0.0, 900 * MIB, 1536 * MIB, workers))
    sink.tick(now + 1)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw.getvalue().decode())
    assert "CPU 87%  1.5 GiB" in shown
    assert "50% 42 MiB 3 connections" in shown
    sink.close()


def test_what_needs_no_isolation_is_not_shown_as_isolated_by_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)
    sink = LiveConsole(stream, ConsoleStyle())
    level = ("none", "READ_ONLY")
    monkeypatch.setattr(sink.progress, "level_of", lambda _view: level)
    run = make_run(Scenario(tests=20, failing=0))
    for event in run[: len(run) // 2]:
        sink.on(event)
    sink.tick(run[len(run) // 2].at + 1)
    stream.seek(0)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.read())
    assert " READ_ONLY" in shown
    assert "none READ_ONLY" not in shown
    sink.close()


def test_the_most_memory_is_told_at_the_end() -> None:
    sample = events.Vitals(2.0, 0.5, 0.0, 900 * MIB, 300 * MIB, {})
    assert "memory      300 MiB at most" in plain(sample)
