"""The fixtures of pytest-xdist, for suites that use them where it is not installed."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """Name of the worker that runs the test: gw0, gw1 ... (as pytest-xdist has it)."""
    return str(request.config.workerinput["workerid"])  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def testrun_uid(request: pytest.FixtureRequest) -> str:
    """Id of the run, the same in all its workers (as pytest-xdist has it)."""
    return str(request.config.workerinput["testrunuid"])  # type: ignore[attr-defined]
