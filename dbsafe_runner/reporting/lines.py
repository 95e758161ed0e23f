"""The lines that consoles print: tests, notices, preparation, progress, and the closing block."""

from __future__ import annotations

from typing import Final

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.reporting.closing import closing_lines
from dbsafe_runner.reporting.formatting import counted, elided, seconds_text
from dbsafe_runner.reporting.printer import Printer, StyledLine
from dbsafe_runner.reporting.progress import Progress, WorkerView

LETTERS: Final = {
    Outcome.PASSED: ".",
    Outcome.FAILED: "F",
    Outcome.ERROR: "E",
    Outcome.SKIPPED: "s",
    Outcome.XFAILED: "x",
    Outcome.XPASSED: "X",
    Outcome.MOCKED: "m",
    Outcome.NOT_RUN: "-",
}
OUTCOME_STYLES: Final = {
    Outcome.PASSED: "good",
    Outcome.FAILED: "bad",
    Outcome.ERROR: "bad",
    Outcome.MOCKED: "bad",
    Outcome.NOT_RUN: "bad",
}


def print_closing(progress: Progress, printer: Printer) -> None:
    """The closing block; with -q only its first line."""
    lines = closing_lines(progress, printer.style.reports(), printer.style.verbosity)
    for line in lines if printer.style.verbosity >= 0 else lines[:1]:
        printer.line(line)


def percentage(progress: Progress) -> str:
    """How much is done: `[ 43%]`."""
    return f"[{100 * progress.done // progress.total:3d}%]" if progress.total else ""


def failure_text(event: events.TestFinished | events.TestUnconfirmed, *, colour: bool) -> str:
    """A failure as pytest prints it, its heading included."""
    result = event.result
    text = event.coloured if colour and event.coloured else result.text or event.coloured
    if not text:
        text = f"{result.outcome.value.upper()} {result.nodeid}"
        text += f"\n{result.reason}" if result.reason else ""
    return text if text.endswith("\n") else text + "\n"


def print_unconfirmed(event: events.TestUnconfirmed, printer: Printer) -> None:
    """A failure as it happens, and that it is run again."""
    printer.text(failure_text(event, colour=printer.style.colour))
    printer.line([("dim", "It is run again, alone and in a fresh process and database.")])


def print_failure(event: events.TestFinished, progress: Progress, printer: Printer) -> None:
    """A failure whose outcome is final; one that was shown when it happened takes a line."""
    nodeid = event.result.nodeid
    if nodeid not in progress.unconfirmed:
        printer.text(failure_text(event, colour=printer.style.colour))
    elif event.result.verdict is Verdict.CONFIRMED:
        printer.line([("bad", "FAILED"), ("", f" {nodeid}: alone, too")])


def test_line(progress: Progress, event: events.TestFinished, printer: Printer) -> StyledLine:
    """One test on one line, for -v."""
    result = event.result
    outcome = result.outcome
    style = OUTCOME_STYLES.get(outcome, "warn")
    line = [
        ("dim", f"[{result.worker}] {percentage(progress)} " if result.worker else ""),
        (style, outcome.value.upper()),
        ("", f" {result.nodeid} "),
        ("dim", f"({seconds_text(result.seconds)})"),
    ]
    if result.reason and outcome in {Outcome.SKIPPED, Outcome.XFAILED, Outcome.MOCKED}:
        room = printer.style.width - sum(len(text) for _, text in line) - 3
        reason = elided(result.reason, room, printer.ellipsis)
        line += [("dim", f" ({reason})")] if room > 10 else []
    return line


def notice_lines(
    event: events.Notice | events.TestSlow | events.PoolResized, verbosity: int = 0
) -> list[StyledLine]:
    """A notice, with its hint on a line of its own; a slow test; with -v another number of workers."""
    if isinstance(event, events.TestSlow):
        return [[("warn", f"SLOW > {seconds_text(event.seconds)} [{event.worker}] {event.nodeid}")]]
    if isinstance(event, events.PoolResized):
        # What it starts with is no change.
        shown = event.before and verbosity > 0
        workers = counted(event.workers, "worker")
        return [[("dim", f"{workers} instead of {event.before}: {event.reason}")]] if shown else []
    style = {"error": "bad", "warning": "warn"}.get(event.kind, "dim")
    code = f"[{event.code}]" if event.code else ""
    about = f" ({event.nodeid})" if event.nodeid and event.nodeid not in event.message else ""
    lines: list[StyledLine] = [[(style, f"{event.kind}{code}"), ("", f": {event.message}{about}")]]
    return [*lines, [("dim", f"  hint: {event.hint}")]] if event.hint else lines


def preparation_lines(progress: Progress, event: events.RunEvent) -> list[StyledLine]:
    """What happens before the first test, a line for each step; nothing for other events."""
    match event:
        case events.RunStarted():
            parts = [
                f"dbsafe {event.dbsafe_version}",
                f"Python {event.python_version}",
                counted(event.workers, "worker"),
                event.strategy,
            ]
            return [[("bold", parts[0]), ("", " · " + " · ".join(parts[1:]))]]
        case events.Preparing():
            return [[("dim", event.what)]]
        case events.ServerReady() if not event.server_version:
            return [[("bad", f"no PostgreSQL: one {event.kind} for each worker")]]
        case events.ServerReady():
            ready = f"PostgreSQL {event.server_version} ready in {seconds_text(event.seconds)}"
            return [[("dim", f"{ready}, one {event.kind} for each worker")]]
        case events.PlanFixed():
            return plan_lines(progress)
        case events.WorkerEnded() if event.cause:
            during = f" during {event.nodeid}" if event.nodeid else ""
            return [[("warn", f"worker {event.worker} was lost{during}: {event.cause}")]]
    return []


def plan_lines(progress: Progress) -> list[StyledLine]:
    """What is going to run, once that is fixed; pytest itself has told how much it collected."""
    plan, collected = progress.plan, progress.collected
    if plan is None or collected is None or not collected.tests:
        return []
    lines: list[StyledLine] = [[("warn", f"note: {note}")] for note in plan.notes]
    workers = counted(plan.workers, "worker")
    text = f"{counted(collected.tests, 'test')} in {_batches(plan)} on {workers}"
    if progress.durations_known:
        text += f", predicted {seconds_text(plan.predicted_wall)}"
        if progress.known_durations < collected.tests:
            text += f" ({progress.known_durations:,} durations are known)"
    return [*lines, [("dim", text)]]


def _batches(plan: Plan) -> str:
    """How many batches there are; where they are fewer than workers, what keeps the others busy."""
    text = counted(len(plan.batches), "batch", "batches")
    split = sum(batch.splittable for batch in plan.batches)
    if not split or len(plan.batches) >= plan.workers:
        return text
    every = split == len(plan.batches)
    return f"{text} that may be split," if every else f"{text}, of which {split} may be split,"


def going_on_line(progress: Progress, now: float, printer: Printer) -> StyledLine:
    """How far the run is, and the test that has been running longest."""
    parts = [f"{progress.done:,} of {counted(progress.total, 'test')}", seconds_text(now)]
    if progress.bad:
        parts.append(f"{progress.bad:,} failed")
    if progress.being_confirmed:
        parts.append(f"{progress.being_confirmed:,} being run again")
    remaining = progress.remaining(now)
    if remaining:
        parts.append(f"about {seconds_text(remaining)} left")
    text = f"{percentage(progress)} " + " · ".join(parts)
    slowest = longest_running(progress)
    if slowest is not None:
        took = seconds_text(slowest.seconds(now))
        room = printer.style.width - len(text) - len(took) - 6
        if room >= 20:
            text += f" · {elided(slowest.nodeid, room, printer.ellipsis)} {took}"
    return [("dim", text)]


def longest_running(progress: Progress) -> WorkerView | None:
    """The worker whose test started first; a trial of a failed test counts where no other test runs.

    What waits for a namespace does not run.
    """
    workers = progress.workers.values()
    running = [view for view in workers if view.nodeid and view.waits_since is None]
    running = running or list(progress.trials.values())
    return min(running, key=lambda view: view.since, default=None)
