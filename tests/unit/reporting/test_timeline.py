from __future__ import annotations

import dataclasses

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain.events import RunFinished
from dbsafe_runner.reporting.closing import closing_lines
from dbsafe_runner.reporting.html import as_html
from dbsafe_runner.reporting.progress import Progress
from dbsafe_runner.reporting.recorder import Recorder
from dbsafe_runner.reporting.results import RunReport
from dbsafe_runner.reporting.timeline import FINEST, make_lanes


def report_of(scenario: Scenario) -> RunReport:
    recorder = Recorder()
    for event in make_run(scenario):
        recorder.on(event)
    return recorder.report()


def test_each_worker_has_a_lane_with_all_its_tests(report: RunReport) -> None:
    lanes, whole = make_lanes(report)
    assert [lane.worker for lane in lanes] == ["gw0", "gw1", "gw2", "gw3"]
    assert sum(block.tests for lane in lanes for block in lane.blocks) == 300
    assert whole == pytest.approx(report.run.span, rel=0.02)


def test_blocks_do_not_overlap_and_stay_inside(report: RunReport) -> None:
    for lane in make_lanes(report)[0]:
        end = 0.0
        for block in lane.blocks:
            assert block.start >= end - 1e-6
            end = block.start + block.width
        assert end <= 1 + 1e-6
        assert 0 < lane.used <= 1 + 1e-6


def test_a_long_run_of_short_tests_stays_small() -> None:
    lanes, _ = make_lanes(report_of(Scenario(tests=20_000, seconds=0.001)))
    assert sum(block.tests for lane in lanes for block in lane.blocks) == 20_000
    assert all(len(lane.blocks) <= 2.5 / FINEST for lane in lanes)


def test_a_failure_shows_through_what_it_is_put_together_with() -> None:
    lanes, _ = make_lanes(report_of(Scenario(tests=20_000, seconds=0.001, failing=0.001)))
    assert any(block.style == "bad" for lane in lanes for block in lane.blocks)


def test_workers_are_in_order_of_their_numbers() -> None:
    lanes, _ = make_lanes(report_of(Scenario(tests=400, workers=12)))
    assert [lane.worker for lane in lanes] == [f"gw{number}" for number in range(12)]


def test_without_tests_there_is_nothing_to_draw() -> None:
    assert make_lanes(report_of(Scenario(tests=0, workers=0, crash=False, planned=False))) == ([], 0.0)


def test_workers_are_as_busy_as_the_console_says() -> None:
    *run, finished = make_run(Scenario(tests=40, workers=2, crash=False))
    assert isinstance(finished, RunFinished)
    progress, recorder = Progress(), Recorder()
    busy = {"gw0": finished.span * 0.9, "gw1": finished.span * 0.5}
    for event in [*run, dataclasses.replace(finished, busy=busy)]:
        progress.on(event)
        recorder.on(event)
    report = recorder.report()
    lanes, _ = make_lanes(report)
    assert [lane.used for lane in lanes] == [pytest.approx(0.9), pytest.approx(0.5)]
    told = ["".join(text for _, text in line) for line in closing_lines(progress, [])]
    assert "  utilisation 70% (50% to 90% by worker)" in told
    assert "workers, 70% busy" in as_html(report)
