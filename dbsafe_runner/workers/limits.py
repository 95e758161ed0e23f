"""Limits of time: for a test, for the teardown of a session, and for the whole run; and what is slow.

It only looks at the clock and says what has run out; how something is ended is the work of
`dbsafe_runner.workers.endings`. Limits of memory are in `dbsafe_runner.workers.staffing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.domain import events
from dbsafe_runner.workers.slot import Slot, State

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool

#: Seconds that a worker may say nothing between two tests, in which it tears down and resets.
SILENCE = 60.0

#: Tests that were running when the time was up: so many are named.
_NAMED = 5


class Limits:
    """Watches the clock for one run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._settings = pool.settings

    def look_around(self, now: float) -> None:
        """Find what has taken too long by `now`, and have it ended."""
        limit = self._settings.run_timeout
        if limit and now > limit and not self._pool.endings.stopping and not self._pool.finishing:
            self._end_the_run(limit)
        for slot in list(self._pool.slots.values()):
            if slot.state is State.GONE or not slot.pid or slot.exit_code is not None or slot.deadline:
                continue
            if slot.asked:
                # The set-up of a namespace has a limit of its own, and is not the test's doing.
                continue
            if slot.running is not None:
                self._watch_test(slot, slot.running, now)
            elif slot.state is State.LEAVING and not slot.said_bye:
                self._watch_teardown(slot, now)
            elif slot.state is State.BUSY and now - slot.heard > max(self._settings.timeout, SILENCE):
                # It has reported its tests and neither asks for more nor ends: it was stopped, say.
                self._pool.endings.condemn(slot, f"said nothing for {now - slot.heard:.0f} s")

    def _watch_test(self, slot: Slot, test: int, now: float) -> None:
        seconds = slot.seconds(now)
        timeout, slow = self._settings.timeout, self._settings.slow_timeout
        if timeout and seconds > timeout:
            self._pool.endings.condemn(slot, f"timeout: the test ran longer than {timeout:g} s")
            return
        times = int(seconds / slow) if slow else 0
        if times > slot.called_slow:
            slot.called_slow = times
            if self._pool.feeding is not None:
                nodeid = self._pool.feeding.nodeid(test)
                self._pool.emit(events.TestSlow(now, nodeid, slot.name, times * slow))

    def _watch_teardown(self, slot: Slot, now: float) -> None:
        """A worker that leaves tears its session down, which is part of no test that runs."""
        timeout = self._settings.timeout
        slot.leaving_since = slot.leaving_since or now
        if timeout and now - slot.leaving_since > timeout:
            self._pool.endings.condemn(
                slot, f"timeout: the teardown of session fixtures ran longer than {timeout:g} s"
            )

    def _end_the_run(self, limit: float) -> None:
        pool = self._pool
        running = [
            pool.feeding.nodeid(slot.running)
            for slot in pool.slots.values()
            if pool.feeding is not None and slot.running is not None and not slot.confirms
        ]
        where = ""
        if running:
            more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
            where = f" These tests were running: {', '.join(running[:_NAMED])}{more}."
        elif pool.feeding is None:
            where = " The suite had not been collected yet."
        message = f"The run was stopped because it took longer than {limit:g} s.{where}"
        pool.notice(
            "error",
            "run-timeout",
            message,
            hint="Tests without an outcome were not run. --slow-timeout tells what takes long.",
        )
        pool.endings.out_of_time(f"run timeout: longer than {limit:g} s")
