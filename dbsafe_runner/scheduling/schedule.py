"""Schedule: the live hand-out of a plan's batches to workers.

The dispatcher asks `next` for every idle worker and reports what happened; every call carries the
time, so that the simulation can drive the same code with a clock of its own. The schedule knows
nothing of processes, pytest or the database, and it never looks at a clock.

What always holds: each test is handed out once at a time; a level never exceeds its cap; nothing runs
beside an exclusive batch; a batch waits for those it comes after; connections stay within the budget;
a worker waits only when no piece is permitted to run.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Collection, Mapping, Sequence

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.domain.precedence import successors, tails
from dbsafe_runner.scheduling.answers import Assignment, Done, Steal, Wait
from dbsafe_runner.scheduling.pieces import (
    SHORTEST_CHUNK_SECONDS,
    Piece,
    chance,
    cut,
    piece_of,
    rest_of,
    take_chunk,
)
from dbsafe_runner.scheduling.ready import Ready, affinity_names
from dbsafe_runner.scheduling.running import DRIFT_SECONDS, Running, Victims

__all__ = ["Assignment", "Done", "Schedule", "Steal", "Wait"]

#: A test longer than this share of one worker's part of a run is handed out by itself.
LONG_SHARE = 1 / 16
#: What an urgent batch gains over all others: more than any run takes, in seconds.
URGENT_SECONDS = 1e9


class Schedule:
    """The state of one run. All times are seconds on the caller's monotonic clock.

    Args:
        plan: what to run.
        stop_on_failure: the run ends with the first failure, so nothing is fed ahead.
        urgent: tests that the user wants to hear of first; their batches precede longer ones.
        order: a seed: batches that may run in any order are handed out in one that follows from it,
            rather than longest first. For those who look for tests that hang on the order.

    Raises:
        ValueError: batches that wait for each other in a circle, or for a batch that is not there.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        stop_on_failure: bool = False,
        urgent: Collection[int] = (),
        order: int | None = None,
    ) -> None:
        self._plan = plan
        self._stop_on_failure = stop_on_failure
        self._stopped = False
        self._batches = {batch.id: batch for batch in plan.batches}
        self._following = successors(plan.batches)
        self._tails = tails(plan.batches, self._following, plan.workers)
        if order is not None:
            self._tails = {batch.id: chance(order, batch.id) for batch in plan.batches}
        for batch in plan.batches if urgent else ():
            if not set(urgent).isdisjoint(batch.tests):
                self._tails[batch.id] = self._tails.get(batch.id, 0.0) + URGENT_SECONDS
        self._blocked = {b.id: len(set(b.after)) for b in plan.batches if b.after}
        self._left = {batch.id: len(batch.tests) for batch in plan.batches}
        self._parts: dict[int, int] = {}
        self._unfinished = {test for batch in plan.batches for test in batch.tests}
        self._ready = Ready()
        self._exclusive: list[tuple[float, int, int, Piece]] = []
        self._exclusive_running = ""
        self._workers: dict[str, tuple[str, ...]] = {}
        self._running: dict[str, Running] = {}
        self._level_running: dict[Level, int] = {}
        self._connections = 0
        self._victims = Victims()
        self._offers = 0
        work = sum(batch.total_seconds for batch in plan.batches)
        self._grain = max(work * LONG_SHARE / max(plan.workers, 1), SHORTEST_CHUNK_SECONDS)
        self._release([batch for batch in plan.batches if not batch.after])

    # -- workers ---------------------------------------------------------------------------------

    def add_worker(self, worker: str) -> None:
        """A worker is there and idle."""
        if worker in self._workers:
            raise ValueError(f"worker {worker} is there already")
        self._workers[worker] = ()

    def remove_worker(self, worker: str, now: float = 0.0) -> tuple[int, ...]:
        """A worker leaves in an orderly way; returns its unfinished tests, which are queued again."""
        returned = self._give_back(worker, now, killer=False)
        self._workers.pop(worker, None)
        return returned

    def lost(self, worker: str, now: float) -> tuple[int, ...]:
        """A worker died. Returns its unfinished tests that are queued again, as the same batch.

        The test that it was running counts as finished: accounting for it is the caller's work.
        """
        returned = self._give_back(worker, now, killer=True)
        self._workers.pop(worker, None)
        return returned

    # -- handing out -----------------------------------------------------------------------------

    def next(self, worker: str, now: float) -> Assignment | Wait | Done:
        """What the idle worker shall do now."""
        if worker not in self._workers or worker in self._running:
            raise ValueError(f"worker {worker} is not there, or not idle")
        if self._stopped:
            return Done()
        if self._exclusive_running:
            return Wait()
        if self._exclusive and self._plan.exclusive_first:
            return Wait() if self._running else self._assign_exclusive(worker, now)
        piece = self._choose(worker)
        if piece is not None:
            return self._assign(worker, piece, now)
        if self._exclusive and not self._running:
            return self._assign_exclusive(worker, now)
        return Wait() if self._may_come() else Done()

    def steal(self, idle_worker: str, now: float) -> Steal | None:
        """Tests to take from the worker that would be busy longest, for one that has to wait.

        The caller revokes them and reports what it got by `revoked`; then `next` hands them out.
        """
        if self._stopped or self._exclusive_running or idle_worker in self._running:
            return None
        if self._exclusive and self._plan.exclusive_first:
            return None
        held: list[Running] = []
        found: Steal | None = None
        while found is None and (worst := self._victims.worst(now)) is not None:
            running, count = worst
            batch = running.piece.batch
            if not self._permits(batch.level, batch.connections):
                held.append(running)
                continue
            running.offered = running.piece.stop - count
            self._offers += 1
            found = Steal(running.worker, running.piece.tests[running.offered : running.piece.stop])
        for running in held:
            self._victims.push(running, now)
        return found

    def revoked(self, victim: str, tests: Sequence[int], now: float = 0.0) -> None:
        """What could be taken back of an offer: the last so many tests of the victim's, maybe none."""
        running = self._running.get(victim)
        if running is None or running.offered == running.piece.stop:
            return
        self._offers -= 1
        piece = running.piece
        start = piece.stop - len(tests)
        if start < running.unstarted or tuple(sorted(tests)) != tuple(
            sorted(piece.tests[start : piece.stop])
        ):
            raise ValueError(f"worker {victim} cannot give back {tuple(tests)}")
        if tests:
            taken = rest_of(piece, start, piece.stop)
            running.left = max(running.left - sum(piece.seconds[start : piece.stop]), 0.0)
            piece.stop = start
            self._queue(taken)
        running.offered = piece.stop
        self._victims.push(running, now)

    def feed_ahead(self, worker: str, now: float) -> int:  # noqa: ARG002 - every call has the time
        """How many tests beyond the running one may be sent to the worker."""
        running = self._running.get(worker)
        if running is None or self._stop_on_failure or self._stopped:
            return 0
        batch = running.piece.batch
        if batch.splittable and not batch.durations_known and not len(self._ready):
            # Late in the run an idle worker may take it, and the test before it may be a long one.
            return 0
        return running.ahead()

    # -- progress --------------------------------------------------------------------------------

    def started(self, worker: str, test: int, now: float) -> None:
        """The worker started a test."""
        running = self._at(worker, test)
        running.busy, running.since = True, now

    def finished(self, worker: str, test: int, now: float, seconds: float) -> None:
        """The worker finished a test that took `seconds`."""
        running = self._at(worker, test)
        piece = running.piece
        predicted = piece.seconds[running.position]
        if running.position == piece.start:
            predicted += piece.batch.setup_seconds
        running.left = max(running.left - predicted, 0.0)
        running.position += 1
        running.busy = False
        self._left[piece.batch.id] -= 1
        self._unfinished.discard(test)
        if abs(seconds - predicted) > DRIFT_SECONDS and running.offered == piece.stop:
            self._victims.push(running, now)

    def batch_ended(self, worker: str, now: float) -> None:
        """The worker is through with its assignment, reset included, and idle.

        Tests of it that were not run are queued again.
        """
        self._give_back(worker, now, killer=False)

    def requeue(self, tests: Sequence[int], *, fresh: bool = False) -> None:
        """Run finished tests once more, as batches with the properties that they had.

        Raises:
            ValueError: a test is not in the plan, or has not been finished.
        """
        wanted = set(tests)
        if wanted & self._unfinished:
            raise ValueError(f"tests are not finished yet: {sorted(wanted & self._unfinished)}")
        for batch in self._plan.batches:
            chosen = [(t, s) for t, s in zip(batch.tests, batch.seconds, strict=True) if t in wanted]
            if not chosen:
                continue
            wanted.difference_update(test for test, _ in chosen)
            self._left[batch.id] += len(chosen)
            self._unfinished.update(test for test, _ in chosen)
            again = dataclasses.replace(batch, fresh=batch.fresh or fresh)
            numbers, seconds = zip(*chosen, strict=True)
            self._queue(piece_of(again, numbers, seconds, self._tails.get(batch.id, 0.0)))
        if wanted:
            raise ValueError(f"tests are not in the plan: {sorted(wanted)}")

    def limit(self, caps: Mapping[Level, int]) -> None:
        """Other caps hold from now on; what runs already is not touched."""
        self._plan = dataclasses.replace(self._plan, caps=caps)

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopped = True

    def remaining(self) -> int:
        """How many tests have not been finished."""
        return len(self._unfinished)

    def queued(self) -> int:
        """How many unfinished tests no worker has been given, or 0 after `stop`."""
        if self._stopped:
            return 0
        given = sum(running.piece.stop - running.position for running in self._running.values())
        return len(self._unfinished) - given

    def unfinished(self) -> tuple[int, ...]:
        """The tests that have not been finished, in collection order."""
        return tuple(sorted(self._unfinished))

    def waiting_for(self, worker: str) -> str:
        """Why the worker has nothing to do, in words; "" when it has, or could have."""
        if worker in self._running or self._stopped:
            return ""
        if self._exclusive_running:
            return f"an exclusive batch is running on {self._exclusive_running}"
        if self._exclusive and self._running:
            first = self._plan.exclusive_first or not len(self._ready)
            if first:
                return f"an exclusive batch needs {', '.join(self._running)} to finish first"
        reasons = [self._reason(level, need) for level, need in self._ready.levels()]
        if reasons:
            return "; ".join(dict.fromkeys(filter(None, reasons)))
        for number in sorted(self._blocked):
            for earlier in sorted(self._batches[number].after):
                if self._left[earlier]:
                    return f"batch {earlier} must finish before batch {number}"
        return f"{', '.join(self._running)} to finish" if self._running else ""

    # -- inside ----------------------------------------------------------------------------------

    def _release(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            if not batch.tests:
                self._settle(batch)
            for piece in cut(batch, self._grain, self._tails.get(batch.id, 0.0)):
                self._queue(piece)

    def _queue(self, piece: Piece) -> None:
        if not piece.batch.exclusive:
            self._ready.add(piece)
            return
        entry = (-piece.priority, piece.batch.id, piece.contents()[0], piece)
        heapq.heappush(self._exclusive, entry)

    def _permits(self, level: Level, connections: int) -> bool:
        cap = self._plan.caps.get(level)
        if cap is not None and self._level_running.get(level, 0) >= max(cap, 1):
            return False
        budget = self._plan.connections
        return not budget or self._connections + min(connections, budget) <= budget

    def _choose(self, worker: str) -> Piece | None:
        """Take the piece that this worker should run from the queue, cut to a chunk if need be."""
        best = self._ready.best(self._permits)
        if best is None:
            return None
        share = self._ready.seconds / max(len(self._workers), 1)
        held = self._workers[worker]
        if held and best.priority <= share / 2:
            # Postponing the longest piece by one batch is harmless while much else remains.
            best = self._ready.related(held, self._permits) or best
        self._ready.remove(best)
        if best.batch.splittable:
            rest = take_chunk(best, share / 2)
            if rest is not None:
                self._ready.add(rest)
        return best

    def _assign(self, worker: str, piece: Piece, now: float) -> Assignment:
        batch = piece.batch
        left = piece.total + (batch.setup_seconds if batch.splittable else 0.0)
        running = Running(worker, piece, piece.start, left=left, offered=piece.stop)
        self._running[worker] = running
        self._workers[worker] = affinity_names(piece)
        self._parts[batch.id] = self._parts.get(batch.id, 0) + 1
        self._level_running[batch.level] = self._level_running.get(batch.level, 0) + 1
        self._connections += self._need(batch)
        if batch.exclusive:
            self._exclusive_running = worker
        else:
            self._victims.push(running, now)
        return Assignment(batch, piece.contents())

    def _assign_exclusive(self, worker: str, now: float) -> Assignment:
        return self._assign(worker, heapq.heappop(self._exclusive)[3], now)

    def _need(self, batch: Batch) -> int:
        return min(batch.connections, self._plan.connections) if self._plan.connections else 0

    def _at(self, worker: str, test: int) -> Running:
        running = self._running.get(worker)
        if running is not None and running.position < running.piece.stop:
            expected = running.piece.tests[running.position]
            if expected == test:
                return running
        raise ValueError(f"worker {worker} is not at test {test}")

    def _give_back(self, worker: str, now: float, *, killer: bool) -> tuple[int, ...]:  # noqa: ARG002
        running = self._running.pop(worker, None)
        if running is None:
            return ()
        piece, batch = running.piece, running.piece.batch
        self._level_running[batch.level] -= 1
        self._connections -= self._need(batch)
        self._parts[batch.id] -= 1
        if batch.exclusive:
            self._exclusive_running = ""
        if running.offered != piece.stop:
            self._offers -= 1
        start = running.position
        if killer and running.busy:
            self._unfinished.discard(piece.tests[start])
            self._left[batch.id] -= 1
            start += 1
        running.position = piece.stop
        if start < piece.stop:
            self._queue(rest_of(piece, start, piece.stop))
        self._settle(batch)
        return piece.tests[start : piece.stop]

    def _settle(self, batch: Batch) -> None:
        """Let the batches go that wait for this one, if it is over."""
        if self._left[batch.id] or self._parts.get(batch.id):
            return
        free = []
        for number in self._following.pop(batch.id, ()):
            self._blocked[number] -= 1
            if not self._blocked[number]:
                del self._blocked[number]
                free.append(self._batches[number])
        self._release(free)

    def _may_come(self) -> bool:
        """Whether anything could still come for an idle worker."""
        if len(self._ready) or self._exclusive or self._offers or self._blocked:
            return True
        return bool(self._running and self._victims)

    def _reason(self, level: Level, connections: int) -> str:
        cap = self._plan.caps.get(level)
        if cap is not None and self._level_running.get(level, 0) >= max(cap, 1):
            return f"cap: {cap} {level.name} batches are running"
        if not self._permits(level, connections):
            return f"connections: {self._connections} of {self._plan.connections} are in use"
        return ""
