"""The closing block: verdict, times and paths, after everything that pytest itself says at the end.

Gives lines of (style, text) pairs; how they are coloured is the work of the console.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.reporting.formatting import counted, seconds_text, size_text
from dbsafe_runner.reporting.printer import StyledLine
from dbsafe_runner.reporting.progress import Progress
from dbsafe_runner.reporting.usage import busy_shares

_OUTCOME_STYLES = {
    Outcome.FAILED: "bad",
    Outcome.ERROR: "bad",
    Outcome.PASSED: "good",
    Outcome.SKIPPED: "warn",
    Outcome.XFAILED: "warn",
    Outcome.XPASSED: "warn",
    Outcome.MOCKED: "bad",
    Outcome.NOT_RUN: "bad",
}
#: Leaky tests that are named without -v.
_LEAKY_SHOWN = 3
_SHOWN_VERDICTS = (Verdict.FLAKY, Verdict.VICTIM, Verdict.BRITTLE)


def closing_lines(progress: Progress, reports: Iterable[Path], verbosity: int = 0) -> list[StyledLine]:
    """What to say at the end of the run; with -v also every leak, and the leases."""
    lines = [_verdict(progress)]
    rows = [
        *_speed(progress),
        *_findings(progress),
        *_leaky(progress, verbosity),
        *_levels(progress),
        *_resets(progress),
        *_namespaces(progress),
        *(_leases(progress) if verbosity > 0 else ()),
        *_memory(progress),
    ]
    paths = [str(path) for path in reports]
    rows += [("reports" if number == 0 else "", path) for number, path in enumerate(paths)]
    lines += [[("dim", f"  {title:<12}"), ("", text)] for title, text in rows]
    return lines


def _verdict(progress: Progress) -> StyledLine:
    line: StyledLine = []
    for outcome, style in _OUTCOME_STYLES.items():
        if progress.outcomes[outcome]:
            line += [("", ", ")] if line else []
            line.append((style, _count(outcome, progress.outcomes[outcome])))
    if progress.uncollected:
        line += [("", ", ")] if line else []
        line.append(("bad", counted(progress.uncollected, "collection error")))
    missing = progress.total - progress.done
    if missing > 0:
        line += [("", ", ")] if line else []
        line.append(("bad", f"{missing:,} not run"))
    if not line:
        line = [("warn", "no tests ran")]
    workers = len(progress.workers)
    span = _span(progress)
    line.append(("", f" in {seconds_text(span)} on {counted(workers, 'worker')}" if workers else ""))
    if progress.finished is not None and workers:
        # Start-up, and failures that are run again, are no part of the time from test to test.
        line.append(("", f", {seconds_text(progress.finished.at)} in all"))
    if progress.finished is not None and progress.finished.interrupted:
        line.append(("bad", ", interrupted"))
    return line


def _count(outcome: Outcome, number: int) -> str:
    """`2 failed`, `1 error`, `2 errors`, as pytest says it."""
    if outcome is Outcome.ERROR:
        return counted(number, "error")
    return f"{number:,} {outcome.value.replace('-', ' ')}"


def _span(progress: Progress) -> float:
    if progress.finished is not None and progress.finished.span > 0:
        return progress.finished.span
    return max(0.0, progress.last_end - (progress.first_start or 0.0))


def _speed(progress: Progress) -> list[tuple[str, str]]:
    span = _span(progress)
    if span <= 0 or not progress.done:
        return []
    ratio = progress.took.total / span
    # No speed-up over a serial run: tests that share the processors take longer than they would alone.
    text = f"{ratio:.1f} tests at a time ({seconds_text(progress.took.total)} of tests)"
    rows = [("concurrency", text)]
    if progress.done < progress.total:
        return rows
    best = progress.took.bound(progress.plan, len(progress.workers), span)
    text = f"{best.seconds / span:.0%}, at best {seconds_text(best.seconds)}: {best.words}"
    rows.append(("efficiency", text))
    if progress.durations_known and progress.plan is not None:
        predicted = progress.plan.predicted_wall
        off = f" ({span / predicted - 1:+.0%})" if predicted > 0 else ""
        known, total = progress.known_durations, progress.total
        part = f"; {known:,} of {total:,} durations were known" if known < total else ""
        rows.append(("predicted", f"{seconds_text(predicted)}, took {seconds_text(span)}{off}{part}"))
    return [*rows, *_utilisation(progress, span)]


def _utilisation(progress: Progress, span: float) -> list[tuple[str, str]]:
    """How busy the workers were: which share of the span each of them was running tests."""
    finished = progress.finished
    if finished is None or len(finished.busy) < 2:
        return []
    shares = busy_shares(finished.busy, span).values()
    text = f"{statistics.fmean(shares):.0%} ({min(shares):.0%} to {max(shares):.0%} by worker)"
    return [("utilisation", text)]


def _findings(progress: Progress) -> list[tuple[str, str]]:
    found = [
        f"{progress.verdicts[verdict]:,} {verdict.value}"
        for verdict in _SHOWN_VERDICTS
        if progress.verdicts[verdict]
    ]
    rows = [("findings", ", ".join(found))] if found else []
    rows += _unexamined(progress)
    if progress.slow:
        least = seconds_text(min(progress.slow.values()))
        rows.append(("slow", f"{counted(len(progress.slow), 'test')} ran longer than {least}"))
    if progress.leaks:
        rows.append(("leaks", f"{counted(len(progress.leaks), 'leak')} found and ended"))
    return rows


def _unexamined(progress: Progress) -> list[tuple[str, str]]:
    """The failures that a serial run might not have, for want of time to find out."""
    if not progress.hasty or not progress.unexamined:
        return []
    first, *further = progress.unexamined
    more = f" and {len(further)} more" if further else ""
    return [("unexamined", f"a serial run might pass {first}{more}: no time was left to find out")]


def _leaky(progress: Progress, verbosity: int) -> list[tuple[str, str]]:
    """The tests that left something behind, the first few by name."""
    if not progress.leaky:
        return []
    told = [f"{nodeid}: {'; '.join(left)}" for nodeid, left in progress.leaky.items()]
    shown = told if verbosity > 0 else told[:_LEAKY_SHOWN]
    rows = [("leaky", f"{counted(len(told), 'test')} left something behind"), *(("", t) for t in shown)]
    if len(shown) < len(told):
        rows.append(("", f"and {len(told) - len(shown)} more, which -v lists"))
    return rows


def _levels(progress: Progress) -> list[tuple[str, str]]:
    corrected = progress.finished.corrected if progress.finished is not None else 0
    return [("levels", f"{counted(corrected, 'level')} corrected by what was seen")] if corrected else []


def _memory(progress: Progress) -> list[tuple[str, str]]:
    if not progress.memory_peak:
        return []
    return [("memory", f"{size_text(progress.memory_peak)} at most, PostgreSQL included")]


def _resets(progress: Progress) -> list[tuple[str, str]]:
    seconds = progress.reset_seconds
    if not seconds:
        return []
    median = seconds_text(statistics.median(seconds))
    return [("resets", f"{len(seconds):,}, median {median}, {seconds_text(sum(seconds))} in all")]


def _leases(progress: Progress) -> list[tuple[str, str]]:
    """What the leases of namespaces on a user's server came to."""
    leases = progress.finished.leases if progress.finished is not None else {}
    if not leases:
        return []
    granted = int(leases["granted"])
    mean = seconds_text(leases["waited"] / max(granted, 1))
    parts = [
        f"{granted:,} granted after {mean} on average, {seconds_text(leases['longest_wait'])} at most",
        f"at most {leases['peak']:.0f} at a time with {leases['peak_connections']:.0f} connections",
        f"{counted(int(leases['leaks']), 'session')} left open",
        f"server found again {leases['recoveries']:.0f} times",
    ]
    return [("leases", ", ".join(parts))]


def _namespaces(progress: Progress) -> list[tuple[str, str]]:
    if not progress.namespaces:
        return []
    server = progress.server
    kind = f"of kind {server.kind}" if server else ""
    if server and server.server_version:
        kind += f", PostgreSQL {server.server_version}"
    parts = [f"{len(progress.namespaces):,} {kind}".strip()]
    if progress.crashes:
        parts.append(f"{counted(progress.crashes, 'worker')} lost")
    return [("namespaces", ", ".join(parts))]
