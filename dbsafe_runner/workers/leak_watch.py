"""Leak watch: when to look for what a test leaves behind, as hooks of pytest in a worker.

What is found and how is in `dbsafe_runner.workers.leaks`; transactions are counted by the observation of
the worker's namespace.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.workers.leaks import Leaks
from dbsafe_runner.workers.tenant import Tenant

#: Seconds that PostgreSQL may take to notice that a session was closed, and how often it is waited for.
_GRACE = 0.005
_PATIENCE = 50

_sleep = time.sleep


class LeakWatch:
    """Follows the tests of one worker.

    Args:
        tenant: knows of connections and transactions.
        look: looks at the database once more, and puts what happened down to the test.
    """

    def __init__(self, tenant: Tenant, look: Callable[[], None]) -> None:
        self._tenant = tenant
        self._look = look
        self._leaks = Leaks(own=_own_descriptors)
        self._leaks.watch_files()
        tenant.on_connecting = self._leaks.connecting
        #: Transactions that were open before the test, or that wider fixtures hold.
        self._held = 0
        self._patience = _PATIENCE
        #: Connections that were opened before the test, and whether none of them is left.
        self._opened = 0
        self._apart = False

    def begin(self) -> None:
        """A test begins."""
        self._leaks.begin()
        self._held = self._tenant.open_transactions
        self._opened = self._tenant.opened
        self._apart = self._tenant.has_neighbours and self._leaks.no_sessions()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        """What fixtures of wider scope than the test make is theirs."""
        del request
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self._leaks.adopt()
                self._held = self._tenant.open_transactions

    def of_test(self, seen: Changes) -> Changes:
        """What was seen, without transactions that were open before the test or are a fixture's.

        Nothing at all where neither the test nor a fixture has had a session: then it was another
        worker that has done something in the database which they share.
        """
        if self._apart and self._tenant.opened == self._opened:
            return Changes()
        own = max(seen.open_transactions - self._held, 0)
        return dataclasses.replace(seen, open_transactions=own)

    def found(self, *, passed: bool) -> list[str]:
        """What the test that has ended left behind, in words.

        Args:
            passed: what failed keeps its connections alive in its traceback; they are not its leaks.
        """
        left = self._leaks.found(connections=passed)
        more = self._tenant.open_transactions - self._held
        if passed and more > 0 and self._still_open():
            left.append(f"transaction, {self._tenant.open_transactions - self._held} left open")
        return left

    def _still_open(self) -> bool:
        """Whether the transactions are not those of sessions that were closed a moment ago."""
        if self._patience > 0:
            self._patience -= 1
            _sleep(_GRACE)
            self._look()
        return self._tenant.open_transactions > self._held


def _own_descriptors() -> set[int]:
    # While nothing has been leased there are none, and the module that would know is not loaded.
    link = sys.modules.get("dbsafe_runner.database.link")
    return link.own_descriptors() if link is not None else set()
