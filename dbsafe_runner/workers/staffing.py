"""Staffing: how many workers a run has while it goes on, and which of them is to be replaced.

Looks at the vitals about once a second, asks `dbsafe_runner.scheduling.adaptation` what follows, and
has it done at the boundaries between batches: a worker that is one too many, or too large, leaves
there. Only a test whose worker alone takes more memory than the whole run may is ended where it is.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dbsafe_runner.domain import events
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.scheduling.adaptation import Adaptation, Change, Load
from dbsafe_runner.workers.slot import Slot, State

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool
    from dbsafe_runner.workers.vitals import Sample, Vitals

#: Seconds from the first worker's birth to the first look, and between two looks.
_FIRST, _INTERVAL, _LIVE_INTERVAL, _WATCHFUL_INTERVAL = 0.3, 1.0, 0.5, 0.25
#: Seconds between two glances at what may have to be ended at once.
_GLANCE = 0.1
#: Looking may take this part of a processor: what takes long is done less often. Where a limit of memory
#: is to be kept it may take more: on a busy machine workers grew unseen for five seconds.
_COST, _WATCHFUL_COST = 0.008, 0.04
#: A spawned worker is started while what is left takes this many times as long as collecting.
_WORTH = 4.0
#: A worker is too large only if it has grown by this factor over what a fresh one takes.
_GROWN = 1.25
#: So many replacements of large workers are told.
_TOLD = 5
_PRESENT = frozenset({State.STARTING, State.IDLE, State.BUSY})


class Staffing:
    """The workers of one run by number and by size."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._adaptation: Adaptation | None = None
        self._caps: Mapping[int, Mapping[Level, int]] = {}
        self._vitals: Vitals | None = None
        #: The last sample that was told.
        self._told: events.Vitals | None = None
        self._due = float("inf")
        self._glance_due = 0.0
        self._began = 0.0
        self._interval, self._cost = _INTERVAL, _COST
        #: What the smallest worker took when it was first looked at, in bytes.
        self._fresh = 0
        self._replaced = 0
        #: It was told that the run cannot keep to its limit.
        self._not_held = False
        self._most = 1

    @property
    def most(self) -> int:
        """The largest number of workers that there may be at a time."""
        return self._most

    def begin(self, workers: int, caps: Mapping[int, Mapping[Level, int]]) -> None:
        """The run starts with so many workers.

        Args:
            workers: how many are being started.
            caps: what caps hold with other numbers of workers, where those differ.
        """
        live = self._pool.settings.live
        least, most = live if live is not None else (1, workers)
        self._most = max(workers, most)
        self._adaptation = Adaptation(workers, least, self._most, live=live is not None)
        self._caps = caps
        if self._pool.settings.max_memory:
            # Memory is eaten fast.
            self._interval, self._cost = _WATCHFUL_INTERVAL, _WATCHFUL_COST
        elif live is not None:
            self._interval = _LIVE_INTERVAL
        self._began = self._pool.now()
        self._due = self._began + (_GLANCE if self._pool.settings.max_memory else _FIRST)
        self._pool.emit(events.PoolResized(self._pool.now(), workers, 0, "as planned"))

    def dismisses(self, slot: Slot) -> bool:
        """Whether a worker that is between two batches is to leave."""
        if self._adaptation is None:
            return False
        return slot.oversized or self._present() > self._adaptation.workers

    def wants_another(self) -> bool:
        """Whether a worker that has left is to be replaced."""
        return self._adaptation is None or self._present() < self._adaptation.workers

    def look_around(self, now: float) -> None:
        """Look at the vitals when it is time to, and do what follows from them."""
        if self._pool.finishing or now < self._glance_due:
            # It is asked after every message.
            return
        self._glance_due = now + _GLANCE
        self._let_latecomers_go()
        if self._vitals is not None and self._pool.settings.max_memory:
            self._end_the_largest(self._vitals)
        if now < self._due:
            return
        if self._vitals is None:
            # Imported late: it brings psutil with it, which runs of less than a second do not need.
            from dbsafe_runner.workers.vitals import Vitals

            self._vitals = Vitals()
            # Rates count from here.
            self._vitals.look(self._processes(), {})
            self._due = now + _FIRST
            return
        self._follow(self._vitals, now)

    def _follow(self, vitals: Vitals, now: float) -> None:
        """Take a sample, tell it, and do what follows from it."""
        sample = vitals.look(self._processes(), self._connections())
        self._due = now + max(self._interval, vitals.cost / self._cost)
        self._told = events.Vitals(
            now,
            sample.processors,
            sample.io_wait,
            sample.available,
            sample.memory,
            sample.workers,
        )
        self._pool.emit(self._told)
        self._weigh(sample)
        feeding = self._pool.feeding
        if self._adaptation is None or feeding is None or not feeding.needs_more_workers:
            # With nothing left to hand out, another number of workers would change nothing.
            return
        before = self._adaptation.workers
        change = self._adaptation.decide(now, self._load(sample, now))
        if change is not None:
            self._resize(before, change)

    def _let_latecomers_go(self) -> None:
        """Do not wait for workers that are still importing the suite when all tests have ended."""
        feeding = self._pool.feeding
        if feeding is None or feeding.something_left or not self._pool.births.spawning:
            return
        for slot in self._pool.slots.values():
            if slot.state is State.STARTING and slot.process is not None and not slot.confirms:
                slot.said_bye = True
                slot.process.kill()

    def _worth_it(self, now: float) -> bool:
        """Whether a further worker will have done something before the run is over.

        A forked one is there at once. A spawned one imports the suite first: what is left has to take
        several times as long, going by what has been done so far.
        """
        pool = self._pool
        assert pool.feeding is not None
        assert pool.ledger is not None
        if not pool.births.spawning or pool.collected is None:
            return True
        done = len(pool.ledger.seconds)
        left = (now - self._began) * int(pool.feeding.schedule.remaining()) / max(done, 1)
        return done > 0 and left > _WORTH * float(pool.collected["seconds"])

    def _resize(self, before: int, change: Change) -> None:
        pool = self._pool
        assert pool.feeding is not None
        pool.emit(events.PoolResized(pool.now(), change.workers, before, change.reason))
        if change.memory:
            fewer = change.workers < before
            pool.notice(
                "warning" if fewer else "info",
                "memory-is-short" if fewer else "memory-is-back",
                f"{change.workers} instead of {before} workers from now on: {change.reason}.",
            )
        if change.workers in self._caps:
            pool.feeding.schedule.limit(self._caps[change.workers])
        for _ in range(change.workers - self._present()):
            if pool.feeding.needs_more_workers:
                pool.births.worker(self._vacancy())
        # Those that wait for work are between two batches, too; and caps may permit more now.
        pool.feeding.wake_the_waiting()

    def _vacancy(self) -> Slot:
        """The name of a worker that has left, or a new one."""
        slots = self._pool.slots
        for name in map("gw{}".format, range(self._most)):
            if name not in slots:
                slots[name] = Slot(name)
                return slots[name]
            if slots[name].state is State.GONE and not slots[name].confirms:
                return slots[name]
        raise AssertionError("more workers than there may be")

    def _present(self) -> int:
        return sum(slot.state in _PRESENT and not slot.confirms for slot in self._pool.slots.values())

    # --- memory ----------------------------------------------------------------------------------

    def _end_the_largest(self, vitals: Vitals) -> None:
        """End the tests whose workers alone take more than the whole run may."""
        limit = self._pool.settings.max_memory
        for name, memory in vitals.larger_than(limit).items():
            slot = self._pool.slots.get(name)
            if slot is not None and slot.running is not None:
                self._tell_size(name, memory)
                self._pool.endings.condemn(
                    slot,
                    f"memory: the test's worker took {_size(memory)}, and the whole run may take "
                    f"{_size(limit)}",
                    at_once=True,
                )

    def _tell_size(self, name: str, memory: int) -> None:
        """Tell what a worker took when it was ended: at the next sample it is gone."""
        told = self._told
        if told is None:
            return
        before = told.workers.get(name, events.WorkerVitals(0.0, 0, 0))
        if memory > before.memory:
            workers = {**told.workers, name: dataclasses.replace(before, memory=memory)}
            whole = told.memory - before.memory + memory
            now = self._pool.now()
            self._told = dataclasses.replace(told, at=now, memory=whole, workers=workers)
            self._pool.emit(self._told)

    def _weigh(self, sample: Sample) -> None:
        """Find the workers that take more than they may."""
        limit = self._pool.settings.max_memory
        if not limit:
            return
        for name, vitals in sample.workers.items():
            if not self._pool.slots[name].weighed:
                self._pool.slots[name].weighed = True
                self._fresh = min(self._fresh, vitals.memory) or vitals.memory
        rest = sample.memory - sum(vitals.memory for vitals in sample.workers.values())
        present = max(self._present(), 1)
        share = max((limit - rest) // present, 0)
        if sample.workers and share < self._fresh:
            # A fresh worker would be over it as well, so it says nothing about which is too large.
            self._tell_not_held(rest, present)
            share = limit // present
        for name, vitals in sample.workers.items():
            slot = self._pool.slots[name]
            if vitals.memory > max(share, self._fresh * _GROWN) and not slot.confirms:
                self._mark(slot, vitals.memory, share)

    def _tell_not_held(self, rest: int, present: int) -> None:
        """Say that the run takes more than it may, whichever workers are replaced; once."""
        feeding = self._pool.feeding
        fewer_will_do = present > 1 and feeding is not None and feeding.needs_more_workers
        if self._not_held or fewer_will_do:
            return
        self._not_held = True
        workers = "one worker" if present == 1 else f"{present} workers"
        self._pool.notice(
            "warning",
            "memory-limit-not-held",
            f"The run cannot keep to {_size(self._pool.settings.max_memory)} of memory: servers and "
            f"what belongs to no worker take {_size(rest)}, and {workers} at least "
            f"{_size(present * self._fresh)} more.",
            hint="It goes on. Allow more with --max-memory, or leave the limit out.",
        )

    def _mark(self, slot: Slot, memory: int, share: int) -> None:
        if slot.oversized:
            return
        slot.oversized = True
        self._replaced += 1
        if self._replaced <= _TOLD:
            nodeid = ""
            if slot.running is not None and self._pool.feeding is not None:
                nodeid = self._pool.feeding.nodeid(slot.running)
            self._pool.notice(
                "info",
                "worker-over-its-share",
                f"Worker {slot.name} takes {_size(memory)}, and its share is {_size(share)}: it is "
                "replaced after its batch.",
                nodeid=nodeid,
            )

    # --- what is measured ------------------------------------------------------------------------

    def _processes(self) -> dict[str, int]:
        return {
            slot.name: slot.pid
            for slot in self._pool.slots.values()
            if slot.pid and slot.state is not State.GONE and slot.exit_code is None
        }

    def _connections(self) -> dict[str, int]:
        """Of each worker's tests: as of now on a server of its own, else after its last test."""
        from dbsafe_runner.workers.vitals import connected, unix_sockets

        found, sockets = {}, {}
        for slot in self._pool.slots.values():
            found[slot.name] = slot.sessions
            namespace = slot.namespace
            if namespace is not None and namespace.kind is NamespaceKind.SERVER:
                sockets[slot.name] = f"{namespace.endpoint.host}/.s.PGSQL.{namespace.endpoint.port}"
        if sockets:
            counted = connected(unix_sockets(), sockets)
            # One of them is that by which the worker observes.
            found.update({name: max(count - 1, 0) for name, count in counted.items()})
        return found

    def _load(self, sample: Sample, now: float) -> Load:
        limit = self._pool.settings.max_memory
        count = max(len(sample.workers), 1)
        cores = os.cpu_count() or 1
        own = sum(vitals.processors for vitals in sample.workers.values())
        size = sum(vitals.memory for vitals in sample.workers.values()) / count
        return Load(
            processors=sample.processors,
            available=sample.available / max(sample.total, 1),
            waiting=sample.waiting,
            io_wait=sample.io_wait,
            of_limit=sample.memory / limit if limit else 0.0,
            each=size / limit if limit else 0.0,
            idle=(1 - sample.processors) * cores,
            # What its server uses is a worker's doing as well, and is not told apart from others' work.
            per_worker=max(own, sample.processors * cores) / count,
            worth_it=self._worth_it(now),
        )


def _size(size: int) -> str:
    """A size in bytes, as it would be written in runner.toml."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
