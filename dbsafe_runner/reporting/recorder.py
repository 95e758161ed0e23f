"""The recorder: keeps what the events say, and makes the `RunReport` of it, also of half a run."""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

from dbsafe_runner.domain import events
from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.reporting import results
from dbsafe_runner.reporting.formatting import without_colours
from dbsafe_runner.reporting.took import Took
from dbsafe_runner.reporting.usage import RunUsage, WorkerUsage, busy_shares


@dataclasses.dataclass(slots=True)
class _Process:
    """One worker process."""

    started: events.WorkerStarted
    ended: events.WorkerEnded | None = None
    tests: int = 0
    busy: float = 0.0
    usage: WorkerUsage = dataclasses.field(default_factory=WorkerUsage)


class Recorder:
    """Follows the stream; each event costs a dictionary look-up and an append."""

    def __init__(self) -> None:
        self._run: events.RunStarted | None = None
        self._server: events.ServerReady | None = None
        self._collected: events.Collected | None = None
        self._plan: events.PlanFixed | None = None
        self._finished: events.RunFinished | None = None
        self._failed: events.RunFailed | None = None
        self._uncollected: list[events.CollectionFailed] = []
        self._tests: list[events.TestFinished] = []
        self._slow: collections.Counter[str] = collections.Counter()
        self._first_start: float | None = None
        self._processes: list[_Process] = []
        self._current: dict[str, _Process] = {}
        self._leases: list[events.NamespaceLeased] = []
        self._resets: list[events.NamespaceReset] = []
        self._notices: list[events.Notice] = []
        self._usage = RunUsage()
        self._took = Took()
        self._last_at = 0.0
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            events.CollectionFailed: self._uncollected.append,
            events.BatchStarted: self._took.batch_started,
            events.TestStarted: self._test_started,
            events.TestSlow: lambda event: self._slow.update((event.nodeid,)),
            events.TestFinished: self._test_finished,
            events.WorkerStarted: self._worker_started,
            events.WorkerEnded: self._worker_ended,
            events.NamespaceLeased: self._leases.append,
            events.NamespaceReset: self._resets.append,
            events.Notice: self._notices.append,
            events.Vitals: self._sampled,
            events.PoolResized: self._usage.resized,
            events.RunStarted: lambda event: setattr(self, "_run", event),
            events.ServerReady: lambda event: setattr(self, "_server", event),
            events.Collected: lambda event: setattr(self, "_collected", event),
            events.PlanFixed: lambda event: setattr(self, "_plan", event),
            events.RunFinished: lambda event: setattr(self, "_finished", event),
            events.RunFailed: lambda event: setattr(self, "_failed", event),
        }

    def on(self, event: events.RunEvent) -> None:
        """Take one event; unknown ones are left out."""
        self._last_at = event.at
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    @property
    def collected(self) -> bool:
        """Whether the run got as far as knowing its tests."""
        return self._collected is not None

    def report(self) -> results.RunReport:
        """What has been recorded so far."""
        return results.RunReport(
            run=self._run_info(),
            totals=self._totals(),
            levels=dict(sorted(self._plan.levels.items())) if self._plan else {},
            tests=[_test_info(event, self._slow[event.result.nodeid]) for event in self._tests],
            collection_errors=[
                results.CollectionErrorInfo(nodeid=event.nodeid, reason=event.reason, text=event.text)
                for event in self._uncollected
            ],
            workers=[_worker_info(process) for process in self._processes],
            namespaces=[
                results.NamespaceInfo(
                    name=lease.namespace,
                    worker=lease.worker,
                    generation=lease.generation,
                    waited=lease.seconds,
                )
                for lease in self._leases
            ],
            leases=self._lease_info(),
            resets=self._reset_info(),
            notices=self._notice_infos(),
            error=self._error(),
            usage=self._usage.info(),
            moments=self._usage.moments(),
            pool=self._usage.pool,
        )

    def _test_started(self, event: events.TestStarted) -> None:
        self._took.test_started(event)
        if self._first_start is None:
            self._first_start = event.at

    def _test_finished(self, event: events.TestFinished) -> None:
        self._tests.append(event)
        self._took.test_finished(event)
        process = self._current.get(event.result.worker)
        if process is not None:
            process.tests += 1
            process.busy += event.result.seconds

    def _worker_started(self, event: events.WorkerStarted) -> None:
        self._current[event.worker] = process = _Process(event)
        self._processes.append(process)

    def _worker_ended(self, event: events.WorkerEnded) -> None:
        process = self._current.get(event.worker)
        if process is not None and process.started.pid == event.pid:
            process.ended = event

    def _sampled(self, event: events.Vitals) -> None:
        self._usage.sampled(event)
        for worker, vitals in event.workers.items():
            if worker in self._current:
                self._current[worker].usage.add(vitals)

    def _run_info(self) -> results.RunInfo:
        run, plan, finished = self._run, self._plan.plan if self._plan else None, self._finished
        failed, error = self._failed, self._error()
        last = self._tests[-1].at if self._tests else 0.0
        span = finished.span if finished else max(0.0, last - (self._first_start or 0.0))
        best = self._took.bound(plan, len(self._current), span)
        return results.RunInfo(
            dbsafe_version=run.dbsafe_version if run else "",
            python_version=run.python_version if run else "",
            pytest_version=self._collected.pytest_version if self._collected else "",
            server_version=self._server.server_version if self._server else "",
            namespace_kind=self._server.kind if self._server else "",
            started=run.started if run else failed.when if failed else 0.0,
            rootdir=run.rootdir if run else "",
            arguments=list(run.arguments) if run else [],
            strategy=run.strategy if run else "",
            exit_code=ended.exit_code if (ended := finished or failed) else None,
            interrupted=error is None and (finished is None or finished.interrupted),
            wall=self._last_at,
            span=span,
            busy=busy_shares(finished.busy, span) if finished else {},
            predicted=plan.predicted_wall if plan else 0.0,
            lower_bound=plan.lower_bound if plan else 0.0,
            limited_by=plan.limited_by if plan else "",
            best=best.seconds,
            best_limited_by=best.words if best.seconds else "",
            levels_corrected=finished.corrected if finished else 0,
            slow_tests=len(self._slow),
        )

    def _totals(self) -> results.Totals:
        counts = collections.Counter(event.result.outcome for event in self._tests)
        collected = self._collected.tests if self._collected else 0
        # A test that no event speaks of any more was not run either.
        counts[Outcome.NOT_RUN] += max(0, collected - len(self._tests))
        return results.Totals(
            collected=collected,
            deselected=self._collected.deselected if self._collected else 0,
            **{outcome.value.replace("-", "_"): counts[outcome] for outcome in Outcome},
        )

    def _notice_infos(self) -> list[results.NoticeInfo]:
        told = [_notice_info(notice) for notice in self._notices]
        return [*told, _error_info(self._failed)] if self._failed else told

    def _error(self) -> results.NoticeInfo | None:
        """What ended the run: at once, or in order, as a limit of time does."""
        if self._failed is not None:
            return _error_info(self._failed)
        ending = [notice for notice in self._notices if notice.kind == "error"]
        return _notice_info(ending[-1]) if ending else None

    def _lease_info(self) -> results.LeaseInfo:
        if self._finished is not None and self._finished.leases:
            return results.LeaseInfo.model_validate(self._finished.leases)
        waits = [lease.seconds for lease in self._leases]
        totals = {"granted": len(waits), "waited": sum(waits), "longest_wait": max(waits, default=0.0)}
        return results.LeaseInfo.model_validate(totals)

    def _reset_info(self) -> results.ResetInfo:
        reports = [reset.report for reset in self._resets]
        seconds = [report.seconds for report in reports]
        return results.ResetInfo(
            count=len(reports),
            median=statistics.median(seconds) if seconds else 0.0,
            total=sum(seconds),
            retired=sum(bool(report.retire) for report in reports),
            leaks=[leak for report in reports for leak in report.leaks],
        )


def _notice_info(notice: events.Notice) -> results.NoticeInfo:
    return results.NoticeInfo(
        kind=notice.kind,
        code=notice.code,
        message=notice.message,
        hint=notice.hint,
        nodeid=notice.nodeid,
    )


def _error_info(failed: events.RunFailed) -> results.NoticeInfo:
    return results.NoticeInfo(
        kind="error",
        code=failed.code,
        message=failed.message,
        cause=without_colours(failed.cause),
        hint=failed.hint,
    )


def _test_info(event: events.TestFinished, slow: int) -> results.TestInfo:
    result = event.result
    return results.TestInfo(
        nodeid=result.nodeid,
        file=result.nodeid.split("::", 1)[0],
        line=result.line,
        outcome=result.outcome.value,
        verdict=result.verdict.value,
        other=result.other,
        started=result.started,
        seconds=result.seconds,
        phases=dict(result.durations),
        worker=result.worker,
        level=event.level,
        isolation=event.isolation,
        reason=result.reason,
        text=result.text,
        sections=[results.Section(title=title, text=text) for title, text in result.sections],
        properties=list(result.properties),
        slow=slow,
        leaks=list(event.leaks),
        changes=_changes_info(event.changes) if event.changes is not None else None,
    )


def _changes_info(changes: Changes) -> results.ChangesInfo:
    return results.ChangesInfo(
        written=sorted(changes.written),
        remaining=sorted(changes.remaining),
        ddl=list(changes.ddl),
        cluster=list(changes.cluster),
        open_transactions=changes.open_transactions,
    )


def _worker_info(process: _Process) -> results.WorkerInfo:
    started, ended = process.started, process.ended
    return results.WorkerInfo(
        name=started.worker,
        pid=started.pid,
        how=started.how,
        started=started.at,
        ended=ended.at if ended else None,
        cause=ended.cause if ended else "",
        tests=process.tests,
        busy=process.busy,
        usage=process.usage.info(),
    )
