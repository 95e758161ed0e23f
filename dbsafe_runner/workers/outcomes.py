"""From pytest's reports of one test to what the dispatcher and the zygote need of them.

`summarise` makes the fields that the dispatcher reads, `pack` the blob that only the zygote opens to
give the reports to pytest's own hooks. A test that passed with nothing to show needs neither.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter

from dbsafe_runner.domain.outcome import Outcome

_SELECT_GRAPHIC = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_SECTION = 1_000_000
#: Marks a report whose failure pytest had not as text but as something that prints itself.
_SHOWN = "dbsafe_shown"


class TextRepr(TerminalRepr):
    """Stands for what pytest prints of an error that came as text only, that of a doctest say.

    pytest takes a failure that is text for its own summary in one line, and one that prints itself not.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, tw: TerminalWriter) -> None:
        """Print it, as pytest's own ones do."""
        tw.line(self._text)


def is_plain(reports: Sequence[pytest.TestReport]) -> bool:
    """Whether the test passed in its three phases with nothing captured and nothing recorded."""
    return len(reports) == 3 and all(
        type(report) is pytest.TestReport
        and report.outcome == "passed"
        and report.longrepr is None
        and not report.sections
        and not report.user_properties
        and not hasattr(report, "wasxfail")
        for report in reports
    )


def outcome_of(reports: Sequence[pytest.TestReport]) -> Outcome:
    """Tell how the test ended, as pytest counts it; a failed call outweighs a failed teardown."""
    outcome = Outcome.NOT_RUN
    errors = False
    for report in reports:
        if report.outcome == "failed":
            if report.when == "call":
                return Outcome.FAILED
            errors = True
        elif report.outcome == "skipped":
            outcome = Outcome.XFAILED if hasattr(report, "wasxfail") else Outcome.SKIPPED
        elif report.when == "call" and report.outcome == "passed":
            outcome = Outcome.XPASSED if hasattr(report, "wasxfail") else Outcome.PASSED
    return Outcome.ERROR if errors else outcome


def reason_of(reports: Sequence[pytest.TestReport]) -> str:
    """Why a test ended as it did, in a line; "" where there is nothing to say."""
    return next(filter(None, map(_reason, reports)), "")


def summarise(reports: Sequence[pytest.TestReport], config: pytest.Config) -> dict[str, Any]:
    """Fields of a `done` message: outcome, seconds by phase, text, reason, sections, properties."""
    last = reports[-1] if reports else None
    coloured = "".join(_render(report, config) for report in _failed(reports, config))
    return {
        "outcome": outcome_of(reports).value,
        # As pytest counts for --maxfail: a failed call and a failed teardown are two.
        "failures": sum(report.failed and not hasattr(report, "wasxfail") for report in reports),
        "seconds": {report.when: report.duration for report in reports},
        "started": getattr(reports[0], "start", 0.0) if reports else 0.0,
        "coloured": coloured,
        "text": _SELECT_GRAPHIC.sub("", coloured),
        "reason": reason_of(reports),
        "sections": [[title, text[:_LONGEST_SECTION]] for title, text in last.sections] if last else [],
        "properties": [[str(k), str(v)] for k, v in last.user_properties] if last else [],
    }


def told(reports: Sequence[pytest.TestReport], config: pytest.Config) -> tuple[dict[str, Any], bytes]:
    """What a worker sends of these reports: the fields that the dispatcher reads, and the blob."""
    blob = pack(reports, config)
    return summarise(reports, config), blob


def collection_failure(report: pytest.CollectReport) -> tuple[str, str]:
    """Why something could not be collected: in one line, and as pytest prints it."""
    text = report.longreprtext
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    lines = [*marked, *text.strip().splitlines()]
    return lines[0] if lines else "", text


def pack(reports: Sequence[pytest.TestReport], config: pytest.Config) -> bytes:
    """Serialise reports with pytest's own hook, which plugins extend for reports of their own."""
    data = [_taken_apart(report, config) for report in reports]
    try:
        return pickle.dumps(data, protocol=5)
    except Exception:  # noqa: BLE001  # User properties may hold anything at all.
        for entry in data:
            entry["user_properties"] = [
                (str(name), repr(value)) for name, value in entry.get("user_properties", ())
            ]
        return pickle.dumps(data, protocol=5)


def _taken_apart(report: pytest.TestReport, config: pytest.Config) -> dict[str, Any]:
    data: dict[str, Any] = config.hook.pytest_report_to_serializable(config=config, report=report)
    if hasattr(report.longrepr, "toterminal") and isinstance(data.get("longrepr"), str):
        data[_SHOWN] = True
    return data


def unpack(blob: bytes, config: pytest.Config) -> list[Any]:
    """Undo `pack`."""
    reports = []
    for data in pickle.loads(blob):  # noqa: S301  # Our own worker made it.
        shown = data.pop(_SHOWN, False)
        report = _rebuilt(data, config)
        if shown:
            report.longrepr = TextRepr(report.longrepr)
        reports.append(report)
    return reports


def _rebuilt(data: dict[str, Any], config: pytest.Config) -> Any:
    """A report from what pytest's hook made of it.

    pytest's own subtests are rebuilt here: unittest's subtests make such reports also where the plugin
    that rebuilds them is switched off, and rebuilding quotes the values of their parameters once more.
    """
    values = dict(data)
    subtests: Any = sys.modules.get("_pytest.subtests")
    if subtests is not None and data.get("_report_type") == "SubTestReport":
        report = subtests.SubtestReport._from_json(data)  # noqa: SLF001
        object.__setattr__(report.context, "kwargs", data["_subtest.context"]["kwargs"])
        return report
    try:
        report = config.hook.pytest_report_from_serializable(config=config, data=values)
    except AssertionError:
        # So pytest says that nobody knows the kind of report.
        report = None
    # Whose plugin cannot rebuild its reports, or is not there, has its tests counted nevertheless.
    return report if report is not None else pytest.TestReport._from_json(values)  # noqa: SLF001


def pack_warning(recorded: Any) -> bytes:
    """Serialise a recorded warning; what cannot be carried over is told in words."""
    values = {
        "message": recorded.message,
        "category": recorded.category,
        "filename": recorded.filename,
        "lineno": recorded.lineno,
    }
    try:
        blob = pickle.dumps(values, protocol=5)
        # What cannot be loaded is found out here, where it can still be replaced.
        pickle.loads(blob)  # noqa: S301
    except Exception:  # noqa: BLE001  # Warnings may hold anything.
        values["message"] = str(recorded.message)
        values["category"] = UserWarning
        blob = pickle.dumps(values, protocol=5)
    return blob


def _failed(reports: Sequence[pytest.TestReport], config: pytest.Config) -> Iterator[pytest.TestReport]:
    """The reports that pytest shows as failed.

    A test that passed, but for its subtests, fails when pytest asks how to show its report, which is
    done with a copy here: the report itself is counted later, once, in the zygote.
    """
    subtests: Any = sys.modules.get("_pytest.subtests")
    key = getattr(subtests, "failed_subtests_key", None)
    for report in reports:
        shown = report
        if key is not None and report.passed and key in config.stash:
            shown = copy.copy(report)
            subtests.pytest_report_teststatus(report=shown, config=config)
        if shown.outcome == "failed":
            yield shown


def _render(report: pytest.TestReport, config: pytest.Config) -> str:
    """Print a failure into a string with the terminal reporter's own methods."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        # The option for the style went with the plugin.
        return f"{report.longreprtext}\n"
    style = config.option.tbstyle
    if style == "no":
        return ""
    stream = io.StringIO()
    usual = reporter._tw  # noqa: SLF001
    writer = TerminalWriter(stream)
    writer.hasmarkup = getattr(config, "dbsafe_colour", False)
    writer.fullwidth = usual.fullwidth
    reporter._tw = writer  # noqa: SLF001
    try:
        headline = reporter._getfailureheadline(report)  # noqa: SLF001
        if report.when != "call":
            headline = f"ERROR at {report.when} of {headline}"
        if style != "line":
            writer.sep("_", headline, red=True, bold=True)
        reporter._outrep_summary(report)  # noqa: SLF001
        if style == "line":
            writer.line(reporter._getcrashline(report))  # noqa: SLF001
    finally:
        reporter._tw = usual  # noqa: SLF001
    return stream.getvalue()


def _reason(report: pytest.TestReport) -> str:
    wasxfail = getattr(report, "wasxfail", None)
    if wasxfail is not None:
        return str(wasxfail)
    longrepr = report.longrepr
    if report.outcome == "skipped" and isinstance(longrepr, tuple):
        return str(longrepr[2]).removeprefix("Skipped: ")
    if report.outcome == "failed":
        crash = getattr(longrepr, "reprcrash", None)
        text = crash.message if crash is not None else _without_crash(longrepr)
        return str(text).strip().split("\n", 1)[0]
    return ""


def _without_crash(longrepr: object) -> str:
    """The reason in a failure that does not say where it came up; of a doctest, the kind of failure."""
    places = getattr(longrepr, "reprlocation_lines", None)
    return str(places[0][0].message) if places else str(longrepr)
