"""Prefixes: which tests before a test in a serial run may matter to it, and how long they took."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable

from dbsafe_runner.workers.ledger import Ledger
from dbsafe_runner.workers.settings import CollectedSuite, PlannedRun

#: A trial behind all tests of other files is made only while those took less than this many seconds;
#: and one behind those that left something in the database, or share state, less than this.
_LONGEST_WHOLE_PREFIX = 3.0
_LONGEST_PREFIX = 20.0
#: A test that has ended so many processes ends every process: nothing can be tried behind it.
_DEATHS = 2


class Prefixes:
    """The tests of a run in the order of a serial one.

    Args:
        suite: the tests.
        planned: what is known of them.
        ledger: what has become of them so far; None before the first has started.
    """

    def __init__(
        self, suite: CollectedSuite, planned: PlannedRun, ledger: Callable[[], Ledger | None]
    ) -> None:
        self._tests = suite.tests
        self._shares = {
            test
            for test, classification in enumerate(planned.classifications)
            if classification.footprint.shares
        }
        self._ledger = ledger
        self._deaths: collections.Counter[int] = collections.Counter()

    def ended_its_process(self, test: int) -> None:
        """Note that a process has not survived a test."""
        self._deaths[test] += 1

    def is_deadly(self, test: int) -> bool:
        """Whether no process survives a test."""
        return self._deaths[test] >= _DEATHS

    def in_file(self, test: int) -> tuple[int, ...]:
        """The tests before it in its file, but those that no process survives."""
        file = self._tests[test].file
        first = test
        while first > 0 and self._tests[first - 1].file == file:
            first -= 1
        return self._survived(range(first, test))

    def that_may_matter(self, test: int, in_file: tuple[int, ...]) -> tuple[int, ...]:
        """The tests before it that it may need, those of its file among them.

        None that no process survives; else all, or, where that takes too long, those that left
        something in the database or share state in the process. That it has passed in a run with
        several workers says nothing: its worker may have run just what it needs.
        """
        ledger = self._ledger()
        left = ledger.left if ledger is not None else set()
        every = self._survived(range(test))
        if self.seconds(every) < _LONGEST_WHOLE_PREFIX:
            return every
        near = set(in_file)
        some = tuple(t for t in every if t in near or t in left or t in self._shares)
        return some if self.seconds(some) < _LONGEST_PREFIX else in_file

    def _survived(self, tests: Iterable[int]) -> tuple[int, ...]:
        return tuple(test for test in tests if not self.is_deadly(test))

    def seconds(self, tests: Iterable[int]) -> float:
        """How long they took in this run, as far as they have ended."""
        ledger = self._ledger()
        return sum(ledger.seconds.get(test, 0.0) for test in tests) if ledger is not None else 0.0
