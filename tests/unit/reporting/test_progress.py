from __future__ import annotations

import dataclasses
import itertools

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Outcome, Result
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.reporting.lines import longest_running
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


def started(seconds: tuple[float, ...], *, known: bool = True) -> Progress:
    """A run in which each test is a batch, and the first two tests run on two workers since 0 s."""
    batches = tuple(
        Batch(
            id=number,
            tests=(number,),
            seconds=(length,),
            level=Level.NONE,
            isolation=Isolation.SERVER,
            reset=ResetPolicy.AFTER_BATCH,
            durations_known=known,
        )
        for number, length in enumerate(seconds)
    )
    plan = Plan(batches, 2, "balanced", {}, predicted_wall=sum(seconds) / 2)
    run: list[events.RunEvent] = [
        events.Collected(0.0, len(seconds), 1, 0, 0.1, "9.0"),
        events.PlanFixed(0.0, plan, {}),
    ]
    for number in (0, 1):
        run.append(events.WorkerStarted(0.0, f"gw{number}", 1, "fork"))
        run.append(events.BatchStarted(0.0, f"gw{number}", number))
        run.append(events.TestStarted(0.0, f"t.py::test_{number}", f"gw{number}"))
    return follow(run)


def finish(progress: Progress, number: int, at: float) -> None:
    result = Result(f"t.py::test_{number}", Outcome.PASSED, {"call": at}, f"gw{number}", 0.0)
    progress.on(events.TestFinished(at, result, "server", 0))


def test_what_a_running_test_has_behind_it_is_not_left() -> None:
    progress = started((10.0, 10.0))
    assert progress.remaining(0.0) == pytest.approx(10.0)
    assert progress.remaining(4.0) == pytest.approx(6.0)
    assert progress.remaining(9.0) == pytest.approx(1.0)


def test_nothing_is_told_about_the_rest_when_a_test_has_overrun_by_more_than_that() -> None:
    progress = started((0.04, 0.04))
    assert progress.remaining(0.02) == pytest.approx(0.02)
    for now in (2.0, 10.0, 30.0):
        assert progress.remaining(now) is None
    finish(progress, 0, 30.0)
    assert progress.remaining(30.0) is None
    finish(progress, 1, 30.1)
    assert progress.remaining(30.1) == 0.0


def test_a_test_that_has_overrun_by_less_than_the_rest_changes_little() -> None:
    progress = started((1.0, 40.0, *[10.0] * 6))
    remaining = progress.remaining(5.0)
    assert remaining is not None
    assert 40 < remaining < 60


def test_without_predictions_a_test_is_compared_with_those_that_ended() -> None:
    progress = started((1.0,) * 4, known=False)
    assert progress.remaining(1.0) is None
    finish(progress, 0, 2.0)
    # The other test is counted in full, as long as those that ended take.
    assert progress.remaining(2.0) == pytest.approx(2.0)
    # It has run for 58 s longer, and 2 more tests are left at that pace.
    assert progress.remaining(60.0) == pytest.approx(60.0)
    finish(progress, 2, 3.0)
    finish(progress, 3, 4.0)
    assert progress.remaining(60.0) is None


def test_nothing_is_told_about_the_rest_while_only_failures_are_run_again() -> None:
    progress = started((10.0, 10.0))
    finish(progress, 0, 10.0)
    result = Result("t.py::test_1", Outcome.FAILED, {"call": 10.0}, "gw1", 0.0)
    progress.on(events.TestUnconfirmed(10.0, result))
    assert progress.remaining(11.0) is None


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


def test_a_test_does_not_run_while_its_worker_waits_for_a_namespace() -> None:
    progress = started((10.0, 10.0))
    for number in range(2):
        progress.on(events.NamespaceAwaited(1.0, f"gw{number}"))
    assert longest_running(progress) is None
    assert progress.first_start is None
    progress.on(events.NamespaceLeased(61.0, "gw1", "server-1", 1, 60.0))
    assert progress.workers["gw0"].seconds(64.0) == progress.workers["gw0"].seconds(1.0)
    assert longest_running(progress) is progress.workers["gw1"]
    assert progress.workers["gw1"].seconds(64.0) == progress.workers["gw0"].seconds(1.0) + 3.0
    assert progress.remaining(64.0) is not None
    assert progress.remaining(64.0) < 20.0  # type: ignore[operator]


def test_one_test_without_a_duration_does_not_take_the_prediction_away() -> None:
    progress = started((4.0, 4.0, 0.05), known=False)
    assert not progress.durations_known
    assert progress.plan is not None
    for known, most in (({0, 1}, True), ({2}, False), (set(), False)):
        plan = dataclasses.replace(progress.plan, known=frozenset(known))
        progress.on(events.PlanFixed(0.0, plan, {}))
        assert progress.durations_known is most
        assert progress.known_durations == len(known)
