"""Progress: the state of a run as its events tell it; what the displays draw from.

Draws nothing and knows no clock: times are those of the events, in seconds since the run started.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Result, Verdict
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.reporting.took import Took

#: Outcomes that make a run fail.
BAD = frozenset({Outcome.FAILED, Outcome.ERROR})
#: Seconds by which a test may take longer than expected before that says anything.
_NOTICED = 1.0
#: The part of the predicted time that has to rest on earlier runs for a prediction to be shown.
_MOST_KNOWN = 0.5


@dataclasses.dataclass(slots=True)
class WorkerView:
    """What is known of one worker now."""

    name: str
    #: The test that it runs, "" between tests, and when that started; later by what it had to wait.
    nodeid: str = ""
    since: float = 0.0
    #: Since when it waits for a namespace; None while it does not.
    waits_since: float | None = None
    namespace: str = ""
    #: The batch that it works on, and how many of the batch's tests it has finished.
    batch: int = -1
    position: int = 0
    #: Of a process that runs a failed test again: behind what, in words.
    again: str = ""

    def seconds(self, now: float) -> float:
        """How long its test has been running by `now`, without waiting for a namespace."""
        return max(0.0, (now if self.waits_since is None else self.waits_since) - self.since)


class Progress:
    """Follows the stream. Each event costs a dictionary look-up and a few assignments."""

    def __init__(self) -> None:
        self.run: events.RunStarted | None = None
        self.collected: events.Collected | None = None
        #: How many things could not be collected.
        self.uncollected = 0
        self.server: events.ServerReady | None = None
        self.finished: events.RunFinished | None = None
        self.plan: Plan | None = None
        #: The step that goes on before the first test.
        self.step = ""
        self.workers: dict[str, WorkerView] = {}
        #: The processes that run failed tests again now.
        self.trials: dict[str, WorkerView] = {}
        self.outcomes: collections.Counter[Outcome] = collections.Counter()
        self.verdicts: collections.Counter[Verdict] = collections.Counter()
        self.took = Took()
        self.first_start: float | None = None
        self.namespaces: set[str] = set()
        self.done = self.replaced = self.crashes = 0
        self.reset_seconds: list[float] = []
        self.leaks: list[tuple[str, str]] = []
        #: The latest sample of what the run takes.
        self.vitals: events.Vitals | None = None
        #: The most memory that all processes of the run took, in bytes.
        self.memory_peak = 0
        #: Tests that left something behind, with what, in words.
        self.leaky: dict[str, tuple[str, ...]] = {}
        #: Slow tests, each with the longest time after which it was called so.
        self.slow: dict[str, float] = {}
        #: Failed tests that are being run again; their outcome is not known yet.
        self.unconfirmed: set[str] = set()
        self._confirmed: set[str] = set()
        #: Failures that stand as they were reported; there was no time to look into all when `hasty`.
        self.unexamined: list[str] = []
        self.hasty = False
        self.last_end = self._predicted_done = self._predicted_all = 0.0
        #: The predicted durations that earlier runs tell.
        self._known: list[float] = []
        self._handlers = self._make_handlers()

    def _make_handlers(self) -> dict[type[Any], Callable[[Any], None]]:
        return {
            events.RunStarted: self._run_started,
            events.Preparing: self._preparing,
            events.ServerReady: self._server_ready,
            events.CollectionFailed: self._collection_failed,
            events.Collected: self._collected,
            events.PlanFixed: self._plan_fixed,
            events.WorkerStarted: self._worker_started,
            events.WorkerEnded: self._worker_ended,
            events.NamespaceAwaited: self._namespace_awaited,
            events.NamespaceLeased: self._namespace_leased,
            events.BatchStarted: self._batch_started,
            events.TestStarted: self._test_started,
            events.TestSlow: self._test_slow,
            events.TestUnconfirmed: self._test_unconfirmed,
            events.TrialStarted: self._trial_started,
            events.TrialStopped: self._trial_stopped,
            events.TestFinished: self._test_finished,
            events.NamespaceReset: self._namespace_reset,
            events.Notice: self._noticed,
            events.Vitals: self._sampled,
            events.RunFinished: self._run_finished,
        }

    def on(self, event: events.RunEvent) -> None:
        """Take one event; unknown ones change nothing."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    @property
    def total(self) -> int:
        """Tests selected; 0 before collection."""
        return self.collected.tests if self.collected else 0

    @property
    def bad(self) -> int:
        """Tests that failed so far."""
        return sum(self.outcomes[outcome] for outcome in BAD)

    @property
    def being_confirmed(self) -> int:
        """Failed tests that are being run again now."""
        return len(self.unconfirmed - self._confirmed)

    @property
    def known_durations(self) -> int:
        """How many durations earlier runs tell."""
        return len(self._known)

    @property
    def durations_known(self) -> bool:
        """Whether most of what the plan predicts rests on earlier runs of the same tests.

        A test that is new, or that never gets beyond its set-up, says little about all the others.
        """
        if self.plan is None or self.plan.predicted_wall <= 0:
            return False
        return sum(self._known) > _MOST_KNOWN * self._predicted_all

    @property
    def is_at_rest(self) -> bool:
        """Whether no worker is there that has work: all tests are done, or the run stops before that."""
        return 0 < self.total <= self.done or all(view.batch < 0 for view in self.workers.values())

    def level_of(self, worker: WorkerView) -> tuple[str, str]:
        """Isolation and level of the batch that `worker` has, as words; "" when not known."""
        if self.plan is None or not 0 <= worker.batch < len(self.plan.batches):
            return "", ""
        batch = self.plan.batches[worker.batch]
        return batch.isolation.value, batch.level.name

    def remaining(self, now: float) -> float | None:
        """Seconds that the tests will still take; None while nothing can be said.

        What the plan predicts counts less, and what has been seen counts more, the more is done. A test
        that has run longer than predicted will end nobody knows when: as soon as it has done so by more
        than all that is left, no number would be better than a guess.
        """
        running = [view for view in self.workers.values() if view.nodeid]
        if self.first_start is None or not self.total or (self.being_confirmed and not running):
            return None
        known = self._predicted_all > 0 and self.durations_known
        estimate = self._planned_rest(now, running) if known else self._counted_rest(now, running)
        if estimate is None:
            return None
        overrun = max((view.seconds(now) - self._expected(view) for view in running), default=0.0)
        return estimate if overrun <= max(estimate, _NOTICED) else None

    def _planned_rest(self, now: float, running: Sequence[WorkerView]) -> float:
        """What is left by the plan, with that part of the running tests which they have behind them."""
        assert self.first_start is not None
        assert self.plan is not None
        done = self._predicted_done
        done += sum(min(view.seconds(now), self._expected(view)) for view in running)
        part = min(1.0, done / self._predicted_all)
        by_plan = self.plan.predicted_wall
        by_rate = max(0.0, now - self.first_start) / part if part else by_plan
        return max(0.0, (1 - part) * ((1 - part) * by_plan + part * by_rate))

    def _counted_rest(self, now: float, running: Sequence[WorkerView]) -> float | None:
        """The same by the number of tests, once enough have ended to say so."""
        assert self.first_start is not None
        if not self.done or (self.done < 0.05 * self.total and self.done < 20):
            return None
        mean = self._mean or 1.0
        done = self.done + sum(min(1.0, view.seconds(now) / mean) for view in running)
        part = min(1.0, done / self.total)
        return max(0.0, now - self.first_start) * (1 - part) / part

    def _expected(self, view: WorkerView) -> float:
        """Seconds that a worker's test should take: as predicted, else as tests took on average."""
        if self.plan is not None and self.durations_known and 0 <= view.batch < len(self.plan.batches):
            predicted = self.plan.batches[view.batch].seconds
            if view.position < len(predicted):
                return predicted[view.position]
        return self._mean

    @property
    def _mean(self) -> float:
        """Seconds that a test took on average; 0 before any has ended."""
        return self.took.total / self.done if self.done else 0.0

    def _run_started(self, event: events.RunStarted) -> None:
        self.run = event

    def _preparing(self, event: events.Preparing) -> None:
        self.step = event.what

    def _server_ready(self, event: events.ServerReady) -> None:
        self.server = event
        self.step = ""

    def _collection_failed(self, _event: events.CollectionFailed) -> None:
        self.uncollected += 1

    def _collected(self, event: events.Collected) -> None:
        self.collected = event

    def _plan_fixed(self, event: events.PlanFixed) -> None:
        self.plan = event.plan
        self._predicted_all = sum(batch.total_seconds for batch in event.plan.batches)
        self._known = [
            seconds
            for batch in event.plan.batches
            for test, seconds in zip(batch.tests, batch.seconds, strict=True)
            if event.plan.knows(batch, test)
        ]

    def _worker_started(self, event: events.WorkerStarted) -> None:
        if event.worker in self.workers:
            self.replaced += 1
        self.workers[event.worker] = WorkerView(event.worker)

    def _worker_ended(self, event: events.WorkerEnded) -> None:
        self.crashes += bool(event.cause)
        view = self.workers.get(event.worker)
        if view is not None:
            view.nodeid, view.namespace, view.batch = "", "", -1
            view.waits_since = None

    def _namespace_awaited(self, event: events.NamespaceAwaited) -> None:
        self._view(event.worker).waits_since = event.at
        self._find_first_start()

    def _namespace_leased(self, event: events.NamespaceLeased) -> None:
        self.namespaces.add(event.namespace)
        view = self._view(event.worker)
        view.namespace = event.namespace
        if view.waits_since is not None:
            view.since += event.at - max(view.waits_since, view.since)
            view.waits_since = None
            self._find_first_start()

    def _batch_started(self, event: events.BatchStarted) -> None:
        view = self._view(event.worker)
        view.batch, view.position = event.batch, 0
        self.took.batch_started(event)

    def _test_started(self, event: events.TestStarted) -> None:
        view = self._view(event.worker)
        view.nodeid, view.since = event.nodeid, event.at
        self.took.test_started(event)
        if self.first_start is None:
            self.first_start = event.at

    def _find_first_start(self) -> None:
        """Count from the first test that really runs: nothing has, where all wait for a namespace."""
        if not self.done:
            running = (v.since for v in self.workers.values() if v.nodeid and v.waits_since is None)
            self.first_start = min(running, default=None)

    def _test_unconfirmed(self, event: events.TestUnconfirmed) -> None:
        self.unconfirmed.add(event.result.nodeid)
        self._leave(event.result)

    def _trial_started(self, event: events.TrialStarted) -> None:
        view = WorkerView(event.worker, event.nodeid, event.at, again=event.kind)
        self.trials[event.worker] = view

    def _trial_stopped(self, event: events.TrialStopped) -> None:
        self.trials.pop(event.worker, None)

    def _test_slow(self, event: events.TestSlow) -> None:
        self.slow[event.nodeid] = event.seconds

    def _test_finished(self, event: events.TestFinished) -> None:
        result = event.result
        self.done += 1
        self.outcomes[result.outcome] += 1
        self.verdicts[result.verdict] += 1
        if result.verdict is Verdict.CLEAR and result.outcome in {Outcome.FAILED, Outcome.ERROR}:
            self.unexamined.append(result.nodeid)
        if event.leaks:
            self.leaky[result.nodeid] = event.leaks
        self.took.test_finished(event)
        self.last_end = event.at
        if result.nodeid in self.unconfirmed:
            self._confirmed.add(result.nodeid)
        else:
            self._leave(result)

    def _leave(self, result: Result) -> None:
        """The worker has finished the test, and is free for the next one."""
        view = self.workers.get(result.worker)
        if view is None:
            return
        if view.nodeid == result.nodeid:
            view.nodeid = ""
        if self.plan is not None and 0 <= view.batch < len(self.plan.batches):
            predicted = self.plan.batches[view.batch].seconds
            if view.position < len(predicted):
                self._predicted_done += predicted[view.position]
            view.position += 1

    def _namespace_reset(self, event: events.NamespaceReset) -> None:
        self.reset_seconds.append(event.report.seconds)
        self.leaks.extend((event.worker, leak) for leak in event.report.leaks)

    def _noticed(self, event: events.Notice) -> None:
        self.hasty = self.hasty or event.code == "not-run-again"

    def _sampled(self, event: events.Vitals) -> None:
        self.vitals = event
        self.memory_peak = max(self.memory_peak, event.memory)

    def _run_finished(self, event: events.RunFinished) -> None:
        self.finished = event

    def _view(self, worker: str) -> WorkerView:
        if worker not in self.workers:
            self.workers[worker] = WorkerView(worker)
        return self.workers[worker]
