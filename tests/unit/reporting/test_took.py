"""The lower bound of a run that is over: what its tests took, in the batches that they were run in."""

from __future__ import annotations

from dbsafe_runner.domain import events
from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Outcome, Result
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.reporting.took import Took


def plan(*sizes: int, caps: dict[Level, int] | None = None) -> Plan:
    """A plan of batches with so many tests each, which are predicted to take no time."""
    batches = tuple(
        Batch(
            id=number,
            tests=tuple(range(size)),
            seconds=(0.0,) * size,
            level=Level.SHARED_WRITES,
            isolation=Isolation.SERVER,
            reset=ResetPolicy.AFTER_BATCH,
            setup_seconds=100.0,
            why="file",
        )
        for number, size in enumerate(sizes)
    )
    return Plan(batches, 4, "balanced", caps or {})


def run(took: Took, worker: str, batch: int, *seconds: float) -> None:
    took.batch_started(events.BatchStarted(0.0, worker, batch))
    for number, one in enumerate(seconds):
        nodeid = f"{batch}::{worker}::{number}"
        took.test_started(events.TestStarted(0.0, nodeid, worker))
        finish(took, nodeid, one)


def finish(took: Took, nodeid: str, seconds: float) -> None:
    result = Result(nodeid, Outcome.PASSED, {"call": seconds}, "gw0", 0.0)
    took.test_finished(events.TestFinished(0.0, result, "server", 3))


def test_batches_that_stay_together_bound_a_run_by_what_their_tests_took() -> None:
    took = Took()
    run(took, "gw0", 0, 3.0, 1.0)
    run(took, "gw1", 1, 2.0)
    bound = took.bound(plan(2, 1), workers=2, span=5.0)
    assert (took.total, bound.seconds) == (6.0, 4.0)
    assert bound.words == "the longest batch that cannot be split (batch 0: file)"
    assert took.bound(plan(2, 1), workers=1, span=7.0).words == "all workers busy throughout"
    assert took.bound(None, workers=2, span=5.0).words == "all workers busy throughout"


def test_caps_bound_it_but_never_above_what_it_took() -> None:
    took = Took()
    for number in range(4):
        run(took, f"gw{number}", number, 1.0)
    capped = plan(1, 1, 1, 1, caps={Level.SHARED_WRITES: 1})
    assert took.bound(capped, workers=4, span=6.0).seconds == 4.0
    assert "the cap of 1" in took.bound(capped, workers=4, span=6.0).words
    assert took.bound(capped, workers=4, span=1.5).seconds == 1.5


def test_a_test_whose_outcome_comes_late_counts_where_it_was_run() -> None:
    took = Took()
    took.batch_started(events.BatchStarted(0.0, "gw0", 0))
    took.test_started(events.TestStarted(0.0, "late", "gw0"))
    run(took, "gw0", 1, 1.0)
    finish(took, "late", 5.0)
    run(took, "gw1", 2, 5.0)
    assert took.bound(plan(1, 1, 1), workers=3, span=9.0).seconds == 5.0


def test_nothing_was_run() -> None:
    assert Took().bound(plan(), workers=0, span=0.0).seconds == 0.0
