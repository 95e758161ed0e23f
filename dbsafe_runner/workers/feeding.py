"""Feeding: hands the schedule's assignments to workers, test by test, as far ahead as it allows."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from dbsafe_runner.domain import events
from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.scheduling.schedule import Assignment, Schedule, Steal, Wait
from dbsafe_runner.workers.catching_up import CatchingUp
from dbsafe_runner.workers.hits import hit_by
from dbsafe_runner.workers.launch import kill_group
from dbsafe_runner.workers.places import Places
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun
from dbsafe_runner.workers.slot import Slot, State

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool


class Feeding:
    """Keeps workers supplied. The schedule decides; this remembers what was sent to whom."""

    def __init__(self, pool: Pool, planned: PlannedRun, suite: CollectedSuite) -> None:
        self._pool = pool
        stops = bool(suite.maxfail)
        self.schedule = Schedule(
            planned.plan, stop_on_failure=stops, urgent=suite.urgent, order=pool.settings.order
        )
        self._batches = len(planned.plan.batches)
        self._tests = len(planned.classifications)
        self._splittable = any(batch.splittable for batch in planned.plan.batches)
        #: Batches whose tests are expected to use the database.
        self.connecting_batches = sum(batch.level > Level.NONE for batch in planned.plan.batches)
        self._again: set[int] = set()
        self._catching_up = CatchingUp()
        self._places = Places(suite.tests)
        #: Names of the workers that the schedule knows.
        self.known: set[str] = set()

    @property
    def most_useful_workers(self) -> int:
        """More workers than this would have nothing to do."""
        return self._tests if self._splittable else self._batches

    @property
    def something_left(self) -> bool:
        """Whether tests are left that no worker is running."""
        return int(self.schedule.remaining()) > 0

    @property
    def needs_more_workers(self) -> bool:
        """Whether a further worker would find something to do, now or when others have ended."""
        held = sum(
            len(slot.fed) + len(slot.unfed) for slot in self._pool.slots.values() if not slot.confirms
        )
        return int(self.schedule.remaining()) > held

    def add(self, slot: Slot) -> None:
        """A worker is there."""
        self.known.add(slot.name)
        self.schedule.add_worker(slot.name)

    def leased(self, slot: Slot) -> None:
        """A worker has a namespace: if its batch spends it, the one for the next is made meanwhile."""
        if slot.spends:
            spending = sum(one.spends for one in self._pool.slots.values())
            self._pool.desk.warm(min(spending, self.schedule.queued()))

    def heard(self, slot: Slot, message: Message) -> None:
        """A worker reports a test (`ok`, `done`), or asks what is next (`need`)."""
        if message.kind == "need":
            self._need(slot, idle=message["idle"])
        else:
            self._ended(slot, message)

    def _need(self, slot: Slot, *, idle: bool) -> None:
        """`idle` when it has nothing to finish first."""
        if slot.state is State.LEAVING:
            self._stop(slot)
            return
        held = 0 if idle else 1
        if len(slot.fed) > held:
            # It asked before it read what is on its way already.
            return
        if slot.unfed:
            ahead = self.schedule.feed_ahead(slot.name, self._pool.now())
            # What it asks for at a teardown it will start right after it, fed ahead or not.
            self._give(slot, max(1, 1 + ahead - held))
        elif not idle:
            self._send(slot, "end")
        else:
            self._next_batch(slot)

    def _ended(self, slot: Slot, message: Message) -> None:
        now = self._pool.now()
        test = message["test"]
        ledger = self._pool.ledger
        confirming = self._pool.confirming
        assert ledger is not None
        assert confirming is not None
        if slot.running != test:
            return
        if slot.sentence:
            # Asking for its stacks may have woken it up; it was late all the same.
            kill_group(slot.pid)
            return
        if slot.catches_up:
            self._caught_up(slot, message)
            return
        slot.fed.popleft()
        slot.busy += now - slot.since
        slot.still_births = 0
        slot.sessions = (message.fields.get("changes") or {}).get("sessions", 0)
        slot.tests_run += 1
        if slot.assignment is not None:
            slot.ran.append((slot.assignment.batch.id, test))
            if self._places.is_in_place(slot, slot.assignment.batch, test):
                ledger.in_place.add(test)
        self.schedule.finished(slot.name, test, now, now - slot.since)
        if test not in self._again and self._was_hit(message):
            ledger.in_place.discard(test)
            self._run_again(slot, message)
        elif message.kind == "ok":
            ledger.passed(message.fields, slot.name)
        else:
            self._pool.tenancy.not_passed(message["reason"])
            if not confirming.takes(slot, message):
                self._reported(slot, message)
        self._go_on(slot)

    def _run_again(self, slot: Slot, message: Message) -> None:
        """Have a test run again that something else has hit, and what comes behind it in its file, too.

        That may hang on what the test leaves behind, and this namespace does not have it. A worker whose
        namespace is lost leaves by itself.
        """
        self._again.add(message["test"])
        self._catching_up.interrupted(slot.assignment)
        self.schedule.requeue([message["test"]])
        whole = slot.assignment is not None and slot.assignment.batch.reset is ResetPolicy.AFTER_BATCH
        if whole and (slot.fed or slot.unfed) and not message.fields.get("lost"):
            self._replace(slot)

    def _caught_up(self, slot: Slot, message: Message) -> None:
        """A test that was only run again has ended: its outcome is known already."""
        slot.again.discard(slot.fed.popleft())
        if message.fields.get("lost"):
            self._catching_up.give_up(slot.assignment)
        slot.tests_run += 1
        if slot.assignment is not None:
            slot.ran.append((slot.assignment.batch.id, message["test"]))
        self._go_on(slot)

    def _go_on(self, slot: Slot) -> None:
        if slot.fed:
            self._started(slot)
        if slot.unfed:
            self._top_up(slot)

    def _was_hit(self, message: Message) -> bool:
        """Whether something else than the test is to blame for how it ended, and tell so."""
        confirming = self._pool.confirming
        code, what = "namespace-lost", message.fields.get("lost", "")
        if not what and message.fields.get("failures") and confirming is not None and confirming.able:
            code, what = "test-hit", hit_by(message.fields["reason"])
        if what:
            nodeid = self.nodeid(message["test"])
            self._pool.notice("warning", code, f"The test is run again: {what}.", nodeid=nodeid)
        return bool(what)

    def _reported(self, slot: Slot, message: Message) -> None:
        """Enter what a test's reports say as it stands."""
        ledger, endings = self._pool.ledger, self._pool.endings
        assert ledger is not None
        ledger.reported(message, slot.name)
        if self._pool.settings.keep_failed and message["failures"]:
            # It leaves without a reset; no trial will bring its state about again.
            slot.keep = ledger.nodeid(message["test"])
        endings.count_failures()
        if message["failures"] and endings.maxfail > 1:
            # It waits to hear whether that was one failure too many.
            self._send(slot, "go")

    def let_go(self, slot: Slot, *, killed: bool) -> None:
        """A worker is gone or going: its unfinished tests are queued again, except its killer."""
        now = self._pool.now()
        self.known.discard(slot.name)
        if slot.catches_up and killed:
            self._catching_up.give_up(slot.assignment)
            killed = False
        elif not killed:
            self._catching_up.interrupted(slot.assignment)
        if killed:
            self.schedule.lost(slot.name, now)
        else:
            self.schedule.remove_worker(slot.name, now)
        slot.fed.clear()
        slot.unfed.clear()
        slot.again.clear()
        slot.assignment = None
        slot.waiting = False
        self.wake_the_waiting()

    def wake_the_waiting(self) -> None:
        """Ask again for workers that had to wait."""
        for slot in self._pool.slots.values():
            if slot.waiting and slot.state is State.IDLE:
                self._next_batch(slot)

    def nodeid(self, test: int) -> str:
        """Node id of a test."""
        ledger = self._pool.ledger
        assert ledger is not None
        return ledger.nodeid(test)

    def _next_batch(self, slot: Slot) -> None:
        now = self._pool.now()
        if slot.assignment is not None:
            spent = slot.assignment.batch.fresh
            slot.assignment = None
            slot.state = State.IDLE
            self.schedule.batch_ended(slot.name, now)
            slot.waiting = False
            self.wake_the_waiting()
            if spent:
                self._replace(slot)
                return
        if self._pool.staffing.dismisses(slot):
            self._replace(slot)
            return
        answer = self.schedule.next(slot.name, now)
        if isinstance(answer, Wait):
            slot.waiting = not self._steal_for(slot, now)
            return
        slot.waiting = False
        if isinstance(answer, Assignment):
            if answer.batch.fresh and slot.tests_run:
                self._replace(slot)
                return
            self._assign(slot, answer)
        else:
            slot.state = State.LEAVING
            self.known.discard(slot.name)
            self.schedule.remove_worker(slot.name, now)
            self._stop(slot)

    def _replace(self, slot: Slot) -> None:
        """End this process in an orderly way; its successor goes on with what is left."""
        slot.state = State.LEAVING
        self.let_go(slot, killed=False)
        self._stop(slot)

    def _assign(self, slot: Slot, assignment: Assignment) -> None:
        slot.assignment = assignment
        # A worker counts failures up to --maxfail for itself, and would count those again.
        stops = self._pool.endings.maxfail
        before = () if stops else self._catching_up.tests_before(assignment)
        slot.again = set(before)
        slot.unfed = collections.deque((*before, *assignment.tests))
        slot.state = State.BUSY
        self._pool.emit(events.BatchStarted(self._pool.now(), slot.name, assignment.batch.id))
        self._give(slot, 1 + self.schedule.feed_ahead(slot.name, self._pool.now()))

    def _steal_for(self, slot: Slot, now: float) -> bool:
        """Take tests from the end of another worker's part; True when there was something."""
        refused: list[str] = []
        taken = False
        while not taken and (steal := self.schedule.steal(slot.name, now)) is not None:
            taken = self._take(steal, now)
            if not taken:
                # All of it was sent already. Its offer stays open meanwhile, so that others are asked.
                refused.append(steal.victim)
        for victim in refused:
            self.schedule.revoked(victim, (), now)
        if taken:
            slot.waiting = False
            self._next_batch(slot)
        return taken

    def _take(self, steal: Steal, now: float) -> bool:
        """Take what can be had of an offer; True when that was something."""
        victim = self._pool.slots[steal.victim]
        wanted = set(steal.tests)
        # Only what was not sent yet is taken: it needs no question to the victim, which is busy.
        taken = [test for test in victim.unfed if test in wanted]
        if taken:
            victim.unfed = collections.deque(test for test in victim.unfed if test not in wanted)
            self.schedule.revoked(steal.victim, taken, now)
        return bool(taken)

    def _top_up(self, slot: Slot) -> None:
        ahead = self.schedule.feed_ahead(slot.name, self._pool.now())
        self._give(slot, 1 + ahead - len(slot.fed) if ahead else 0)

    def _give(self, slot: Slot, count: int) -> None:
        count = min(count, len(slot.unfed))
        if count <= 0 or slot.assignment is None:
            return
        tests = [slot.unfed.popleft() for _ in range(count)]
        batch = slot.assignment.batch
        starts = not slot.fed
        slot.fed.extend(tests)
        connects = batch.level > Level.NONE and self._pool.tenancy.wanted
        fields: dict[str, Any] = {"batch": batch.id, "tests": tests, "reset": batch.reset.value}
        if again := [test for test in tests if test in slot.again]:
            fields["again"] = again
        if (source := self._pool.tenancy.learned) is not None:
            fields["source"] = source
        self._send(slot, "run", connects=connects, **fields)
        if starts:
            self._started(slot)

    def _started(self, slot: Slot) -> None:
        now = self._pool.now()
        test = slot.fed[0]
        slot.since = now
        slot.called_slow = 0
        if slot.catches_up:
            return
        self.schedule.started(slot.name, test, now)
        self._pool.emit(events.TestStarted(now, self.nodeid(test), slot.name))

    def _stop(self, slot: Slot) -> None:
        self._send(slot, "stop")

    @staticmethod
    def _send(slot: Slot, kind: str, **fields: Any) -> None:
        if slot.peer is not None:
            slot.peer.send(kind, **fields)
