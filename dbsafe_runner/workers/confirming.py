"""Confirming failures: failed tests run again in processes of their own, beside the run and after it.

What to try and what it amounts to is decided by `dbsafe_runner.scheduling.confirmation`. A trial is a
worker that the schedule knows nothing of: it gets its tests at once, and ends with them.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.domain.test import Test
from dbsafe_runner.scheduling.confirmation import Confirmation, Trial
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.slot import Slot, State

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool

#: Seconds of trials that any run may spend, and the share of the run's own test time beyond that.
_LEAST_BUDGET = 20.0
_BUDGET_SHARE = 0.5
#: A trial behind all earlier tests is worth it only while those took less than this many seconds.
_LONGEST_PREFIX = 20.0
_FAILURES = frozenset({Outcome.FAILED.value, Outcome.ERROR.value})


@dataclasses.dataclass(slots=True)
class Suspect:
    """A failed test: what was reported of it, and what its trials have shown."""

    test: int
    message: Message
    worker: str
    confirmation: Confirmation
    #: What the last trial in which it did not fail reported.
    redeemed: Message | None = None


@dataclasses.dataclass(slots=True)
class Attempt:
    """A trial that is running."""

    suspect: Suspect
    trial: Trial
    #: The suspect's report, once it is there.
    report: Message | None = None


class Confirming:
    """All trials of a run.

    Args:
        pool: the dispatcher.
        tests: the collected tests, in the order of a serial run.
    """

    def __init__(self, pool: Pool, tests: tuple[Test, ...]) -> None:
        self._pool = pool
        self._tests = tests
        self._waiting: collections.deque[Suspect] = collections.deque()
        self._running: dict[str, Attempt] = {}
        self._made = 0
        self._spent = 0.0

    @property
    def busy(self) -> bool:
        """Whether a verdict is still out."""
        return bool(self._waiting or self._running)

    def takes(self, slot: Slot, message: Message) -> bool:
        """Keep a failure until its trials have told what it hangs on; False when it stands as it is."""
        settings = self._pool.settings
        if not settings.confirm or self._pool.endings.maxfail or self._pool.endings.stopping:
            return False
        if message.fields.get("outcome") not in _FAILURES or self._spent > self._budget():
            return False
        test = message["test"]
        before = self._before_in_file(test)
        given = slot.assignment.batch.tests if slot.assignment is not None else ()
        earlier = given[: given.index(test)] if test in given else ()
        confirmation = Confirmation(
            predecessors=bool(before),
            in_order=list(earlier) == before and slot.tests_run == len(before) + 1,
            others=self._prefix_is_worth_it(test, before),
            retries=settings.retries,
        )
        self._waiting.append(Suspect(test, message, slot.name, confirmation))
        return True

    def pump(self) -> None:
        """Start trials: one at a time beside the run, as many as there are workers after it."""
        feeding = self._pool.feeding
        over = feeding is not None and not feeding.something_left
        most = max(1, self._pool.settings.workers if over else 1)
        while self._waiting and len(self._running) < most and not self._pool.endings.stopping:
            self._start(self._waiting.popleft())

    def give_up(self) -> None:
        """Let every failure stand as it was reported: the run is being stopped."""
        suspects = [*self._waiting, *(attempt.suspect for attempt in self._running.values())]
        self._waiting.clear()
        self._running.clear()
        for suspect in suspects:
            self._report(suspect, Verdict.CLEAR)

    # --- a trial's worker ------------------------------------------------------------------------

    def begin(self, slot: Slot) -> None:
        """Its worker is there: give it everything that it has to run."""
        assert slot.peer is not None
        slot.state = State.BUSY
        slot.since = self._pool.now()
        slot.peer.send("run", batch=-self._made, tests=list(slot.fed), reset="after-batch")

    def heard(self, slot: Slot, message: Message) -> None:
        """Its worker reports, or asks for more."""
        assert slot.peer is not None
        attempt = self._running.get(slot.name)
        if message.kind == "need":
            if not message["idle"]:
                slot.peer.send("end")
            elif not slot.fed:
                slot.peer.send("stop")
            # Else it asked before what it was given at its birth had reached it.
            return
        now = self._pool.now()
        if message.kind in {"ok", "done"} and slot.running == message["test"]:
            slot.fed.popleft()
            self._spent += now - slot.since
            slot.since = now
            if attempt is not None and message["test"] == attempt.suspect.test:
                attempt.report = message

    def ended(self, slot: Slot) -> None:
        """Its worker is gone: a trial that it did not live to report counts as failed."""
        attempt = self._running.pop(slot.name, None)
        del self._pool.slots[slot.name]
        if attempt is None:
            return
        report = attempt.report
        passed = report is not None and (
            report.kind == "ok" or report.fields["outcome"] not in _FAILURES
        )
        attempt.suspect.confirmation.enter(attempt.trial, passed=passed)
        if passed:
            attempt.suspect.redeemed = report
        self._go_on(attempt.suspect)

    # --- inside ----------------------------------------------------------------------------------

    def _start(self, suspect: Suspect) -> None:
        trial = suspect.confirmation.step()
        assert isinstance(trial, Trial)
        self._made += 1
        # Numbered behind all ordinary workers: names of workers look like pytest-xdist's.
        slot = Slot(f"gw{self._pool.settings.workers + self._made - 1}", confirms=True)
        self._pool.slots[slot.name] = slot
        self._running[slot.name] = Attempt(suspect, trial)
        self._pool.births.worker(slot)
        slot.fed.extend([*self._company(suspect.test, trial), suspect.test])

    def _company(self, test: int, trial: Trial) -> list[int]:
        if trial is Trial.BEHIND_FILE:
            return self._before_in_file(test)
        return list(range(test)) if trial is Trial.BEHIND_ALL else []

    def _go_on(self, suspect: Suspect) -> None:
        step = suspect.confirmation.step()
        if isinstance(step, Verdict) or self._pool.endings.stopping:
            self._report(suspect, step if isinstance(step, Verdict) else Verdict.CLEAR)
        elif self._spent > self._budget():
            # What is known so far is that it failed.
            self._report(suspect, Verdict.CLEAR)
        else:
            self._waiting.appendleft(suspect)

    def _report(self, suspect: Suspect, verdict: Verdict) -> None:
        ledger = self._pool.ledger
        assert ledger is not None
        excused = verdict is Verdict.BRITTLE or (
            verdict is Verdict.FLAKY and self._pool.settings.flaky_passes
        )
        if excused and suspect.redeemed is not None:
            ledger.excused(suspect.message, suspect.redeemed, suspect.worker, verdict)
        else:
            ledger.reported(suspect.message.fields, suspect.message.blob, suspect.worker, verdict)
        if verdict in _WORDS:
            nodeid = ledger.nodeid(suspect.test)
            reason = suspect.message.fields.get("reason", "")
            self._pool.notice(
                "warning",
                f"{verdict.value}-test",
                f"It failed ({reason}), and {_WORDS[verdict]}.",
                nodeid=nodeid,
            )

    def _before_in_file(self, test: int) -> list[int]:
        file = self._tests[test].file
        first = test
        while first > 0 and self._tests[first - 1].file == file:
            first -= 1
        return list(range(first, test))

    def _prefix_is_worth_it(self, test: int, before: list[int]) -> bool:
        ledger = self._pool.ledger
        assert ledger is not None
        if test == len(before):
            return False
        return sum(ledger.seconds.get(other, 0.0) for other in range(test)) < _LONGEST_PREFIX

    def _budget(self) -> float:
        worked = sum(slot.busy for slot in self._pool.slots.values())
        return _LEAST_BUDGET + _BUDGET_SHARE * worked


_WORDS: dict[Verdict, str] = {
    Verdict.FLAKY: "passes when it is run again under the same conditions: it is flaky",
    Verdict.VICTIM: (
        "passes alone but fails behind the tests before it: one of them breaks it (it is a victim)"
    ),
    Verdict.BRITTLE: "passes only behind the tests before it: it needs one of them (it is brittle)",
}
