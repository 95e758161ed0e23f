"""The ledger of a run: every test that ended, once, as an event for the sinks and a report for pytest.

It decides nothing; the pool writes into it what became of each test.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dbsafe_runner.domain.events import RunEvent, TestFinished, TestUnconfirmed
from dbsafe_runner.domain.outcome import Outcome, Result, Verdict
from dbsafe_runner.workers.entries import pack_entry
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.seen_fields import changes_of
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun

_PHASES = ("setup", "call", "teardown")

Emit = Callable[[RunEvent], None]

#: Messages of a worker that pytest hears of and that say nothing of outcomes.
PASSED_ON = frozenset({"warn", "property", "parting"})


class Ledger:
    """Outcomes of one run.

    Args:
        suite: what was collected.
        planned: the plan, for the isolation and the level of each test.
        emit: takes the events.
        now: the dispatcher's clock.
    """

    def __init__(
        self, suite: CollectedSuite, planned: PlannedRun, emit: Emit, now: Callable[[], float]
    ) -> None:
        self._suite = suite
        self._emit = emit
        self._now = now
        self._levels = [classification.level for classification in planned.classifications]
        self._isolations = {
            test: batch.isolation.value for batch in planned.plan.batches for test in batch.tests
        }
        self._ended: set[int] = set()
        #: Wall seconds of each test that has ended.
        self.seconds: dict[int, float] = {}
        #: Tests that count as failed.
        self.failed: set[int] = set()
        #: Tests that ran behind all that precede them in their file, as in a serial run.
        self.in_place: set[int] = set()
        #: Tests that were seen to leave something behind in the database.
        self.left: set[int] = set()
        self._session_error: tuple[dict[str, Any], bytes, str] | None = None
        self.totals: collections.Counter[str] = collections.Counter()
        self.failures = 0
        self._replay = bytearray()
        #: Where there is no PostgreSQL: gives what a worker has sent to its stand-in since it was asked.
        self.stand_in: Callable[[str, float], list[str]] | None = None
        self.first = 0.0
        self.last = 0.0
        self._failed_at: dict[int, float] = {}

    def nodeid(self, test: int) -> str:
        """Node id of a test."""
        return self._suite.tests[test].nodeid

    def has_ended(self, test: int) -> bool:
        """Whether a test has an outcome."""
        return test in self._ended

    @property
    def not_run(self) -> int:
        """How many tests have no outcome."""
        return len(self._suite.tests) - len(self._ended)

    @property
    def waiting_for_replay(self) -> int:
        """Bytes of reports that pytest's hooks in the zygote have not been sent."""
        return len(self._replay)

    def take_replay(self) -> bytes:
        """Reports for pytest's hooks since the last call."""
        taken = bytes(self._replay)
        self._replay.clear()
        return taken

    def passed(self, fields: dict[str, Any], worker: str) -> None:
        """Enter a test that passed with nothing to show (an `ok` message)."""
        if self._mocked({**fields, "outcome": Outcome.PASSED.value}, worker):
            return
        self._replay += pack_entry("ok", {k: fields[k] for k in ("test", "seconds", "started")}, b"")
        self._enter(
            fields["test"],
            Result(
                nodeid=self._suite.tests[fields["test"]].nodeid,
                line=self._suite.tests[fields["test"]].line,
                outcome=Outcome.PASSED,
                durations=dict(zip(_PHASES, fields["seconds"], strict=True)),
                worker=worker,
                started=fields["started"],
            ),
            fields,
        )

    def reported(
        self,
        message: Message,
        worker: str,
        verdict: Verdict = Verdict.CLEAR,
        others: Sequence[int] = (),
    ) -> None:
        """Enter a test with full reports (`done`), a crash (`crashed`) or a further error (`late`)."""
        fields = message.fields
        if message.kind == "done" and self._mocked(fields, worker):
            return
        if message.kind == "crashed":
            self._replay += pack_entry("failed", fields["replay"], b"")
        elif message.kind == "late":
            self._replay += pack_entry("extra", {}, message.blob)
        else:
            self._replay += pack_entry("done", {"test": fields["test"]}, message.blob)
        result = self._result(fields, worker, verdict, others)
        self.failures += fields["failures"]
        # A late error comes from another test's place: nothing that was seen there is this one's.
        seen = {} if message.kind == "late" else fields
        self._enter(fields["test"], result, seen, fields["coloured"])

    def unconfirmed(self, message: Message, worker: str) -> None:
        """Tell of a failure at once, before it is known what it hangs on. Nothing is entered."""
        fields = message.fields
        result = self._result(fields, worker, Verdict.CLEAR, ())
        now = self._now()
        self._failed_at[fields["test"]] = now
        self._emit(TestUnconfirmed(now, result, fields["coloured"]))

    def excused(
        self,
        failed: Message,
        redeemed: Message,
        worker: str,
        verdict: Verdict,
        others: Sequence[int] = (),
    ) -> None:
        """Enter a failure that does not count: pytest gets the reports of the trial that did not fail.

        The text of the failure stays in the result, for the reports. Of a late error nothing is entered:
        its test has its outcome already.
        """
        if failed.kind == "late":
            return
        fields = failed.fields
        self._replay += pack_entry(redeemed.kind, redeemed.fields, redeemed.blob)
        result = self._result(fields, worker, verdict, others)
        # It may have been skipped or have failed as expected, as it does serially.
        ended = redeemed.fields.get("outcome", Outcome.PASSED.value)
        result = dataclasses.replace(result, outcome=Outcome(ended))
        self._enter(fields["test"], result, fields)

    def crash(self, test: int, text: str, stacks: str, seconds: float) -> Message:
        """What is reported of a test whose worker did not live to report it, as a `crashed` message."""
        nodeid = self._suite.tests[test].nodeid
        headline = f" {nodeid} ".center(80, "_")
        shown = f"{headline}\n{text}\n" + (f"\n{stacks}\n" if stacks else "")
        fields = {
            "test": test,
            "replay": {"test": test, "text": text, "stacks": stacks, "seconds": seconds},
            "outcome": Outcome.FAILED.value,
            "failures": 1,
            "seconds": {"call": seconds},
            "started": 0.0,
            "coloured": shown,
            "text": shown,
            "reason": text.split("\n", 1)[0],
            "sections": [("Captured stacks", stacks)] if stacks else [],
            "properties": [],
        }
        return Message("crashed", fields)

    def _mocked(self, fields: Mapping[str, Any], worker: str) -> bool:
        """Enter a test that had to do with a database where there is none; whether it had."""
        if self.stand_in is None:
            return False
        test, outcome = fields["test"], fields["outcome"]
        sent = self.stand_in(worker, fields["ended"])
        used = bool(sent or fields["connections"] or fields.get("processes"))
        if not used and (not self._levels[test] or outcome == Outcome.SKIPPED.value):
            return False
        reason = f"{outcome} against a stand-in for PostgreSQL"
        if fields.get("reason"):
            reason += f": {fields['reason']}"
        seconds = fields["seconds"]
        if not isinstance(seconds, Mapping):
            seconds = dict(zip(_PHASES, seconds, strict=True))
        replay = {"test": test, "text": reason, "seconds": sum(seconds.values())}
        self._replay += pack_entry("mocked", replay, b"")
        statements = [("Statements sent to the stand-in", "\n".join(sent))] if sent else []
        result = Result(
            nodeid=self._suite.tests[test].nodeid,
            line=self._suite.tests[test].line,
            outcome=Outcome.MOCKED,
            durations=seconds,
            worker=worker,
            started=fields["started"],
            text=fields.get("text", ""),
            reason=reason,
            sections=tuple((title, text) for title, text in [*fields.get("sections", ()), *statements]),
        )
        self._enter(test, result, {})
        return True

    def session_error(self, fields: dict[str, Any], blob: bytes, worker: str) -> None:
        """Enter an error in the teardown of session fixtures, where a serial run has it.

        pytest tears the session down after the last test and charges it with the error. Every worker
        tears its own session down, so the error may come several times; it counts once.
        """
        if self._session_error is None:
            self._session_error = (fields, pack_entry("extra", {}, blob), worker)

    def session_crashed(self, worker: str, text: str, stacks: str, seconds: float) -> None:
        """Enter a worker that was ended while it tore its session's fixtures down."""
        if self._session_error is None:
            test = len(self._suite.tests) - 1
            crash = {"test": test, "text": text, "stacks": stacks, "seconds": seconds}
            headline = f" ERROR at teardown of {self.nodeid(test)} ".center(80, "_")
            shown = f"{headline}\n{text}\n" + (f"\n{stacks}\n" if stacks else "")
            fields = {
                "test": test,
                "seconds": {"teardown": seconds},
                "started": 0.0,
                "text": shown,
                "reason": text,
                "failures": 1,
                "coloured": shown,
            }
            self._session_error = (fields, pack_entry("late", crash, b""), worker)

    def settle(self) -> None:
        """Enter what comes after all tests: the error of the session's teardown, if there is one."""
        if self._session_error is None:
            return
        fields, entry, worker = self._session_error
        self._session_error = None
        test = fields["test"]
        self._replay += entry
        result = Result(
            nodeid=self._suite.tests[test].nodeid,
            line=self._suite.tests[test].line,
            outcome=Outcome.ERROR,
            durations=fields["seconds"],
            worker=worker,
            started=fields["started"],
            text=fields["text"],
            reason=fields["reason"],
        )
        self.failures += fields["failures"]
        self._enter(test, result, {}, fields["coloured"])

    def pass_on(self, message: Message) -> None:
        """Pass on to pytest what is beside the outcomes: one of `PASSED_ON`."""
        self._replay += pack_entry(message.kind, message.fields, message.blob)

    def _result(
        self, fields: Mapping[str, Any], worker: str, verdict: Verdict, others: Sequence[int]
    ) -> Result:
        names = [self.nodeid(other) for other in others]
        return Result(
            nodeid=self._suite.tests[fields["test"]].nodeid,
            line=self._suite.tests[fields["test"]].line,
            outcome=Outcome(fields["outcome"]),
            durations=fields["seconds"],
            worker=worker,
            started=fields["started"],
            text=fields["text"],
            reason=fields["reason"],
            sections=tuple((title, text) for title, text in fields["sections"]),
            properties=tuple((name, value) for name, value in fields["properties"]),
            verdict=verdict,
            other=names[0] if names else "",
            further=tuple(names[1:]),
        )

    def _enter(self, test: int, result: Result, seen: Mapping[str, Any], coloured: str = "") -> None:
        """Enter an outcome. `seen` are the fields of the worker's message that observe the test."""
        now = self._now()
        self._ended.add(test)
        self.seconds[test] = result.seconds
        self.totals[result.outcome.value] += 1
        if result.outcome in {Outcome.FAILED, Outcome.ERROR}:
            self.failed.add(test)
        # What the trials of a failure took is no part of the time from the first test to the last.
        ended = self._failed_at.pop(test, now)
        began = ended - result.seconds
        self.first = min(self.first, began) if self.first else began
        self.last = max(self.last, ended)
        level = self._levels[test] if test < len(self._levels) else 3
        isolation = self._isolations.get(test, "")
        changes = changes_of(seen)
        if changes is not None and not changes.nothing:
            self.left.add(test)
        self._emit(
            TestFinished(
                now,
                result,
                isolation,
                int(level),
                changes=changes,
                coloured=coloured,
                connections=seen.get("connections", 0),
                processes=seen.get("processes", 0),
                built=seen.get("built", {}),
                observed="connections" in seen and not seen.get("unseen", False),
                leaks=tuple(seen.get("leaks", ())),
                in_place=test in self.in_place,
            )
        )
