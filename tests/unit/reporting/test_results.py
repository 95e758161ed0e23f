from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Result
from dbsafe_runner.reporting.recorder import Recorder
from dbsafe_runner.reporting.results import RunReport, as_json, schema_text

SCHEMA = Path(__file__).parents[3] / "docs" / "results.schema.json"


def record(run: list[events.RunEvent]) -> RunReport:
    recorder = Recorder()
    for event in run:
        recorder.on(event)
    return recorder.report()


def test_the_published_schema_is_current() -> None:
    assert SCHEMA.read_text() == schema_text(), (
        "docs/results.schema.json is out of date: python -m dbsafe_runner.reporting.results"
    )


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_what_is_written_satisfies_the_schema_at_any_moment(share: float) -> None:
    run = make_run()
    data = json.loads(as_json(record(run[: int(len(run) * share)])))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(data)


def test_it_can_be_read_back(report: RunReport) -> None:
    assert RunReport.model_validate_json(as_json(report)) == report


def test_everything_about_the_run_is_in_it(report: RunReport) -> None:
    run = make_run(Scenario())
    finished = run[-1]
    assert isinstance(finished, events.RunFinished)
    totals = report.totals.model_dump()
    assert {name: totals[name] for name in finished.totals} == finished.totals
    assert sum(totals.values()) - totals["collected"] - totals["deselected"] == totals["collected"]
    assert report.run.exit_code == finished.exit_code
    assert report.run.span == finished.span
    assert {worker.name: round(worker.busy, 6) for worker in report.workers} == {
        worker: round(seconds, 6) for worker, seconds in finished.busy.items()
    }
    assert sum(worker.tests for worker in report.workers) == 300
    assert len(report.namespaces) == 4
    assert report.notices[0].code == "level-contradicted"
    assert sum(report.levels.values()) == 300


def test_a_failure_has_its_text_output_and_verdict(report: RunReport) -> None:
    test = next(test for test in report.tests if test.verdict == "victim")
    assert test.outcome == "failed"
    assert "assert 2 == 1" in test.text
    assert test.sections[0].title == "Captured stdout call"
    assert test.other
    assert test.file == test.nodeid.split("::")[0]
    assert test.seconds == pytest.approx(sum(test.phases.values()))


def test_half_a_run_counts_the_rest_as_not_run() -> None:
    run = make_run(Scenario())
    half = record(run[: len(run) // 2])
    assert half.run.exit_code is None
    assert half.run.interrupted
    assert half.totals.not_run == 300 - len(half.tests)


def test_a_replaced_worker_appears_once_for_each_process() -> None:
    def finished(at: float, nodeid: str) -> events.TestFinished:
        result = Result(nodeid, Outcome.PASSED, {"call": 0.5}, "gw0", at)
        return events.TestFinished(at, result, "server", 0)

    run = [
        events.WorkerStarted(0.0, "gw0", 10, "fork"),
        finished(1.0, "a.py::a"),
        events.WorkerEnded(2.0, "gw0", 10, "killed by SIGKILL", "a.py::b"),
        events.WorkerStarted(3.0, "gw0", 11, "fork"),
        finished(4.0, "a.py::c"),
        finished(5.0, "a.py::d"),
    ]
    workers = record(run).workers
    assert [(worker.pid, worker.tests, worker.ended) for worker in workers] == [
        (10, 1, 2.0),
        (11, 2, None),
    ]
    assert workers[0].cause == "killed by SIGKILL"


def test_texts_that_are_no_unicode_are_written_out() -> None:
    result = Result("test_\udce9.py::x", Outcome.FAILED, {}, "gw0", 0.0, text="\udcff \x00 \x1b[1m é")
    report = record([events.TestFinished(1.0, result, "server", 0)])
    data = json.loads(as_json(report).encode("utf-8"))
    assert data["tests"][0]["nodeid"] == "test_\\udce9.py::x"
    assert data["tests"][0]["text"] == "\\udcff \x00 \x1b[1m é"
