from __future__ import annotations

import io
from pathlib import Path

import pytest
from fakes.event_stream import Scenario, make_run
from syrupy.assertion import SnapshotAssertion

from dbsafe_runner.domain import events
from dbsafe_runner.reporting.console import QUIET_FOR, PlainConsole
from dbsafe_runner.reporting.printer import ConsoleStyle

SMALL = Scenario(tests=40, workers=2, failing=0.05)


def shown(run: list[events.RunEvent], style: ConsoleStyle, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    sink = PlainConsole(stream, style)
    for event in run:
        sink.on(event)
    sink.close()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_a_whole_run(snapshot: SnapshotAssertion, verbosity: int) -> None:
    style = ConsoleStyle(verbosity=verbosity, reports=lambda: [Path(".dbsafe/results/report.html")])
    assert shown(make_run(SMALL), style) == snapshot


def test_an_interrupted_run_says_so(snapshot: SnapshotAssertion) -> None:
    run = make_run(Scenario(tests=40, workers=2, interrupted=True))
    assert shown(run, ConsoleStyle()) == snapshot


def test_without_colour_there_is_no_escape() -> None:
    assert "\x1b" not in shown(make_run(SMALL), ConsoleStyle())


def test_with_colour_failures_are_as_pytest_coloured_them() -> None:
    run = make_run(SMALL)
    failed = next(event for event in run if isinstance(event, events.TestFinished) and event.coloured)
    assert failed.coloured in shown(run, ConsoleStyle(colour=True))


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_all_the_same(encoding: str, verbosity: int) -> None:
    text = shown(make_run(SMALL), ConsoleStyle(verbosity=verbosity), encoding)
    text.encode("ascii")
    assert "passed" in text


def test_an_undecodable_name_is_written_out() -> None:
    event = events.PytestOutput(0.0, "tests/test_\udce9.py\n")
    assert "test_\\udce9.py" in shown([event], ConsoleStyle())


def test_lines_about_files_fit_forty_columns() -> None:
    text = shown(make_run(SMALL), ConsoleStyle(width=40))
    about_files = [line for line in text.splitlines() if line.endswith("%]")]
    assert about_files
    assert all(len(line) <= 40 for line in about_files)


def test_silence_is_broken_now_and_then() -> None:
    run = make_run(SMALL)
    stream = io.StringIO()
    sink = PlainConsole(stream, ConsoleStyle(width=160))
    first = next(number for number, event in enumerate(run) if isinstance(event, events.TestStarted))
    for event in run[: first + 1]:
        sink.on(event)
    at = run[first].at
    before = stream.getvalue()
    sink.tick(at + QUIET_FOR / 2)
    assert stream.getvalue() == before
    sink.tick(at + QUIET_FOR + 1)
    sink.tick(at + QUIET_FOR + 2)
    said = stream.getvalue().removeprefix(before).splitlines()
    assert len(said) == 1
    assert "0 of 40 tests" in said[0]
    assert run[first].nodeid.rpartition("::")[2] in said[0]  # type: ignore[attr-defined]


def test_no_time_is_left_when_all_tests_have_ended() -> None:
    *run, _finished = make_run(SMALL)
    stream = io.StringIO()
    sink = PlainConsole(stream, ConsoleStyle(width=160))
    for event in run:
        sink.on(event)
    before = stream.getvalue()
    sink.tick(run[-1].at + QUIET_FOR + 1)
    said = stream.getvalue().removeprefix(before)
    assert "40 of 40 tests" in said
    assert "left" not in said


def test_a_run_that_never_collected_closes_without_a_word() -> None:
    assert (
        shown([events.Preparing(0.0, "starting PostgreSQL")], ConsoleStyle()) == "starting PostgreSQL\n"
    )


def test_a_lost_worker_is_told_with_the_test_that_it_ran() -> None:
    event = events.WorkerEnded(1.0, "gw1", 7, "killed by SIGSEGV", "tests/test_a.py::test_b")
    text = shown([event], ConsoleStyle())
    assert text == "worker gw1 was lost during tests/test_a.py::test_b: killed by SIGSEGV\n"
