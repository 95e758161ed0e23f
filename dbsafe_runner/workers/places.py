"""Places: which tests run where a serial run has them in their file."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.domain.test import Test
from dbsafe_runner.workers.slot import Slot


class Places:
    """Counts what runs before each test.

    Args:
        tests: all tests, in the order of a serial run.
    """

    def __init__(self, tests: Sequence[Test]) -> None:
        self._files = [test.file for test in tests]
        self._before: list[int] = []
        so_far: collections.Counter[str] = collections.Counter()
        for file in self._files:
            self._before.append(so_far[file])
            so_far[file] += 1

    def is_in_place(self, slot: Slot, batch: Batch, test: int) -> bool:
        """Count a test that has ended; whether all that precede it in its file ran before it.

        They did so in the same process and for the same batch, and nothing was reset in between.
        """
        key = (batch.id, self._files[test])
        ran = slot.behind[key]
        slot.behind[key] += 1
        unreset = batch.reset is ResetPolicy.AFTER_BATCH or not ran
        return ran == self._before[test] and unreset
