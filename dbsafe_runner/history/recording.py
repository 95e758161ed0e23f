"""Recording: the sink that keeps what a run showed, and writes it to the history at its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from dbsafe_runner.domain.events import PlanFixed, RunEvent, RunFinished, RunStarted, TestFinished
from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.history.forecasts import Timing
from dbsafe_runner.history.observed import Observation, observe
from dbsafe_runner.history.records import Code, KeptResult, KeptRun, WholeFile
from dbsafe_runner.history.store import HistoryStore

_BAD = frozenset({Outcome.FAILED, Outcome.ERROR})


class HistorySink:
    """Reads the stream of one run.

    It writes when it is closed, so a run that was interrupted or broke down is kept as far as it got.
    """

    def __init__(self, store: HistoryStore) -> None:
        self._store = store
        self._codes: Mapping[str, Code] = {}
        self._started: RunStarted | None = None
        self._plan: PlanFixed | None = None
        self._finished: RunFinished | None = None
        self._results: dict[str, KeptResult] = {}
        self._files: Sequence[WholeFile] = ()
        #: Tests that ran where a serial run has them, with an outcome that is one of a serial run.
        self._in_place: set[str] = set()

    def knows(self, codes: Mapping[str, Code], files: Sequence[WholeFile] = ()) -> None:
        """Take the code of each test, which its observation is kept under, and the files of all."""
        self._codes = codes
        self._files = files

    @property
    def observations(self) -> Mapping[str, Observation]:
        """What was seen in this run so far, by node id."""
        return {
            nodeid: result.observation
            for nodeid, result in self._results.items()
            if result.observation is not None
        }

    def on(self, event: RunEvent) -> None:
        """Take one event; those that say nothing to keep are ignored."""
        if isinstance(event, TestFinished):
            self._test_finished(event)
        elif isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, PlanFixed):
            self._plan = event
        elif isinstance(event, RunFinished):
            self._finished = event

    def tick(self, now: float) -> None:
        """Nothing happens with time."""

    def close(self) -> None:
        """Write everything. Problems are in the store's `problems`; none is raised."""
        started, self._started = self._started, None
        if started is None or not self._results:
            return
        plan = self._plan.plan if self._plan is not None else None
        finished = self._finished
        run = KeptRun(
            started=started.started,
            workers=plan.workers if plan is not None else started.workers,
            strategy=started.strategy,
            dbsafe_version=started.dbsafe_version,
            exit_code=finished.exit_code if finished is not None else None,
            interrupted=finished.interrupted if finished is not None else True,
            span=finished.span if finished is not None else 0.0,
            predicted=plan.predicted_wall if plan is not None else 0.0,
            lower_bound=plan.lower_bound if plan is not None else 0.0,
        )
        whole = [one for one in self._files if self._in_place.issuperset(one.nodeids)]
        self._store.add(run, [self._with_company(one) for one in self._results.values()], whole)

    def _with_company(self, result: KeptResult) -> KeptResult:
        """A result that hangs on tests which were not found out hangs on all before it in its file."""
        if result.other or result.verdict not in {Verdict.VICTIM, Verdict.BRITTLE}:
            return result
        for one in self._files:
            if result.nodeid in one.nodeids:
                first, *further = [*one.nodeids[: one.nodeids.index(result.nodeid)], ""]
                return dataclasses.replace(result, other=first, further=tuple(further[:-1]))
        return result

    def _test_finished(self, event: TestFinished) -> None:
        result = event.result
        if result.outcome is Outcome.MOCKED:
            # Nothing of it is worth knowing: neither how it ended nor how long it took.
            return
        if event.in_place and _is_settled(event):
            self._in_place.add(result.nodeid)
        else:
            self._in_place.discard(result.nodeid)
        earlier = self._results.get(result.nodeid)
        if earlier is not None and (result.outcome not in _BAD or earlier.outcome in _BAD):
            return
        durations = result.durations
        timing = Timing(
            durations.get("setup", 0.0),
            durations.get("call", 0.0),
            durations.get("teardown", 0.0),
            event.built,
        )
        self._results[result.nodeid] = KeptResult(
            nodeid=result.nodeid,
            outcome=result.outcome,
            timing=timing if earlier is None else earlier.timing,
            worker=result.worker,
            level=event.level,
            verdict=result.verdict,
            other=result.other,
            further=result.further,
            code=self._codes.get(result.nodeid, Code()),
            observation=_observation(event) if earlier is None else earlier.observation,
        )


def _is_settled(event: TestFinished) -> bool:
    """Whether it is known what the outcome hangs on.

    A test that failed, or did so as expected, or has skipped itself, may have done that for what another
    one left; only of failures is that found out, and not of all.
    """
    result = event.result
    if result.verdict is not Verdict.CLEAR or result.outcome is Outcome.PASSED:
        return True
    return result.outcome is Outcome.SKIPPED and not result.durations.get("call")


def _observation(event: TestFinished) -> Observation | None:
    """What the event shows of its test.

    A verdict was found in trials, of which only the last is told here: it may show less than the test
    does.
    """
    seen = observe(
        event.result.outcome,
        event.changes,
        event.connections,
        processes=event.processes,
        seen=event.observed,
    )
    if seen is not None and event.result.verdict is not Verdict.CLEAR:
        return dataclasses.replace(seen, complete=0)
    return seen
