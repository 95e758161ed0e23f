"""Gives the reports of the workers to pytest's own hooks in the zygote, as if the tests had run there.

So the terminal summary, junitxml, last-failed, durations and every plugin that listens to reports work
as in a serial run. Nothing is decided here.
"""

from __future__ import annotations

import pickle
import sys
import warnings
from typing import Any, Literal

import pytest
from _pytest.unittest import TestCaseFunction

from dbsafe_runner.workers import outcomes, parting, suite_properties
from dbsafe_runner.workers.entries import unpack_entries

_PHASES = ("setup", "call", "teardown")


class Replay:
    """Feeds entries into the hooks of one pytest session."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._config = session.config

    def feed(self, blob: bytes) -> None:
        """Replay the entries of one message, in order."""
        for kind, fields, inner in unpack_entries(blob):
            if kind == "ok":
                self._passed(fields)
            elif kind == "done":
                self._reports(fields["test"], outcomes.unpack(inner, self._config))
            elif kind == "failed":
                self._reports(fields["test"], [self._crash(fields)])
            elif kind == "mocked":
                self._reports(fields["test"], [self._mocked(fields)])
            elif kind == "late":
                self._config.hook.pytest_runtest_logreport(report=self._crash(fields, "teardown"))
            elif kind == "extra":
                for report in outcomes.unpack(inner, self._config):
                    self._config.hook.pytest_runtest_logreport(report=report)
            else:
                self._beside_reports(kind, fields, inner)

    def _beside_reports(self, kind: str, fields: dict[str, Any], inner: bytes) -> None:
        if kind == "warn":
            self._warning(fields, inner)
        elif kind == "property":
            suite_properties.enter(self._config, fields)
        elif kind == "parting":
            parting.hear(self._config, fields, inner)

    def _passed(self, fields: dict[str, Any]) -> None:
        item = self._session.items[fields["test"]]
        keywords: Any = dict.fromkeys(item.keywords, 1)
        started = fields["started"]
        reports = []
        for when, seconds in zip(_PHASES, fields["seconds"], strict=True):
            reports.append(
                pytest.TestReport(
                    item.nodeid,
                    item.location,
                    keywords,
                    "passed",
                    None,
                    when,  # type: ignore[arg-type]
                    (),
                    seconds,
                    started,
                    started + seconds,
                )
            )
            started += seconds
        self._reports(fields["test"], reports)

    def _reports(self, test: int, reports: list[Any]) -> None:
        item = self._session.items[test]
        hook = self._config.hook
        self._count_subtests(item, reports)
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _count_subtests(self, item: pytest.Item, reports: list[Any]) -> None:
        """Note how many subtests failed where pytest (from 9 on) does, in the process that ran them.

        A test that contains failed subtests is failed by that count when its own report is shown.
        """
        key = getattr(sys.modules.get("_pytest.subtests"), "failed_subtests_key", None)
        failed = sum(type(report).__name__ == "SubtestReport" and report.failed for report in reports)
        # Without its plugin, which may be switched off, pytest does not count.
        counts = self._config.stash.get(key, None) if key is not None else None
        if counts is not None and failed and not isinstance(item, TestCaseFunction):
            counts[getattr(item, "id", item.nodeid)] += failed

    def _crash(
        self, fields: dict[str, Any], when: Literal["call", "teardown"] = "call"
    ) -> pytest.TestReport:
        """Make the report of a test that its worker did not live to report."""
        item = self._session.items[fields["test"]]
        return pytest.TestReport(
            item.nodeid,
            item.location,
            dict.fromkeys(item.keywords, 1),
            "failed",
            fields["text"],
            when,
            [("Captured stacks", fields["stacks"])] if fields["stacks"] else (),
            fields["seconds"],
        )

    def _mocked(self, fields: dict[str, Any]) -> pytest.TestReport:
        """Make the report of a test whose outcome counts for nothing; pytest calls that skipped."""
        item = self._session.items[fields["test"]]
        path, line, _ = item.location
        return pytest.TestReport(
            item.nodeid,
            item.location,
            dict.fromkeys(item.keywords, 1),
            "skipped",
            (path, (line or 0) + 1, f"mocked: {fields['text']}"),
            "setup",
            (),
            fields["seconds"],
        )

    def _warning(self, fields: dict[str, Any], blob: bytes) -> None:
        values = pickle.loads(blob)  # noqa: S301  # Our own worker made it.
        message = warnings.WarningMessage(**values)
        location = fields["location"]
        self._config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": message,
                "when": fields["when"],
                "nodeid": fields["nodeid"],
                "location": tuple(location) if location else None,
            }
        )
