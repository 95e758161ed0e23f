"""Simulation: the schedule of a plan driven by a simulated clock.

It answers how long a plan should take and how busy each worker would be. It is the same code that
hands out tests in a real run, so it knows every limit; it does not know what the machine does to
tests that run side by side.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Mapping, Sequence

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.scheduling.answers import Assignment, Done
from dbsafe_runner.scheduling.schedule import Schedule


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """What running costs beside the tests themselves, in seconds."""

    #: Messages and reports of one test.
    test: float = 0.0
    #: One reset of a namespace.
    reset: float = 0.0
    #: From the start of the run until a worker takes its first test.
    worker_start: float = 0.0
    #: Replacing a worker by a fresh process.
    fresh: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Simulation:
    """What came out. `wall` is seconds from start to the end of the last batch."""

    wall: float
    #: Worker -> seconds in which it was running tests or resetting.
    busy: Mapping[str, float]
    steals: int

    @property
    def utilisation(self) -> float:
        """Share of the workers' time that was used, 0 to 1."""
        if not self.busy or self.wall <= 0:
            return 1.0
        return sum(self.busy.values()) / (self.wall * len(self.busy))


class _Worker:
    """A simulated worker: its assignment and how far it is."""

    __slots__ = ("assignment", "built", "busy", "last", "lengths", "name", "position", "stop")

    def __init__(self, name: str) -> None:
        self.name = name
        self.busy = 0.0
        self.assignment: Assignment | None = None
        self.lengths: list[float] = []
        self.position = 0
        self.stop = 0
        self.last = -1
        #: Fixtures of the whole session that its process has built.
        self.built: set[str] = set()


class _Run:
    """One simulated run."""

    def __init__(self, plan: Plan, costs: Costs, actual: Sequence[float] | None) -> None:
        self.schedule = Schedule(plan)
        self.costs = costs
        self.session_setup = plan.session_setup
        self.actual = actual
        self.workers = [_Worker(f"gw{number}") for number in range(max(plan.workers, 1))]
        self.by_name = {worker.name: worker for worker in self.workers}
        self.idle: list[_Worker] = []
        #: (time, serial, worker); the serial makes the order of equal times certain.
        self.events: list[tuple[float, int, _Worker]] = []
        self.serial = 0
        self.steals = 0
        self.predicted: dict[int, float] = {}
        if actual is None:
            for batch in plan.batches:
                self.predicted.update(zip(batch.tests, batch.seconds, strict=True))

    def run(self) -> float:
        """Play the run; its wall time in seconds."""
        now = self.costs.worker_start
        for worker in self.workers:
            self.schedule.add_worker(worker.name)
        self.idle = list(self.workers)
        self._wake(now)
        end = 0.0
        while self.events:
            now, _, worker = heapq.heappop(self.events)
            end = now
            if worker.position < worker.stop:
                self._finish_test(worker, now)
            else:
                self.schedule.batch_ended(worker.name, now)
                worker.assignment = None
                self.idle.append(worker)
                self._wake(now)
        return end

    def _wake(self, now: float) -> None:
        """Ask for all idle workers, until one has to wait and can steal nothing."""
        waiting: list[_Worker] = []
        for number, worker in enumerate(self.idle):
            answer = self.schedule.next(worker.name, now)
            if not isinstance(answer, Assignment | Done) and self._steal(worker, now):
                answer = self.schedule.next(worker.name, now)
            if isinstance(answer, Assignment):
                self._begin(worker, answer, now)
            elif not isinstance(answer, Done):
                waiting.extend(self.idle[number:])
                break
        self.idle = waiting

    def _steal(self, worker: _Worker, now: float) -> bool:
        steal = self.schedule.steal(worker.name, now)
        if steal is None:
            return False
        victim = self.by_name[steal.victim]
        victim.stop -= len(steal.tests)
        self.schedule.revoked(steal.victim, steal.tests, now)
        self.steals += 1
        return True

    def _begin(self, worker: _Worker, assignment: Assignment, now: float) -> None:
        seconds = self.predicted if self.actual is None else self.actual
        worker.assignment = assignment
        worker.lengths = [seconds[test] for test in assignment.tests]
        worker.position, worker.stop = 0, len(assignment.tests)
        batch = assignment.batch
        # A worker that goes on with the batch that it had has its fixtures still.
        first = self.costs.fresh if batch.fresh else 0.0
        first += 0.0 if worker.last == batch.id else batch.setup_seconds
        worker.last = batch.id
        if self.session_setup:
            first += self._session_setup(worker, batch)
        self._start_test(worker, now, first)

    def _session_setup(self, worker: _Worker, batch: Batch) -> float:
        """Seconds in which the worker builds what the batch needs of the whole session's fixtures."""
        if batch.fresh:
            worker.built.clear()
        new = [name for name in batch.affinity - worker.built if name in self.session_setup]
        worker.built.update(() if batch.fresh else new)
        return sum(self.session_setup[name] for name in new)

    def _start_test(self, worker: _Worker, now: float, extra: float) -> None:
        assignment = worker.assignment
        assert assignment is not None
        test = assignment.tests[worker.position]
        self.schedule.started(worker.name, test, now)
        length = worker.lengths[worker.position] + self.costs.test + extra
        worker.lengths[worker.position] = length
        worker.busy += length
        self.serial += 1
        heapq.heappush(self.events, (now + length, self.serial, worker))

    def _finish_test(self, worker: _Worker, now: float) -> None:
        assignment = worker.assignment
        assert assignment is not None
        position = worker.position
        length = worker.lengths[position]
        self.schedule.finished(worker.name, assignment.tests[position], now, length)
        worker.position = position + 1
        reset = self._reset_seconds(assignment.batch, worker.position == worker.stop)
        if worker.position < worker.stop:
            self._start_test(worker, now, reset)
            return
        worker.busy += reset
        self.serial += 1
        heapq.heappush(self.events, (now + reset, self.serial, worker))

    def _reset_seconds(self, batch: Batch, last: bool) -> float:
        if batch.reset is ResetPolicy.EACH_TEST or last:
            return self.costs.reset
        return 0.0


def simulate(
    plan: Plan, costs: Costs | None = None, actual: Sequence[float] | None = None
) -> Simulation:
    """Play a plan through.

    Args:
        plan: the plan; `plan.workers` workers are there from the start.
        costs: what running costs beside the tests; nothing when absent.
        actual: seconds that each test really takes, by its number; the predictions when absent.
    """
    run = _Run(plan, costs or Costs(), actual)
    wall = run.run()
    if run.schedule.remaining():
        raise ValueError(f"the plan left {run.schedule.remaining()} tests that no worker may run")
    return Simulation(wall, {worker.name: worker.busy for worker in run.workers}, run.steals)
