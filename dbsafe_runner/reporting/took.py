"""How long the tests took, batch by batch, and what no schedule of them could have undercut."""

from __future__ import annotations

import dataclasses
import textwrap

from dbsafe_runner.domain import events
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.bounds import Bound, lower_bound

_ALL_BUSY = "all workers busy throughout"
#: Characters of a reason that are shown; `dbsafe plan` has the whole.
_LONGEST_WHY = 60


class Took:
    """Follows which batch each test was run in. Times are seconds."""

    def __init__(self) -> None:
        #: Of all finished tests together.
        self.total = 0.0
        self._batches: dict[str, int] = {}
        #: Tests that run, or whose outcome is not known yet.
        self._running: dict[str, int] = {}
        self._seconds: dict[int, list[float]] = {}
        self._longest = 0.0

    def batch_started(self, event: events.BatchStarted) -> None:
        """Take what a worker works on from now on."""
        self._batches[event.worker] = event.batch

    def test_started(self, event: events.TestStarted) -> None:
        """Take where a test runs: if it is run again, its worker has moved on when it finishes."""
        if event.worker in self._batches:
            self._running[event.nodeid] = self._batches[event.worker]

    def test_finished(self, event: events.TestFinished) -> None:
        """Take how long a test took."""
        seconds = event.result.seconds
        self.total += seconds
        self._longest = max(self._longest, seconds)
        batch = self._running.pop(event.result.nodeid, None)
        if batch is not None:
            self._seconds.setdefault(batch, []).append(seconds)

    def bound(self, plan: Plan | None, workers: int, span: float) -> Bound:
        """The lower bound of `plan`, had it known these times, with as many workers as there were.

        At most the `span` that the run took: caps may have risen with the number of workers, and a
        test's own clock is not the run's.
        """
        workers = max(1, workers)
        best = Bound(min(self.total / workers, span), _ALL_BUSY)
        found = Bound(self._longest, "the longest test")
        if plan is not None:
            found = lower_bound(
                dataclasses.replace(
                    plan,
                    workers=workers,
                    session_setup={},
                    batches=tuple(
                        dataclasses.replace(
                            batch,
                            seconds=tuple(self._seconds.get(batch.id, ())),
                            setup_seconds=0.0,
                            why=_short(batch.why),
                        )
                        for batch in plan.batches
                    ),
                )
            )
        # By less than a hundredth nothing else is what limits it.
        if found.seconds <= 1.01 * best.seconds:
            return best
        return Bound(min(found.seconds, span), found.words)


def _short(why: str) -> str:
    return textwrap.shorten(why.removeprefix("together: "), _LONGEST_WHY, placeholder=" …")
