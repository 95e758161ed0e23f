"""Late errors: of the teardown of what several tests share, where it came elsewhere than serially.

A serial run tears a module, a class or a package down once, behind its last test, and charges that
test with an error. Where its tests are spread over workers, each worker tears it down behind the last
one that it ran. Such an error counts once, for the test that a serial run charges, when all tests have
ended; and only if it comes in the order of a serial run, too, which confirmation finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.slot import Slot

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool


class LateErrors:
    """The late errors of a run that have not been entered."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: dict[int, tuple[Message, str]] = {}

    def add(self, slot: Slot, message: Message) -> None:
        """Keep an error for the test that it is charged to; of several, that of what is widest."""
        kept = self._kept.get(message["test"])
        if kept is None or message["since"] < kept[0]["since"]:
            self._kept[message["test"]] = (message, slot.name)

    def enter(self) -> None:
        """Enter what is kept, or have it confirmed. A test that has failed is charged already."""
        ledger, confirming = self._pool.ledger, self._pool.confirming
        assert ledger is not None
        assert confirming is not None
        kept, self._kept = self._kept, {}
        for test, (message, worker) in kept.items():
            if self._pool.endings.stopping and not ledger.has_ended(test):
                # The run was stopped before the test that would be charged: a serial run charges nobody.
                continue
            if test not in ledger.failed and not confirming.takes_late(worker, message):
                ledger.reported(message, worker)
