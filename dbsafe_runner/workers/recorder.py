"""A pytest plugin for a plain serial run: writes down how each test ended.

Loaded with `-p dbsafe_runner.workers.recorder`; the file is named by the variable DBSAFE_RECORD. A line
that is a JSON list tells how a test ended: node id, outcome, seconds, reason. One that is an object
tells what the run is at: {"collected": number of tests}, {"started": node id}. It changes nothing but
the order of plugins that shuffle tests: DBSAFE_SEED holds the seed of the run that this one is compared
with. Where nobody knows yet what the suite connects to, DBSAFE_TEACHER names the descriptor on which it
is told.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dbsafe_runner.workers.launch import RECORD, TEACHER
from dbsafe_runner.workers.outcomes import outcome_of, reason_of
from dbsafe_runner.workers.serial_learning import ask_teacher
from dbsafe_runner.workers.shuffling import SEED, share_seed


class Recorder:
    """Collects the reports of each test and writes a line when it has ended."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._owner = os.getpid()
        self._reports: dict[str, list[pytest.TestReport]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write down how many tests there are."""
        self._write({"collected": len(session.items)})

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write down which test runs: it may be the one that hangs."""
        self._write({"started": nodeid})

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a report."""
        self._reports.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write the test down."""
        reports = self._reports.pop(nodeid, [])
        seconds = sum(report.duration for report in reports)
        self._write([nodeid, outcome_of(reports).value, seconds, reason_of(reports)])

    def _write(self, line: object) -> None:
        """Write a line. A process that a test forked writes nothing."""
        if os.getpid() == self._owner:
            self._file.write(json.dumps(line) + "\n")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Be ready before the suite can connect to anything."""
    descriptor = os.environ.pop(TEACHER, "")
    if descriptor:
        ask_teacher(int(descriptor))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start recording."""
    seed = os.environ.pop(SEED, "")
    if seed:
        share_seed(config, int(seed))
    path = os.environ.pop(RECORD, "")
    if path:
        config.pluginmanager.register(Recorder(Path(path)), "dbsafe-recorder")
