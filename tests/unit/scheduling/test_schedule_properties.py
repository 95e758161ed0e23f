"""What always holds, whatever happens: checked by a driver that keeps books of its own."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.scheduling.schedule import Assignment, Done, Schedule, Wait


@st.composite
def plans(draw):
    batches, test = [], 0
    for number in range(draw(st.integers(1, 14))):
        seconds = draw(st.lists(st.sampled_from([0.001, 0.01, 0.2, 1.0, 5.0]), min_size=1, max_size=9))
        earlier = st.integers(0, number - 1) if number else st.nothing()
        batches.append(
            Batch(
                id=number,
                tests=tuple(range(test, test + len(seconds))),
                seconds=tuple(seconds),
                level=draw(st.sampled_from(Level)),
                isolation=Isolation.NONE,
                reset=ResetPolicy.EACH_TEST,
                exclusive=draw(st.integers(0, 9)) == 0,
                splittable=draw(st.booleans()),
                after=tuple(draw(st.sets(earlier, max_size=2))) if number else (),
                affinity=frozenset(draw(st.sets(st.sampled_from("abc"), max_size=2))),
                setup_seconds=draw(st.sampled_from([0.0, 0.0, 0.5])),
                connections=draw(st.integers(0, 4)),
                durations_known=draw(st.booleans()),
            )
        )
        test += len(seconds)
    caps = draw(st.dictionaries(st.sampled_from(Level), st.integers(1, 3), max_size=3))
    return Plan(
        batches=tuple(batches),
        workers=draw(st.integers(1, 5)),
        strategy="balanced",
        caps=caps,
        connections=draw(st.sampled_from([0, 3, 5])),
        exclusive_first=draw(st.booleans()),
    )


class Driver:
    """Plays a dispatcher: takes random steps, and checks each answer against its own books."""

    def __init__(self, plan: Plan, chance: random.Random, faults: bool) -> None:
        self.plan = plan
        self.chance = chance
        self.faults = faults
        self.schedule = Schedule(plan)
        self.batch_of = {test: batch for batch in plan.batches for test in batch.tests}
        self.now = 0.0
        self.workers: dict[str, tuple[Batch, list[int]] | None] = {}
        self.busy: dict[str, bool] = {}
        self.finished: list[int] = []
        self.killers: list[int] = []
        self.again: set[int] = set()
        self.handed_out: list[tuple[str, tuple[int, ...]]] = []
        self.names = 0

    def hire(self) -> None:
        name = f"gw{self.names}"
        self.names += 1
        self.schedule.add_worker(name)
        self.workers[name], self.busy[name] = None, False

    def over(self, test: int) -> bool:
        return test in self.finished or test in self.killers

    def held(self) -> set[int]:
        return {test for work in self.workers.values() if work for test in work[1]}

    def running(self) -> list[Batch]:
        return [work[0] for work in self.workers.values() if work]

    def permitted(self, batch: Batch, running: list[Batch]) -> bool:
        """The rules, in their plainest form."""
        if any(other.exclusive for other in running) or (batch.exclusive and running):
            return False
        if any(not self.over(test) for b in batch.after for test in self.plan.batches[b].tests):
            return False
        if any(other.id in batch.after for other in running):
            return False
        cap = self.plan.caps.get(batch.level)
        if cap is not None and sum(other.level == batch.level for other in running) >= cap:
            return False
        budget = self.plan.connections
        used = sum(min(other.connections, budget) for other in [*running, batch])
        return not budget or used <= budget

    def ask(self, worker: str) -> None:
        answer = self.schedule.next(worker, self.now)
        if isinstance(answer, Wait):
            steal = self.schedule.steal(worker, self.now)
            if steal is None:
                return
            self.revoke(steal.victim, steal.tests)
            answer = self.schedule.next(worker, self.now)
        if isinstance(answer, Done):
            assert not (set(self.batch_of) - set(self.finished) - set(self.killers) - self.held())
            self.schedule.remove_worker(worker, self.now)
            del self.workers[worker]
        elif isinstance(answer, Assignment):
            self.accept(worker, answer)

    def accept(self, worker: str, answer: Assignment) -> None:
        batch = self.plan.batches[answer.batch.id]
        assert answer.tests
        assert list(answer.tests) == sorted(answer.tests)
        assert set(answer.tests) <= set(batch.tests)
        assert not set(answer.tests) & self.held()
        assert not any(self.over(test) for test in answer.tests)
        assert self.permitted(batch, self.running())
        if not batch.splittable and not self.faults:
            assert answer.tests == batch.tests
        self.workers[worker] = (answer.batch, list(answer.tests))
        self.busy[worker] = False
        self.handed_out.append((worker, answer.tests))

    def revoke(self, victim: str, tests: tuple[int, ...]) -> None:
        work = self.workers[victim]
        assert work is not None
        assert work[0].splittable
        unstarted = work[1][1:] if self.busy[victim] else work[1]
        assert list(tests) == unstarted[len(unstarted) - len(tests) :]
        if self.faults and self.chance.random() < 0.3:
            tests = tests[self.chance.randint(0, len(tests)) :]
        del work[1][len(work[1]) - len(tests) :]
        self.schedule.revoked(victim, tests, self.now)

    def step(self, worker: str) -> None:
        work = self.workers[worker]
        assert work is not None
        self.now += self.chance.choice([0.0, 0.01, 0.3])
        if not work[1]:
            self.workers[worker] = None
            self.schedule.batch_ended(worker, self.now)
        elif not self.busy[worker]:
            ahead = self.schedule.feed_ahead(worker, self.now)
            assert 0 <= ahead < len(work[1])
            self.busy[worker] = True
            self.schedule.started(worker, work[1][0], self.now)
        elif self.faults and self.chance.random() < 0.1:
            self.lose(worker, work[1])
        else:
            self.busy[worker] = False
            test = work[1].pop(0)
            self.finished.append(test)
            self.schedule.finished(worker, test, self.now, 0.1)
            if self.faults and test not in self.again and self.chance.random() < 0.05:
                self.again.add(test)
                self.finished.remove(test)
                self.schedule.requeue([test])

    def lose(self, worker: str, tests: list[int]) -> None:
        self.killers.append(tests[0])
        del self.workers[worker]
        assert self.schedule.lost(worker, self.now) == tuple(tests[1:])
        self.hire()

    def check_nobody_waits_in_vain(self) -> None:
        """Every idle worker has been asked: nothing that may run is left in the queue."""
        if not any(work is None for work in self.workers.values()):
            return
        left = set(self.batch_of) - set(self.finished) - set(self.killers) - self.held()
        running = self.running()
        ready = [b for b in self.plan.batches if left & set(b.tests) and not self.running_before(b)]
        if self.plan.exclusive_first and any(b.exclusive for b in ready):
            assert running
            return
        for batch in ready:
            assert not self.permitted(batch, running)
        assert running or not left

    def running_before(self, batch: Batch) -> bool:
        return any(not self.over(t) for b in batch.after for t in self.plan.batches[b].tests)

    def run(self) -> None:
        for _ in range(self.plan.workers):
            self.hire()
        for _ in range(10_000):
            for worker in list(self.workers):
                if worker in self.workers and self.workers[worker] is None:
                    self.ask(worker)
            self.check_nobody_waits_in_vain()
            active = [worker for worker, work in self.workers.items() if work is not None]
            if not active:
                if not self.schedule.remaining():
                    return
                self.hire()
                continue
            self.step(self.chance.choice(active))
        raise AssertionError("the run does not end")


@settings(max_examples=150, deadline=None)
@given(plans(), st.integers(0, 2**32))
def test_each_test_runs_once_and_no_rule_is_ever_broken(plan, seed):
    driver = Driver(plan, random.Random(seed), faults=False)
    driver.run()
    assert sorted(driver.finished) == sorted(driver.batch_of)
    assert driver.schedule.unfinished() == ()


@settings(max_examples=150, deadline=None)
@given(plans(), st.integers(0, 2**32))
def test_lost_workers_failed_steals_and_repeats_change_nothing_of_it(plan, seed):
    driver = Driver(plan, random.Random(seed), faults=True)
    driver.run()
    assert sorted(driver.finished + driver.killers) == sorted(driver.batch_of)
    assert driver.schedule.queued() == 0


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 2**32))
def test_equal_inputs_give_equal_runs(plan, seed):
    drivers = [Driver(plan, random.Random(seed), faults=True) for _ in range(2)]
    for driver in drivers:
        driver.run()
    assert drivers[0].handed_out == drivers[1].handed_out


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 2**32), st.integers(0, 30))
def test_after_stop_nothing_is_handed_out_and_the_books_are_right(plan, seed, steps):
    driver = Driver(plan, random.Random(seed), faults=False)
    for _ in range(plan.workers):
        driver.hire()
    for _ in range(steps):
        for worker in [w for w, work in driver.workers.items() if work is None]:
            driver.ask(worker)
        active = [worker for worker, work in driver.workers.items() if work is not None]
        if active:
            driver.step(driver.chance.choice(active))
    driver.schedule.stop()
    for worker, work in driver.workers.items():
        if work is None:
            assert isinstance(driver.schedule.next(worker, driver.now), Done)
            assert driver.schedule.steal(worker, driver.now) is None
        assert driver.schedule.feed_ahead(worker, driver.now) == 0
    assert set(driver.schedule.unfinished()) == set(driver.batch_of) - set(driver.finished)
    assert driver.schedule.remaining() == len(driver.schedule.unfinished())
