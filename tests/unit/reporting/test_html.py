from __future__ import annotations

import html.parser
import json
import re

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Result
from dbsafe_runner.reporting.html import MOST_FAILURES, _tiles, as_html
from dbsafe_runner.reporting.recorder import Recorder
from dbsafe_runner.reporting.results import RunReport

VOID = {"meta", "input", "br", "link", "img", "rect"}


class Page(html.parser.HTMLParser):
    """Collects what the tests look at, and refuses elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.count: dict[str, int] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def data_of(text: str) -> list[list[object]]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert match
    return json.loads(match[1])  # type: ignore[no-any-return]


def report_of(*results: Result) -> RunReport:
    recorder = Recorder()
    recorder.on(events.Collected(0.0, len(results), 1, 0, 0.1, "9.0"))
    for result in results:
        recorder.on(events.TestFinished(1.0, result, "server", 0))
    return recorder.report()


def test_a_whole_run_is_a_well_formed_page_that_needs_no_network(report: RunReport) -> None:
    text = as_html(report)
    page = Page(text)
    assert page.addresses == []
    assert "url(" not in text
    assert "@import" not in text
    failed = [test for test in report.tests if test.outcome == "failed"]
    assert page.count["details"] == len(failed) > 0
    assert page.count["svg"] == 4
    assert len(data_of(text)) == 300


def test_names_and_texts_cannot_become_markup() -> None:
    evil = "</script><script>alert(1)</script><!-- \u2028 '\"&"
    result = Result(f"a.py::{evil}", Outcome.FAILED, {}, "gw0", 1.0, text=evil, reason=evil)
    text = as_html(report_of(result))
    page = Page(text)
    assert "<script>alert" not in text
    assert evil in "".join(page.texts["pre"])
    assert data_of(text)[0][0] == f"a.py::{evil}"


@pytest.mark.parametrize(
    ("outcomes", "heading"),
    [
        ([Outcome.PASSED], "Interrupted"),
        ([], "Interrupted"),
    ],
)
def test_half_a_run_says_that_it_was_interrupted(outcomes: list[Outcome], heading: str) -> None:
    report = report_of(*[Result("a.py::b", outcome, {}, "gw0", 1.0) for outcome in outcomes])
    assert Page(as_html(report)).texts["h1"] == [heading]


@pytest.mark.parametrize(
    ("failing", "code", "heading"),
    [(0.0, 0, "Passed"), (1.0, 1, "40 tests failed"), (0.0, 67, "Ended with exit code 67")],
)
def test_the_heading_is_the_verdict(failing: float, code: int, heading: str) -> None:
    *run, finished = make_run(Scenario(tests=40, failing=failing))
    assert isinstance(finished, events.RunFinished)
    recorder = Recorder()
    for event in run:
        recorder.on(event)
    end = events.RunFinished(finished.at, code, False, finished.totals, finished.span, finished.busy)
    recorder.on(end)
    assert Page(as_html(recorder.report())).texts["h1"] == [heading]


def test_a_test_that_needed_no_isolation_is_said_to_need_none() -> None:
    report = report_of(Result("a.py::b", Outcome.FAILED, {}, "gw0", 1.0, text="x"))
    isolated = report.tests[0].model_copy(update={"isolation": "none"})
    text = as_html(report.model_copy(update={"tests": [isolated]}))
    assert "· none needed" in text
    assert ',"none",' not in text


def test_what_could_not_be_collected_comes_first() -> None:
    recorder = Recorder()
    recorder.on(events.CollectionFailed(1.0, "test_<x>.py", "ImportError: y", "E   ImportError: <y>"))
    recorder.on(events.RunFinished(2.0, 2, False, {}, 0.0, {}))
    page = Page(text := as_html(recorder.report()))
    assert page.texts["h1"] == ["1 collection error"]
    assert page.count["details"] == 1
    assert "E   ImportError: &lt;y&gt;" in text


def test_the_error_that_ended_the_run_comes_first_and_once() -> None:
    recorder = Recorder()
    recorder.on(events.Notice(0.5, "warning", "other", "Something else."))
    failed = events.RunFailed(1.0, 2.0, "setup-failed", "It exited with 3.", "\x1b[31mno <x>", "Do.", 66)
    recorder.on(failed)
    page = Page(text := as_html(recorder.report()))
    assert page.texts["h1"] == ["Ended by an error"]
    assert page.texts["h2"][0] == "Error"
    assert text.count("It exited with 3.") == text.count("<pre>no &lt;x&gt;</pre>") == 1
    assert "Something else." in text
    # Nothing has run, so there is no time to tell.
    assert "from first to last test" not in text


def test_very_many_failures_are_cut_short_and_counted() -> None:
    failures = [
        Result(f"a.py::b[{number}]", Outcome.FAILED, {}, "gw0", 1.0, text="x")
        for number in range(MOST_FAILURES + 7)
    ]
    text = as_html(report_of(*failures))
    assert Page(text).count["details"] == MOST_FAILURES
    assert "7 more are in the table below" in text


@pytest.mark.parametrize(
    ("results", "titles"),
    [(1, {"error", "worker, 50% busy"}), (2, {"errors", "workers, 50% busy"})],
)
def test_one_of_something_is_no_plural(results: int, titles: set[str]) -> None:
    found = report_of(
        *(Result(f"t.py::test_{n}", Outcome.ERROR, {}, "gw0", 0.0) for n in range(results))
    )
    assert titles <= {title for _, title, _ in _tiles(found, [0.5] * results)}
