"""Running: what one worker has been given and how far it is, and who has most left to give away."""

from __future__ import annotations

import dataclasses
import heapq

from dbsafe_runner.scheduling.pieces import Piece

#: Moving tests to another worker has to bring the end forward by more than this.
LEAST_GAIN_SECONDS = 0.005
#: And by more than this part of the set-up that has to be done again for it.
LEAST_GAIN_OF_SETUP = 0.1
#: Known work beyond the running test that a worker may be sent, in seconds.
AHEAD_SECONDS = 0.020
#: Nothing is sent behind a test that takes longer than this, in seconds.
LONG_TEST_SECONDS = 0.1
#: A prediction of a worker's end that is off by more than this is corrected.
DRIFT_SECONDS = 0.05


@dataclasses.dataclass(slots=True, eq=False)
class Running:
    """A piece on a worker. `position` is the test that runs now, or else the next one."""

    worker: str
    piece: Piece
    position: int
    #: The test at `position` has been started, at `since`.
    busy: bool = False
    since: float = 0.0
    #: Predicted seconds of the tests from `position` on, and of fixtures not built yet.
    left: float = 0.0
    #: Tests from here on have been offered to another worker; the end of the piece when none have.
    offered: int = 0
    #: The predicted end that the heap of victims knows, seconds.
    expected_end: float = 0.0

    @property
    def unstarted(self) -> int:
        """Position of the first test that has not been started."""
        return self.position + 1 if self.busy else self.position

    def ahead(self) -> int:
        """How many tests beyond the running one may be sent to the worker."""
        piece, position = self.piece, self.position + 1
        if not piece.batch.durations_known:
            return max(min(1, self.offered - position), 0)
        count, seconds = 0, 0.0
        while position < self.offered and seconds < AHEAD_SECONDS:
            if piece.seconds[position - 1] > LONG_TEST_SECONDS:
                break
            seconds += piece.seconds[position]
            count, position = count + 1, position + 1
        return count

    def spare(self, now: float) -> int:
        """How many tests at the end had better run on an idle worker; 0 when moving does not pay."""
        piece = self.piece
        unstarted = self.offered - self.unstarted
        if not piece.batch.splittable or unstarted < 1 or self.offered < piece.stop:
            return 0
        if not piece.batch.durations_known:
            return (unstarted + 1) // 2 if self.busy or unstarted > 1 else 0
        running = max(piece.seconds[self.position] - (now - self.since), 0.0) if self.busy else 0.0
        before = max(self.left - (piece.seconds[self.position] if self.busy else 0.0), 0.0) + running
        setup = piece.batch.setup_seconds
        count, moved, wanted = 0, 0.0, (before - setup) / 2
        while count < unstarted:
            length = piece.seconds[self.offered - 1 - count]
            if moved + length / 2 > wanted:
                break
            moved += length
            count += 1
        gain = before - max(before - moved, moved + setup)
        return count if gain > max(LEAST_GAIN_SECONDS, setup * LEAST_GAIN_OF_SETUP) else 0


class Victims:
    """Workers whose running piece may be split, the one that will be busy longest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Running]] = []
        self._serial = 0

    def push(self, running: Running, now: float) -> None:
        """Note a running piece, or that its predicted end has moved."""
        if running.piece.batch.splittable and running.piece.stop - running.unstarted > 0:
            running.expected_end = now + running.left
            self._serial += 1
            heapq.heappush(self._heap, (-running.expected_end, self._serial, running))

    def worst(self, now: float) -> tuple[Running, int] | None:
        """The worker with most to give away, and how many tests; it leaves the heap.

        What has nothing worth moving now never will have: it leaves the heap, too.
        """
        while self._heap:
            end, _, running = heapq.heappop(self._heap)
            if -end != running.expected_end:
                continue
            count = running.spare(now)
            if count:
                running.expected_end = 0.0
                return running, count
        return None

    def __bool__(self) -> bool:
        return bool(self._heap)
