from __future__ import annotations

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.reporting.recorder import Recorder
from dbsafe_runner.reporting.results import RunReport


def record(run: list[events.RunEvent]) -> RunReport:
    recorder = Recorder()
    for event in run:
        recorder.on(event)
    return recorder.report()


@pytest.fixture(scope="module")
def report() -> RunReport:
    """The report of a made-up run of 300 tests."""
    return record(make_run(Scenario()))
