from __future__ import annotations

import io
import re

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Result
from dbsafe_runner.reporting.lines import going_on_line
from dbsafe_runner.reporting.live import LiveConsole
from dbsafe_runner.reporting.printer import ConsoleStyle

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    resize(monkeypatch, 100, 30)


def resize(monkeypatch: pytest.MonkeyPatch, columns: int, lines: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))


def play(
    run: list[events.RunEvent], style: ConsoleStyle | None = None, encoding: str = "utf-8"
) -> tuple[LiveConsole, io.BytesIO]:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n", write_through=True)
    sink = LiveConsole(stream, style or ConsoleStyle(colour=True))
    for event in run:
        sink.on(event)
    return sink, raw


def frames(raw: io.BytesIO, encoding: str = "utf-8") -> list[list[str]]:
    """The lines between two moves of the cursor, without colours."""
    text = raw.getvalue().decode(encoding)
    return [ESCAPES.sub("", frame).splitlines() for frame in re.split(r"(?:\x1b\[1A|\r)+", text)]


def until(run: list[events.RunEvent], share: float) -> list[events.RunEvent]:
    return run[: int(len(run) * share)]


def test_the_display_is_gone_at_the_end_and_the_closing_block_stays() -> None:
    sink, raw = play(make_run())
    sink.close()
    text = raw.getvalue().decode()
    assert text.endswith("\n")
    assert "\x1b[?25h" in text, "the cursor is shown again"
    last = ESCAPES.sub("", text[text.rindex("\x1b[2K") :])
    assert "288 passed" in last
    assert "━" not in last


def test_failures_appear_while_the_run_goes_on() -> None:
    run = make_run()
    sink, raw = play(until(run, 0.9))
    failed = next(event for event in run if isinstance(event, events.TestFinished) and event.coloured)
    assert failed.coloured in raw.getvalue().decode()
    sink.close()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [40, 72, 100, 140])
def test_no_line_of_the_display_is_too_long(
    monkeypatch: pytest.MonkeyPatch, columns: int, encoding: str
) -> None:
    resize(monkeypatch, columns, 30)
    sink, raw = play(until(make_run(), 0.5), encoding=encoding)
    lines = [line for frame in frames(raw, encoding) for line in frame]
    shown = [line for line in lines if re.match(r"gw\d |[━─=-]+ +\d+/300", line)]
    assert any(line.startswith("gw3") for line in shown)
    assert max(len(line.rstrip()) for line in shown) < columns
    sink.close()


def test_a_worker_line_tells_test_seconds_level_and_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    resize(monkeypatch, 140, 30)
    run = make_run()
    first = next(number for number, event in enumerate(run) if isinstance(event, events.TestStarted))
    sink, raw = play(run[: first + 1])
    sink.tick(run[first].at + 12.3)
    line = next(line for line in frames(raw)[-1] if line.startswith("gw0"))
    assert "test_checkout_is_kept_after_commit[0]" in line
    assert "12.3 s server " in line
    assert line.rstrip().endswith("server-0")
    sink.close()


@pytest.mark.parametrize(
    ("columns", "words"), [(140, "run again alone, with nothing beside it"), (80, "run again")]
)
def test_a_test_that_is_run_again_has_a_line_while_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, columns: int, words: str
) -> None:
    resize(monkeypatch, columns, 30)
    failed = Result("t.py::test_fails", Outcome.FAILED, {"call": 0.1}, "gw0", 0.0)
    sink, raw = play(
        [
            events.Collected(0.0, 6, 1, 0, 0.1, "9.0"),
            events.WorkerStarted(0.5, "gw0", 1, "fork"),
            events.TestStarted(1.0, "t.py::test_fails", "gw0"),
            events.TestUnconfirmed(1.1, failed),
            events.TrialStarted(1.2, "gw4", "t.py::test_fails", "alone, with nothing beside it", 0),
        ]
    )
    sink.tick(13.5)
    line = next(line for line in frames(raw)[-1] if line.startswith("gw"))
    assert line.startswith("gw4 t.py::test_fails ")
    assert line.rstrip().endswith(f" 12.3 s {words}")
    assert "12.3 s" in "".join(text for _, text in going_on_line(sink.progress, 13.5, sink._printer))
    sink.on(events.TrialStopped(14.0, "gw4"))
    sink.tick(15.0)
    assert not any(line.startswith("gw") for line in frames(raw)[-1])
    sink.close()


def test_workers_are_shown_in_the_order_of_their_numbers() -> None:
    started = [
        events.TestStarted(1.0, f"t.py::test_{number}", f"gw{number}") for number in (10, 2, 9, 0)
    ]
    collected = events.Collected(0.0, 20, 1, 0, 0.1, "9.0")
    sink, raw = play([collected, *started])
    sink.tick(60.0)
    shown = "\n".join(line for frame in frames(raw)[-6:] for line in frame)
    assert re.findall(r"gw\d+", shown)[-4:] == ["gw0", "gw2", "gw9", "gw10"]
    sink.close()


def test_more_workers_than_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    resize(monkeypatch, 100, 10)
    run = make_run(Scenario(tests=2000, workers=32))
    sink, raw = play(until(run, 0.3))
    sink.tick(60.0)
    last = frames(raw)
    text = "\n".join(line for frame in last[-12:] for line in frame)
    assert "more workers" in text
    sink.close()


def test_redraws_are_bounded_by_time_not_by_tests() -> None:
    run = make_run(Scenario(tests=5000, seconds=0.0001))
    sink, raw = play(run, ConsoleStyle(colour=True, verbosity=1))
    sink.close()
    drawn = ESCAPES.sub("", raw.getvalue().decode()).count("/5,000  ")
    assert 0 < drawn <= run[-1].at / 0.1 + 10


def test_an_incomplete_line_is_held_back_until_it_is_complete() -> None:
    sink, raw = play([*until(make_run(), 0.2), events.PytestOutput(50.0, "half a line")])
    assert b"half a line" not in raw.getvalue()
    sink.on(events.PytestOutput(51.0, " is whole now\nand more"))
    assert b"half a line is whole now" in raw.getvalue()
    assert b"and more" not in raw.getvalue()
    sink.close()
    assert b"and more" in raw.getvalue()


def test_no_color_is_obeyed() -> None:
    sink, raw = play(make_run(), ConsoleStyle(colour=False))
    sink.close()
    assert not re.search(r"\x1b\[[0-9;]*m", raw.getvalue().decode())
