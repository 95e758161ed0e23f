"""report.html: one file that opens offline, with the failures first.

The page's text, its style and its script stand in `templates/report.html.j2`.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
from typing import TYPE_CHECKING, Any, Final

from dbsafe_runner.reporting.curves import make_curves
from dbsafe_runner.reporting.formatting import counted, noun, seconds_text, size_text
from dbsafe_runner.reporting.results import RunReport, TestInfo
from dbsafe_runner.reporting.timeline import make_lanes

if TYPE_CHECKING:
    import jinja2

#: Failures that are written out; a page with more could not be read, nor opened quickly.
MOST_FAILURES: Final = 200

_LEVELS: Final = (
    "NONE",
    "READ_ONLY",
    "ISOLATED_WRITES",
    "SHARED_WRITES",
    "SCHEMA_CHANGES",
    "SEQUENTIAL_ONLY",
)
_UNSAFE_IN_SCRIPT: Final = re.compile("[<>&\u2028\u2029]")


def as_html(report: RunReport) -> str:
    """The text of report.html."""
    bad = [test for test in report.tests if test.outcome in {"failed", "error", "not-run"}]
    lanes, whole = make_lanes(report)
    return _template().render(
        report=report,
        verdict=_verdict(report),
        started=_started(report),
        tiles=_tiles(report, lanes_used=list(report.run.busy.values()) or [lane.used for lane in lanes]),
        failures=bad[:MOST_FAILURES],
        hidden_failures=len(bad) - len(bad[:MOST_FAILURES]),
        lanes=lanes,
        ticks=_ticks(whole),
        curves=make_curves(report),
        notices=[notice for notice in report.notices if notice != report.error],
        leaky=[test for test in report.tests if test.leaks],
        levels=_LEVELS,
        data=_data(report),
    )


@functools.cache
def _template() -> jinja2.Template:
    # Imported late: nothing needs it while the tests run.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dbsafe_runner.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds_text
    environment.filters["size"] = size_text
    environment.filters["isolation"] = _isolation
    return environment.get_template("report.html.j2")


def _verdict(report: RunReport) -> tuple[str, str]:
    """The run in a word, and the style of it."""
    totals = report.totals
    bad, broken = totals.failed + totals.error, len(report.collection_errors)
    if report.error is not None:
        return "ended by an error", "bad"
    if report.run.interrupted:
        return "interrupted", "bad"
    if totals.mocked:
        return f"{counted(totals.mocked, 'test')} mocked: no PostgreSQL", "bad"
    if bad or broken:
        failed = f"{counted(bad, 'test')} failed" if bad else ""
        uncollected = counted(broken, "collection error") if broken else ""
        return ", ".join(filter(None, (failed, uncollected))), "bad"
    if report.run.exit_code:
        return f"ended with exit code {report.run.exit_code}", "bad"
    return ("passed", "good") if report.tests else ("no tests ran", "warn")


def _started(report: RunReport) -> str:
    started = datetime.datetime.fromtimestamp(report.run.started, datetime.UTC).astimezone()
    return started.strftime("%Y-%m-%d %H:%M:%S %Z")


def _tiles(report: RunReport, lanes_used: list[float]) -> list[tuple[str, str, str]]:
    """(value, title, style) of each number at the top."""
    totals, run, broken = report.totals, report.run, len(report.collection_errors)
    counts = [
        (totals.failed, "failed", "bad"),
        (totals.error, noun(totals.error, "error"), "bad"),
        (broken, noun(broken, "collection error"), "bad"),
        (totals.passed, "passed", "good"),
        (totals.skipped, "skipped", "warn"),
        (totals.xfailed, noun(totals.xfailed, "expected failure"), "warn"),
        (totals.xpassed, noun(totals.xpassed, "unexpected pass", "unexpected passes"), "warn"),
        (totals.mocked, "mocked", "bad"),
        (totals.not_run, "not run", "bad"),
    ]
    tiles = [(f"{count:,}", title, style) for count, title, style in counts if count]
    if report.tests:
        tiles.append((seconds_text(run.span), "from first to last test", ""))
    work = sum(test.seconds for test in report.tests)
    if run.span > 0 and work > 0:
        tiles.append((f"{work / run.span:.1f}", f"tests at a time, {seconds_text(work)} of tests", ""))
    if lanes_used:
        number = len(lanes_used)
        share = f"{sum(lanes_used) / number:.0%}"
        tiles.append((f"{number}", f"{noun(number, 'worker')}, {share} busy", ""))
    if run.span > 0 and run.best > 0:
        text = f"efficiency, at best {seconds_text(run.best)}"
        tiles.append((f"{run.best / run.span:.0%}", text, ""))
    if report.resets.count:
        median = seconds_text(report.resets.median)
        tiles.append(
            (f"{report.resets.count:,}", f"{noun(report.resets.count, 'reset')}, median {median}", "")
        )
    return tiles


def _ticks(whole: float) -> list[tuple[float, str]]:
    """(place, text) of the marks under the timeline; places go from 0 to 1."""
    if whole <= 0:
        return []
    return [(part / 5, seconds_text(whole * part / 5) if part else "0") for part in range(6)]


def _data(report: RunReport) -> str:
    """The rows of the table, for the script, as JSON that cannot end the script element."""
    rows = [_row(test) for test in report.tests]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return _UNSAFE_IN_SCRIPT.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _isolation(test: TestInfo) -> str:
    """How it was kept apart; by nothing would read as if it were not safe, where nothing is changed."""
    return "none needed" if test.isolation == "none" else test.isolation


def _row(test: TestInfo) -> list[Any]:
    changes = test.changes
    touched = "" if changes is None else ", ".join((*changes.remaining, *changes.ddl, *changes.cluster))
    verdict = "" if test.verdict in {"clear", "failed"} else test.verdict
    return [
        test.nodeid,
        test.outcome,
        round(test.seconds, 4),
        test.worker,
        test.level,
        _isolation(test),
        verdict,
        test.reason,
        touched,
    ]
