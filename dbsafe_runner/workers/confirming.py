"""Confirming failures: failed tests run again in processes of their own, where a worker's place is free.

What to try and what it amounts to is decided by `dbsafe_runner.scheduling.confirmation`, and for
`dbsafe bisect` by `dbsafe_runner.scheduling.bisection`. A trial is a
worker that the schedule knows nothing of: it gets its tests at once, and ends with them.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dbsafe_runner.domain.isolation import NamespaceKind, ResetPolicy
from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.bisection import Bisection
from dbsafe_runner.scheduling.confirmation import Confirmation, Finding, Kind, Trial
from dbsafe_runner.workers.budget import Budget
from dbsafe_runner.workers.findings import Findings
from dbsafe_runner.workers.launch import kill_group
from dbsafe_runner.workers.prefixes import Prefixes
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun
from dbsafe_runner.workers.settling import Settling
from dbsafe_runner.workers.slot import Slot, State
from dbsafe_runner.workers.suspects import Attempt, Suspect, failed

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool

#: A failed test that took so many seconds may have waited for a program that had no processor.
_LONG = 1.0
#: Trials without which a failure stands as it was reported.
_TELLING = frozenset({Kind.ALONE, Kind.QUIET, Kind.BEHIND_FILE, Kind.AS_IT_RAN})
#: Trials that say nothing (their server died under them) are made again, so often in all.
_MOST_REPEATS = 3


class Confirming:
    """All trials of a run.

    Args:
        pool: the dispatcher.
        suite: the collected tests, in the order of a serial run.
        planned: the plan, and what is known of the tests.
    """

    def __init__(self, pool: Pool, suite: CollectedSuite, planned: PlannedRun) -> None:
        self._pool = pool
        self._resets = {batch.id: batch.reset for batch in planned.plan.batches}
        self._found = planned.found
        self._prefixes = Prefixes(suite, planned, lambda: pool.ledger)
        #: Tests that nothing may run beside.
        self._exclusive = {
            test for batch in planned.plan.batches if batch.exclusive for test in batch.tests
        }
        self._waiting: list[Suspect] = []
        self._settling = Settling()
        self._running: dict[str, Attempt] = {}
        #: Tests that did not fail behind all that precede them in their file.
        self._in_order: set[int] = set()
        self._made = 0
        self._findings = Findings(pool)
        self._budget = Budget(pool.settings.confirm_budget, self._worked, self._findings.tell_spent)

    @property
    def busy(self) -> bool:
        """Whether a verdict is still out."""
        return bool(self._waiting or self._running or self._settling.busy)

    @property
    def able(self) -> bool:
        """Whether failures are run again in this run; one that stops at failures has no time for it."""
        settings = self._pool.settings
        return (settings.confirm or settings.retries > 0) and not self._pool.endings.maxfail

    def takes(self, slot: Slot, message: Message) -> bool:
        """Keep a failure until its trials have told what it hangs on; False when it stands as it is."""
        test = message["test"]
        if message.kind == "crashed":
            self._prefixes.ended_its_process(test)
        if not self._may_take(message):
            return False
        batches = {ran: batch for batch, ran in slot.ran if ran != test}
        confirmation = self._confirmation(message)
        batch = slot.assignment.batch if slot.assignment is not None else None
        same = tuple(ran for ran, its in batches.items() if batch is not None and its == batch.id)
        confirmation.in_order = (
            same == confirmation.in_file and batch is not None and batch.reset is ResetPolicy.AFTER_BATCH
        )
        confirmation.as_it_ran = tuple(batches)
        taken = self._take(Suspect(test, confirmation, message, slot.name, batches))
        if taken and slot.namespace is not None:
            self._pool.desk.warm(1)
        return taken

    def takes_late(self, worker: str, message: Message) -> bool:
        """The same for an error that came in another test's place than in a serial run."""
        test, in_file = message["test"], self._prefixes.in_file(message["test"])
        within = tuple(range(message["since"], test))
        of_its_file = len(within) <= len(in_file)
        if of_its_file and test in self._in_order:
            # A further trial would find out, and tell, the same.
            return True
        if not self._may_take(message):
            return False
        confirmation = self._confirmation(message)
        # What a package's fixtures went through begins in another file.
        confirmation.as_it_ran = in_file if of_its_file else within
        confirmation.span = () if of_its_file else within
        return self._take(Suspect(test, confirmation, message, worker))

    def _may_take(self, message: Message) -> bool:
        return self.able and not self._pool.endings.stopping and failed(message)

    def _take(self, suspect: Suspect) -> bool:
        assert suspect.message is not None
        assert self._pool.ledger is not None
        if not self._budget.is_spent:
            self._waiting.append(suspect)
        elif not self._settling.takes(suspect):
            return False
        self._pool.ledger.unconfirmed(suspect.message, suspect.worker)
        return True

    def _confirmation(self, message: Message) -> Confirmation:
        test, settings = message["test"], self._pool.settings
        return Confirmation(
            test=test,
            in_file=self._prefixes.in_file(test),
            # Which of these matter is known when the run is over.
            others=tuple(range(test)),
            known=self._found.get(test, ()),
            retries=settings.retries,
            alone_only=not settings.confirm,
            waits=sum(message["seconds"].values()) >= _LONG,
        )

    def examine(self, bisection: Bisection) -> None:
        """Find out what a test's outcome hangs on, without a failure in this run, whatever it costs."""
        self._waiting.append(Suspect(bisection.test, bisection))

    def pump(self) -> None:
        """Start the trials that may run now."""
        if self._pool.endings.stopping:
            return
        # The quickest first: a few long ones would leave no time for many others.
        for suspect in sorted(self._waiting, key=lambda one: (one.wants_others, one.seconds)):
            if not self._has_room():
                return
            step = self._step(suspect)
            if step is not None and self._may_run(suspect.test, step):
                self._waiting.remove(suspect)
                self._start(suspect, step)
        while not self._waiting and self._run_is_over and self._settle():
            pass

    def give_up(self) -> None:
        """Let every failure stand as it was reported: the run is being stopped."""
        tried = [suspect for attempt in self._running.values() for suspect in attempt.about.values()]
        suspects = [*self._waiting, *tried, *self._settling.give_up()]
        self._waiting.clear()
        self._running.clear()
        for suspect in suspects:
            self._findings.enter(suspect, Finding(Verdict.CLEAR))

    def trial_of(self, slot: Slot) -> int | None:
        """The test that a trial is about."""
        attempt = self._running.get(slot.name)
        return attempt.suspect.test if attempt is not None else None

    # --- a trial's worker ------------------------------------------------------------------------

    def begin(self, slot: Slot) -> None:
        """Its worker is there: give it the first of what it has to run."""
        slot.state = State.BUSY
        slot.since = self._pool.now()
        self._send_part(slot)

    def heard(self, slot: Slot, message: Message) -> None:
        """Its worker reports, or asks for more."""
        assert slot.peer is not None
        if message.kind == "need":
            if not message["idle"]:
                slot.peer.send("end")
            elif not slot.fed and not self._send_part(slot):
                slot.peer.send("stop")
            # Else it asked before what it was given at its birth had reached it.
            return
        now = self._pool.now()
        if message.kind in {"ok", "done"} and slot.running == message["test"]:
            slot.fed.popleft()
            slot.since = now
            attempt = self._running.get(slot.name)
            if attempt is not None and message["test"] in attempt.about:
                attempt.reports[message["test"]] = message
            if attempt is not None and message["test"] == attempt.suspect.test:
                self._keep_or_not(slot, attempt, failed=failed(message))
            else:
                self._expect_to_keep(slot)

    def ended(self, slot: Slot) -> None:
        """Its worker is gone: a trial that it did not live to report counts as failed."""
        attempt = self._running.pop(slot.name, None)
        del self._pool.slots[slot.name]
        self._findings.tell_stop(slot.name)
        if attempt is None:
            return
        if attempt.trial.kind is Kind.SERIAL:
            self._settled(slot, attempt)
            return
        self._budget.spent += self._pool.now() - attempt.started
        suspect, report = attempt.suspect, attempt.report
        died = slot.running if report is None else None
        before = died if died != suspect.test else None
        if died is not None:
            self._prefixes.ended_its_process(died)
        if before is not None and (self._prefixes.is_deadly(before) or suspect.repeats >= _MOST_REPEATS):
            suspect.inquiry.leave_out(before)
        elif suspect.repeats < _MOST_REPEATS and self._says_nothing(slot, attempt):
            suspect.repeats += 1
        else:
            self._enter(suspect, attempt.trial, report)
        self._go_on(suspect)

    def _enter(self, suspect: Suspect, trial: Trial, report: Message | None) -> None:
        """Note how a trial went for a suspect, which has failed where there is no report."""
        good = report if report is not None and not failed(report) else None
        self._findings.tell_trial(suspect, trial, passed=good is not None)
        suspect.inquiry.enter(trial, passed=good is not None)
        if good is not None:
            suspect.redeemed = good
            if trial.company == self._prefixes.in_file(suspect.test):
                self._in_order.add(suspect.test)

    def _settle(self) -> bool:
        """Start a run of a file in serial order; False where none waits, or none may run now."""
        together = self._settling.together()
        if not together or not self._has_room():
            return False
        main = together[-1]
        assert isinstance(main.inquiry, Confirmation)
        trial = main.inquiry.serial_trial
        if trial is None or not self._may_run(main.test, trial):
            return False
        self._start(main, trial, self._settling.take())
        return True

    def _settled(self, slot: Slot, attempt: Attempt) -> None:
        """A run in serial order is over: tests that it did not come to are tried again."""
        for suspect in attempt.about.values():
            report = attempt.reports.get(suspect.test)
            if (report is None and slot.running != suspect.test) or (
                report and report.fields.get("lost")
            ):
                suspect.repeats += 1
                if slot.running is not None:
                    suspect.inquiry.leave_out(slot.running)
            else:
                self._enter(suspect, attempt.trial, report)
            self._leave(suspect)

    def _expect_to_keep(self, slot: Slot) -> None:
        """From here on the namespace is wanted, should the process not survive the test."""
        attempt = self._running.get(slot.name)
        if attempt is not None and slot.running == attempt.suspect.test and not attempt.suspect.kept:
            ledger = self._pool.ledger
            assert ledger is not None
            slot.keep = ledger.nodeid(attempt.suspect.test) if self._pool.settings.keep_failed else ""

    def _keep_or_not(self, slot: Slot, attempt: Attempt, *, failed: bool) -> None:
        """The test is over: it waits to be ended where its namespace is wanted."""
        if not failed or attempt.suspect.message is None:
            slot.keep = ""
        if self._pool.settings.keep_failed and failed and slot.pid:
            attempt.suspect.kept = attempt.suspect.kept or bool(slot.keep)
            kill_group(slot.pid)

    # --- inside ----------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        """Whether a further process would have a worker's place and a processor to itself."""
        at_work = sum(
            slot.state is not State.GONE and not slot.waiting for slot in self._pool.slots.values()
        )
        return at_work < self._pool.settings.trials_below

    @property
    def _run_is_over(self) -> bool:
        feeding = self._pool.feeding
        return feeding is not None and not feeding.something_left

    def _may_run(self, test: int, trial: Trial) -> bool:
        apart = self._is_apart(test, trial)
        if self._run_is_over:
            running = self._running.values()
            among = any(self._is_apart(one.suspect.test, one.trial) for one in running)
            return not running or not (apart or among)
        # A batch that nothing may run beside can come up at any time.
        return not apart and not self._exclusive and trial.kind is not Kind.BEHIND_OTHERS

    def _is_apart(self, test: int, trial: Trial) -> bool:
        """Whether nothing may run beside a trial.

        Workers with schemas of one database hear each other's notifications and wait for each other's
        advisory locks: what failed for that has to pass where nothing else runs.
        """
        shared = self._pool.desk.kind == NamespaceKind.SCHEMA.value
        alone = bool(self._exclusive.intersection((test, *trial.company)))
        return shared or alone or trial.kind is Kind.QUIET

    def _step(self, suspect: Suspect) -> Trial | None:
        """The next trial of a suspect that waits; None when it needs none any more."""
        inquiry = suspect.inquiry
        step = inquiry.step()
        waits = isinstance(step, Trial) and step.kind is Kind.BEHIND_OTHERS and self._run_is_over
        if waits and isinstance(inquiry, Confirmation):
            inquiry.others = self._prefixes.that_may_matter(suspect.test, inquiry.in_file)
            step = inquiry.step()
        if isinstance(step, Trial) and self._affordable(suspect, step):
            return step
        self._waiting.remove(suspect)
        if isinstance(step, Finding):
            self._findings.enter(suspect, step)
        else:
            self._leave(suspect)
        return None

    def _affordable(self, suspect: Suspect, trial: Trial) -> bool:
        """Whether the budget is enough for a trial, by what its tests took in the run."""
        if suspect.message is None:
            return True
        fits = self._budget.affords(self._prefixes.seconds(trial.company))
        if not fits and trial.kind in _TELLING:
            self._budget.tell_once()
        return fits

    def _start(self, suspect: Suspect, trial: Trial, together: Iterable[Suspect] = ()) -> None:
        self._made += 1
        # Numbered behind all ordinary workers: names of workers look like pytest-xdist's.
        slot = Slot(f"gw{self._pool.settings.workers + self._made - 1}", confirms=True)
        self._pool.slots[slot.name] = slot
        parts = collections.deque(self._parts(suspect, trial))
        about = {one.test: one for one in (*together, suspect)}
        self._running[slot.name] = Attempt(suspect, trial, parts, self._pool.now(), about)
        self._findings.tell_start(slot.name, suspect, trial)
        self._pool.births.worker(slot)

    def _parts(self, suspect: Suspect, trial: Trial) -> Iterable[tuple[list[int], ResetPolicy]]:
        """The tests of a trial, apart where the run has reset the namespace between them."""
        everything = [*trial.company, suspect.test]
        late = any(test > suspect.test for test in trial.company)
        if trial.kind is not Kind.AS_IT_RAN and not late:
            yield everything, ResetPolicy.AFTER_BATCH
            return
        own = next(reversed(suspect.batches.values()), None)
        for batch, tests in itertools.groupby(everything, lambda test: suspect.batches.get(test, own)):
            reset = ResetPolicy.AFTER_BATCH if batch is None else self._resets[batch]
            yield list(tests), reset

    def _send_part(self, slot: Slot) -> bool:
        """Send the next tests of its trial; False when it has had all of them."""
        attempt = self._running.get(slot.name)
        if attempt is None or not attempt.parts or slot.peer is None:
            return False
        tests, reset = attempt.parts.popleft()
        attempt.sent += 1
        slot.fed.extend(tests)
        self._expect_to_keep(slot)
        slot.peer.send("run", batch=-attempt.sent, tests=tests, reset=reset.value)
        return True

    def _says_nothing(self, slot: Slot, attempt: Attempt) -> bool:
        """Whether something else than the test ended the trial, as far as can be told."""
        report = attempt.report
        if report is not None:
            return bool(report.fields.get("lost"))
        message = attempt.suspect.message
        crashed_before = message is not None and message.kind == "crashed"
        return not slot.sentence and (slot.running is None or not crashed_before)

    def _go_on(self, suspect: Suspect) -> None:
        step = suspect.inquiry.step()
        if isinstance(step, Finding):
            self._findings.enter(suspect, step)
        elif self._pool.endings.stopping or (suspect.message is not None and self._budget.is_spent):
            self._leave(suspect)
        else:
            self._waiting.insert(0, suspect)

    def _leave(self, suspect: Suspect) -> None:
        """Make no more trials for one alone: how it ends serially is known, or found out with others."""
        if self._pool.endings.stopping or not self._settling.takes(suspect):
            self._findings.enter(suspect, suspect.inquiry.conclude())

    def _worked(self) -> float:
        return sum(slot.busy for slot in self._pool.slots.values())
