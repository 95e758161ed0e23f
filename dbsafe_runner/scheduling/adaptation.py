"""Adaptation: how many workers there should be, from the load of the machine and the run's memory.

It decides only, sample by sample, with the time as the caller gives it; measuring, starting and ending
workers is the caller's work.

Memory speaks first, for every strategy: what is short makes workers fewer, and they come back when it
is not. Processors speak where the strategy is live: idle ones invite more workers, and workers that
wait for processors are too many. A number that was too high is not tried again for a while, each time
twice as long, so that the number of workers settles.
"""

from __future__ import annotations

import dataclasses

#: There is room for more workers below this busy part of the processors.
IDLE = 0.80
#: Workers are too many when they spend more than this part of their time waiting for a processor.
CROWDED = 0.40
#: No more workers when they wait longer than this already.
CROWDING = 0.15
#: No more workers when processors wait for disks for more than this part of their time.
BUSY_DISKS = 0.25
#: One worker fewer when they wait longer than this.
SWAMPED_DISKS = 0.60
#: One worker fewer when less than this part of the machine's memory can be had.
SCARCE_MEMORY = 0.08
#: No more workers when less than this part can be had.
TIGHT_MEMORY = 0.15
#: One worker fewer when the run takes more than this part of what it may.
NEAR_LIMIT = 0.90
#: One worker more only if the run would then take less than this part of it.
ROOM_IN_LIMIT = 0.75
#: Seconds before the next change: an effect needs time to be seen.
SETTLE_UP, SETTLE_DOWN = 1.0, 2.0
#: Seconds for which a number of workers that was too high is not tried again, the first time.
FIRST_BAN = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """The machine over the last sample, and what the run takes; parts are 0 to 1."""

    #: Busy part of all processors, whoever used them.
    processors: float
    #: Part of the machine's memory that can still be had.
    available: float
    #: Part of their time that the workers waited for a processor.
    waiting: float = 0.0
    #: Part of the time that processors waited for disks.
    io_wait: float = 0.0
    #: What the processes of the run take of what they may; 0 without a limit.
    of_limit: float = 0.0
    #: What one more worker would take of it.
    each: float = 0.0
    #: Idle processors' worth of work, and what one worker uses of it.
    idle: float = 0.0
    per_worker: float = 1.0
    #: Whether a further worker would gain more than its start costs.
    worth_it: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Another number of workers, and why, in words.

    `memory`: because it was short, or is not any more.
    """

    workers: int
    reason: str
    memory: bool = False


class Adaptation:
    """The number of workers over one run.

    Args:
        workers: how many there are at the start.
        least: never fewer for the processors' sake; memory may leave one alone.
        most: never more.
        live: whether processors and disks count; else only memory does.
    """

    def __init__(self, workers: int, least: int, most: int, *, live: bool) -> None:
        self.workers = workers
        self._least = min(least, workers)
        self._most = most if live else workers
        self._live = live
        #: When the number was last changed; the first change need not wait.
        self._changed = -SETTLE_DOWN
        #: Numbers of workers from here on were too high, until then.
        self._banned, self._banned_until = most + 1, 0.0
        self._ban = FIRST_BAN
        #: Memory has made the workers fewer.
        self._short = False

    def decide(self, now: float, load: Load) -> Change | None:
        """What to change after a sample at `now`, in seconds; None to leave it as it is."""
        change = self._fewer(now, load) or self._more(now, load)
        if change is not None:
            if change.workers < self.workers:
                self._short = change.memory
            elif change.workers == self._most:
                self._short = False
            self.workers, self._changed = change.workers, now
        return change

    def _fewer(self, now: float, load: Load) -> Change | None:
        if now - self._changed < SETTLE_DOWN or self.workers <= 1:
            return None
        fewer = self.workers - 1
        if load.available < SCARCE_MEMORY:
            self._avoid(self.workers, now)
            return Change(fewer, f"only {load.available:.0%} of the memory can be had", memory=True)
        if load.of_limit > NEAR_LIMIT:
            self._avoid(self.workers, now)
            return Change(fewer, f"the run takes {load.of_limit:.0%} of its memory", memory=True)
        if not self._live or self.workers <= self._least:
            return None
        if load.waiting > CROWDED:
            self._avoid(self.workers, now)
            return Change(fewer, f"workers wait for a processor {load.waiting:.0%} of their time")
        if load.io_wait > SWAMPED_DISKS:
            self._avoid(self.workers, now)
            return Change(fewer, f"processors wait for disks {load.io_wait:.0%} of the time")
        return None

    def _more(self, now: float, load: Load) -> Change | None:
        most = self._most
        if now < self._banned_until:
            most = min(most, self._banned - 1)
        if now - self._changed < SETTLE_UP or self.workers >= most:
            return None
        if (
            not load.worth_it
            or load.available < TIGHT_MEMORY
            or load.of_limit + load.each > ROOM_IN_LIMIT
        ):
            return None
        if not self._live:
            return Change(self.workers + 1, "there is memory again", memory=True)
        if load.processors > IDLE or load.waiting > CROWDING or load.io_wait > BUSY_DISKS:
            return None
        reason = f"the processors are {load.processors:.0%} busy"
        return Change(min(self.workers + self._step(load), most), reason, memory=self._short)

    def _step(self, load: Load) -> int:
        """How many workers more the idle processors and the memory bear; twice as many at most."""
        step = min(int(load.idle / max(load.per_worker, 0.05)), self.workers)
        if load.each > 0:
            # The quotient may be infinite: a worker can take next to nothing of a large limit.
            step = int(min(step, (ROOM_IN_LIMIT - load.of_limit) / load.each))
        return max(step, 1)

    def _avoid(self, workers: int, now: float) -> None:
        """Do not come back to this number of workers for a while."""
        if workers >= self._banned or now >= self._banned_until:
            again = now < self._banned_until + self._ban
            self._ban = self._ban * 2 if again and self._banned_until else FIRST_BAN
        self._banned, self._banned_until = workers, now + self._ban
