"""A made-up run as its stream of events: realistic in shape, equal for equal arguments, no clock.

The sinks are tested with it, and `python tests/fakes/replay.py` plays it on a real terminal.
"""

from __future__ import annotations

import dataclasses
import heapq
import random
from collections import Counter
from collections.abc import Iterator

from dbsafe_runner.domain import events
from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.changes import Changes, ResetReport
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Outcome, Result, Verdict
from dbsafe_runner.domain.plan import Plan

#: Unix time at which made-up runs start: 2025-01-02 03:04:05 UTC.
STARTED = 1735787045.0

_AREAS = ("orders", "catalog", "customers", "payments", "shipping", "reports")
_SUBJECTS = ("checkout", "totals", "search", "refunds", "stock", "addresses", "invoices", "audit")
_CLAIMS = (
    "is_kept_after_commit",
    "is_refused_without_a_customer",
    "counts_all_rows",
    "uses_the_lowest_price",
    "survives_a_rollback",
    "sends_one_notification",
)
_LEVELS = (Level.NONE, Level.READ_ONLY, Level.ISOLATED_WRITES, Level.SHARED_WRITES, Level.SCHEMA_CHANGES)


_SECTIONS = (("Captured stdout call", "the <order> & its \x1b[31mlines\x1b[0m\n"),)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What a made-up run is like. Shares are of all tests."""

    tests: int = 300
    workers: int = 4
    seed: int = 1
    failing: float = 0.03
    #: Mean seconds of a test; 0 makes them trivial.
    seconds: float = 0.1
    crash: bool = True
    planned: bool = True
    interrupted: bool = False


def make_run(scenario: Scenario | None = None) -> list[events.RunEvent]:
    """All events of one run, in order of time."""
    return list(_Run(scenario or Scenario()).events())


def failure_text(name: str, *, coloured: bool = False) -> str:
    """A failure as pytest prints it."""
    red, blue, end = ("\x1b[1m\x1b[31m", "\x1b[94m", "\x1b[0m") if coloured else ("", "", "")
    heading = f" {name} ".center(80, "_")
    return (
        f"{red}{heading}{end}\n\n"
        f"    {blue}def{end} {name}(session):\n"
        f'        session.execute(text("INSERT INTO orders DEFAULT VALUES"))\n'
        f'>       {blue}assert{end} session.scalar(text("SELECT count(*) FROM orders")) == 1\n'
        f"{red}E       assert 2 == 1{end}\n"
        f"{red}E        +  where 2 = <bound method Session.scalar of <Session>>('<&>')\n{end}"
        f"\n{red}tests/orders/test_totals.py{end}:17: AssertionError\n"
    )


class _Run:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._random = random.Random(scenario.seed)
        self._files = self._make_files()
        self._batches = self._make_batches()

    def events(self) -> Iterator[events.RunEvent]:
        yield from self._before()
        results: list[events.TestFinished] = []
        for event in self._during():
            if isinstance(event, events.TestFinished):
                results.append(event)
            yield event
        yield from self._after(results)

    def _make_files(self) -> dict[str, list[str]]:
        files: dict[str, list[str]] = {}
        number = 0
        while number < self._scenario.tests:
            area = _AREAS[len(files) % len(_AREAS)]
            subject = _SUBJECTS[len(files) // len(_AREAS) % len(_SUBJECTS)]
            round_ = len(files) // (len(_AREAS) * len(_SUBJECTS))
            file = f"tests/{area}/test_{subject}{round_ or ''}.py"
            size = min(self._random.randint(3, 22), self._scenario.tests - number)
            names = []
            for index in range(size):
                claim = _CLAIMS[index % len(_CLAIMS)]
                cls = f"Test{subject.title()}::" if index % 5 == 4 else ""
                names.append(f"{file}::{cls}test_{subject}_{claim}[{index}]")
            files[file] = names
            number += size
        return files

    def _make_batches(self) -> list[Batch]:
        batches = []
        first = 0
        for names in self._files.values():
            level = self._random.choice(_LEVELS)
            mean = self._scenario.seconds
            seconds = tuple(mean * self._random.expovariate(1.0) + mean / 20 for _ in names)
            batches.append(
                Batch(
                    id=len(batches),
                    tests=tuple(range(first, first + len(names))),
                    seconds=seconds,
                    level=level,
                    isolation=Isolation.SERVER,
                    reset=ResetPolicy.AFTER_BATCH,
                    durations_known=True,
                )
            )
            first += len(names)
        return batches

    def _before(self) -> Iterator[events.RunEvent]:
        scenario = self._scenario
        yield events.RunStarted(
            0.0, STARTED, ("tests",), "/home/ada/shop", "balanced", scenario.workers, "0.1.0", "3.12.4"
        )
        yield events.Preparing(0.01, "starting PostgreSQL 18.1")
        yield events.Preparing(0.3, "running set-up: alembic upgrade head")
        yield events.ServerReady(0.8, "18.1", "server", "9f31c2", 0.79)
        yield events.PytestOutput(0.9, f"{' test session starts ':=^80}\nrootdir: /home/ada/shop\n")
        per_file = {file: len(names) for file, names in self._files.items()}
        yield events.Collected(1.0, scenario.tests, len(self._files), 2, 0.6, "9.0.1", per_file)
        if scenario.planned:
            work = sum(batch.total_seconds for batch in self._batches)
            bound = work / scenario.workers
            plan = Plan(
                batches=tuple(self._batches),
                workers=scenario.workers,
                strategy="balanced",
                caps={},
                predicted_wall=bound * 1.05,
                lower_bound=bound,
                limited_by="total work / workers",
            )
            levels = Counter(int(batch.level) for batch in self._batches for _ in batch.tests)
            yield events.PlanFixed(1.1, plan, levels)
        for number in range(scenario.workers):
            yield events.WorkerStarted(1.2, f"gw{number}", 4000 + number, "fork")

    def _during(self) -> Iterator[events.RunEvent]:
        """Each worker takes the next batch when it is done with one; events come in order of time."""
        lanes = [(1.2 + 0.01 * number, f"gw{number}") for number in range(self._scenario.workers)]
        heapq.heapify(lanes)
        found: list[events.RunEvent] = []
        leased: set[str] = set()
        for batch, names in zip(self._batches, self._files.values(), strict=True):
            at, worker = heapq.heappop(lanes)
            found.append(events.BatchStarted(at, worker, batch.id))
            if worker not in leased:
                leased.add(worker)
                found.append(events.NamespaceLeased(at, worker, f"server-{worker[2:]}", 1, 0.002))
            for name, seconds in zip(names, batch.seconds, strict=True):
                found.append(events.TestStarted(at, name, worker))
                found.append(self._finished(at, name, worker, seconds, batch))
                at += seconds
            found.append(events.NamespaceReset(at, worker, self._reset(batch)))
            heapq.heappush(lanes, (at + 0.001, worker))
        found.sort(key=lambda event: event.at)
        if self._scenario.crash:
            found.insert(len(found) // 2, self._notice(found[len(found) // 2].at))
        yield from found[: len(found) // 3] if self._scenario.interrupted else found

    def _notice(self, at: float) -> events.Notice:
        return events.Notice(
            at,
            "warning",
            "level-contradicted",
            "static analysis said READ_ONLY, observed SHARED_WRITES: writes audit_log",
            hint="dbsafe explain shows the evidence",
            nodeid=next(iter(self._files.values()))[0],
        )

    def _reset(self, batch: Batch) -> ResetReport:
        leaks = ("a transaction left open: UPDATE orders SET state = 'paid'",) if batch.id == 3 else ()
        return ResetReport(0.0015 + 0.0001 * batch.id, ("shop/public.orders",), leaks=leaks)

    def _finished(
        self, at: float, name: str, worker: str, seconds: float, batch: Batch
    ) -> events.TestFinished:
        draw = self._random.random()
        outcome, verdict, reason = Outcome.PASSED, Verdict.CLEAR, ""
        if draw < self._scenario.failing:
            outcome, reason = Outcome.FAILED, "assert 2 == 1"
            verdict = self._random.choice((Verdict.CONFIRMED, Verdict.VICTIM))
        elif draw < self._scenario.failing + 0.02:
            outcome, reason = Outcome.SKIPPED, "needs a payment provider"
        elif draw < self._scenario.failing + 0.03:
            outcome, reason = Outcome.XFAILED, "known rounding"
        failed = outcome is Outcome.FAILED
        function = name.rpartition("::")[2].partition("[")[0]
        result = Result(
            nodeid=name,
            outcome=outcome,
            durations={"setup": seconds * 0.2, "call": seconds * 0.7, "teardown": seconds * 0.1},
            worker=worker,
            started=STARTED + at,
            text=failure_text(function) if failed else "",
            reason=reason,
            sections=_SECTIONS if failed else (),
            verdict=verdict,
            other="tests/orders/test_totals.py::test_totals_counts_all_rows[2]"
            if verdict is Verdict.VICTIM
            else "",
            line=17,
        )
        changes = Changes(written=frozenset({"shop/public.orders"})) if batch.level >= 2 else Changes()
        return events.TestFinished(
            at + seconds,
            result,
            batch.isolation.value,
            int(batch.level),
            changes,
            failure_text(function, coloured=True) if failed else "",
        )

    def _after(self, results: list[events.TestFinished]) -> Iterator[events.RunEvent]:
        end = max(event.at for event in results) if results else 1.2
        totals = Counter(event.result.outcome.value for event in results)
        busy: Counter[str] = Counter()
        for event in results:
            busy[event.result.worker] += event.result.seconds
        bad = [event.result for event in results if event.result.outcome is Outcome.FAILED]
        text = f"{' short test summary info ':=^80}\n"
        text += "".join(f"FAILED {result.nodeid} - {result.reason}\n" for result in bad)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(totals.items()))
        yield events.PytestOutput(end + 0.01, f"{text}{f' {counts} in {end:.2f}s ':=^80}\n")
        for number in range(self._scenario.workers):
            yield events.WorkerEnded(end + 0.02, f"gw{number}", 4000 + number, "")
        interrupted = self._scenario.interrupted
        code = 2 if interrupted else int(bool(bad))
        yield events.RunFinished(end + 0.05, code, interrupted, totals, end - 1.2, busy)
