from __future__ import annotations

import dataclasses
import itertools

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.reporting.progress import Progress


def follow(run: list[events.RunEvent]) -> Progress:
    progress = Progress()
    for event in run:
        progress.on(event)
    return progress


def test_counts_what_the_run_counts() -> None:
    run = make_run()
    progress = follow(run)
    finished = run[-1]
    assert isinstance(finished, events.RunFinished)
    assert {outcome.value: count for outcome, count in progress.outcomes.items()} == finished.totals
    assert progress.done == progress.total == 300
    assert progress.bad == progress.outcomes[Outcome.FAILED]
    assert len(progress.reset_seconds) == len(progress.collected.per_file)  # type: ignore[union-attr]
    assert len(progress.namespaces) == 4


def test_knows_what_each_worker_does_now() -> None:
    run = make_run()
    progress = Progress()
    running: dict[str, str] = {}
    for event in run:
        progress.on(event)
        match event:
            case events.TestStarted():
                running[event.worker] = event.nodeid
            case events.TestFinished():
                running[event.result.worker] = ""
        for worker, nodeid in running.items():
            assert progress.workers[worker].nodeid == nodeid


def test_knows_the_level_of_the_batch() -> None:
    run = make_run()
    plan = next(event for event in run if isinstance(event, events.PlanFixed)).plan
    progress = Progress()
    for event in itertools.takewhile(lambda event: not isinstance(event, events.TestFinished), run):
        progress.on(event)
    view = progress.workers["gw0"]
    assert progress.level_of(view) == ("server", plan.batches[view.batch].level.name)


@pytest.mark.parametrize("planned", [True, False])
def test_what_remains_is_told_well_before_the_end(planned: bool) -> None:
    run = make_run(Scenario(tests=1000, planned=planned))
    end = run[-1].at
    progress = Progress()
    for event in run:
        progress.on(event)
        remaining = progress.remaining(event.at)
        share = progress.done / 1000
        if isinstance(event, events.TestFinished) and 0.3 < share < 0.9:
            assert remaining is not None
            # Batches are not equal, so an estimate is within a part of the run, not exact.
            assert remaining == pytest.approx(end - event.at, abs=0.15 * end)


def test_nothing_is_told_about_the_rest_before_the_first_test() -> None:
    assert Progress().remaining(3.0) is None


def test_a_worker_that_is_gone_runs_nothing() -> None:
    run = make_run()
    progress = Progress()
    started = next(event for event in run if isinstance(event, events.TestStarted))
    progress.on(started)
    progress.on(events.WorkerEnded(2.0, started.worker, 1, "killed by SIGSEGV", started.nodeid))
    assert progress.workers[started.worker].nodeid == ""
    assert progress.crashes == 1


def test_unknown_events_change_nothing() -> None:
    @dataclasses.dataclass(frozen=True)
    class Unheard(events.RunEvent):
        what: str

    progress = Progress()
    progress.on(Unheard(0.0, "x"))
    assert progress.done == 0
