"""Staffing with scripted vitals and a clock that is set: what is started, sent away, told and ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from dbsafe_runner.domain.events import Notice, PoolResized, RunEvent, Vitals, WorkerVitals
from dbsafe_runner.domain.level import Level
from dbsafe_runner.workers.slot import Slot, State
from dbsafe_runner.workers.staffing import Staffing
from dbsafe_runner.workers.vitals import Sample

MIB = 2**20


@dataclasses.dataclass
class Settings:
    max_memory: int = 0
    live: tuple[int, int] | None = None


class ScriptedVitals:
    """Gives what each worker takes as the test has set it."""

    def __init__(self) -> None:
        self.cost = 0.0
        self.processors = 0.9
        self.available = 800
        self.waiting = 0.0
        self.memory: dict[str, int] = {}
        self.rest = 0

    def larger_than(self, limit: int) -> dict[str, int]:
        return {name: memory for name, memory in self.memory.items() if memory > limit}

    def look(self, workers: Mapping[str, int], connections: Mapping[str, int]) -> Sample:
        found = {
            name: WorkerVitals(0.1, self.memory.get(name, 10 * MIB), connections.get(name, 0))
            for name in workers
        }
        memory = self.rest + sum(vitals.memory for vitals in found.values())
        return Sample(1.0, self.processors, 0.0, self.available, 1000, memory, found, self.waiting)


class Dispatcher:
    """The parts of the pool that staffing uses; it is its own births, feeding, schedule and endings."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self.settings = settings
        self.births = self.feeding = self.schedule = self.endings = self.ledger = self
        self.spawning = False
        self.something_left = True
        self.collected = {"seconds": 2.0}
        self.seconds: dict[int, float] = {}
        self.left_to_do = 100
        self.finishing = False
        self.needs_more_workers = True
        self.told: list[RunEvent] = []
        self.clock = 0.0
        self.caps: Mapping[Level, int] = {}
        self.condemned: dict[str, str] = {}
        self.slots: dict[str, Slot] = {}
        for number in range(workers):
            slot = self.slots[f"gw{number}"] = Slot(f"gw{number}")
            self.worker(slot)

    def now(self) -> float:
        return self.clock

    def emit(self, event: RunEvent) -> None:
        self.told.append(event)

    def notice(self, kind: str, code: str, message: str, *, hint: str = "", nodeid: str = "") -> None:
        self.emit(Notice(self.clock, kind, code, message, hint, nodeid))

    def worker(self, slot: Slot) -> None:
        slot.reborn()
        slot.state, slot.pid = State.BUSY, 1000 + len(self.slots)
        slot.fed.append(7)

    def remaining(self) -> int:
        return self.left_to_do

    def limit(self, caps: Mapping[Level, int]) -> None:
        self.caps = caps

    def wake_the_waiting(self) -> None:
        pass

    def nodeid(self, test: int) -> str:
        return f"test_{test}"

    def condemn(self, slot: Slot, sentence: str, *, at_once: bool = False) -> None:
        assert at_once
        self.condemned[slot.name] = sentence

    # What a test looks at.

    def present(self) -> list[str]:
        return [name for name, slot in self.slots.items() if slot.state is State.BUSY]

    def codes(self) -> list[str]:
        return [event.code for event in self.told if isinstance(event, Notice)]

    def sizes(self) -> list[int]:
        return [event.workers for event in self.told if isinstance(event, PoolResized)]


class Stage:
    """A run of so many workers under given settings."""

    def __init__(self, workers: int, caps: dict[int, dict[Level, int]] | None = None, **settings: Any):
        self.pool = Dispatcher(Settings(**settings), workers)
        self.vitals = ScriptedVitals()
        self.staffing = Staffing(self.pool)  # type: ignore[arg-type]
        self.staffing.begin(workers, caps or {})
        self.staffing._vitals = self.vitals  # type: ignore[assignment]

    def play(self, seconds: float) -> None:
        """Let time pass; workers between two batches leave when they are dismissed."""
        for _ in range(int(seconds * 4)):
            self.pool.clock += 0.25
            self.staffing.look_around(self.pool.clock)
            for slot in self.pool.slots.values():
                if slot.state is State.BUSY and self.staffing.dismisses(slot):
                    slot.state = State.GONE
                    if self.staffing.wants_another():
                        self.pool.worker(slot)


def test_idle_processors_bring_workers_up_to_the_most() -> None:
    stage = Stage(2, live=(2, 8), caps={8: {Level.READ_ONLY: 6}})
    stage.vitals.processors = 0.1
    stage.play(10)
    assert stage.pool.present() == [f"gw{number}" for number in range(8)]
    assert stage.pool.sizes()[0] == 2
    assert stage.pool.sizes()[-1] == 8
    assert stage.pool.caps == {Level.READ_ONLY: 6}
    assert stage.pool.codes() == []
    assert stage.staffing.most == 8


def test_crowded_processors_send_workers_away_down_to_the_least() -> None:
    stage = Stage(6, live=(2, 8))
    stage.vitals.processors, stage.vitals.waiting = 1.0, 0.7
    stage.play(20)
    assert len(stage.pool.present()) == 2
    # Their names are used again.
    stage.vitals.processors, stage.vitals.waiting = 0.1, 0.0
    stage.play(60)
    assert len(stage.pool.slots) == 8
    assert len(stage.pool.present()) >= 6


def test_with_nothing_left_to_hand_out_the_number_stays() -> None:
    stage = Stage(2, live=(2, 8))
    stage.pool.needs_more_workers = False
    stage.vitals.processors = 0.1
    stage.play(10)
    assert stage.pool.sizes() == [2]
    assert any(isinstance(event, Vitals) for event in stage.pool.told)


def test_a_spawned_worker_is_started_only_while_it_can_still_be_of_use() -> None:
    stage = Stage(2, live=(2, 8))
    stage.pool.spawning = True
    stage.vitals.processors = 0.1
    # 50 of 60 tests in the first two seconds: the rest is over before another worker is there.
    stage.pool.seconds, stage.pool.left_to_do = dict.fromkeys(range(50), 0.1), 10
    stage.play(3)
    assert stage.pool.sizes() == [2]
    stage.pool.seconds, stage.pool.left_to_do = dict.fromkeys(range(10), 0.1), 1000
    stage.play(3)
    assert stage.pool.sizes()[-1] == 8


def test_nobody_waits_for_a_worker_that_is_still_importing() -> None:
    stage = Stage(2)
    killed = []

    class Importing:
        def kill(self) -> None:
            killed.append("gw1")

    slot = stage.pool.slots["gw1"]
    slot.state, slot.process = State.STARTING, Importing()  # type: ignore[assignment]
    stage.pool.spawning = True
    stage.play(1)
    assert killed == []
    stage.pool.something_left = False
    stage.staffing.look_around(2.0)
    assert killed == ["gw1"]
    assert slot.said_bye


def test_short_memory_sends_workers_away_and_brings_them_back() -> None:
    stage = Stage(4)
    stage.vitals.available = 20
    stage.play(20)
    assert len(stage.pool.present()) == 1
    assert set(stage.pool.codes()) == {"memory-is-short"}
    stage.vitals.available = 900
    stage.play(200)
    assert len(stage.pool.present()) == 4
    assert "memory-is-back" in stage.pool.codes()


def test_a_worker_over_its_share_is_replaced_and_told() -> None:
    stage = Stage(2, max_memory=200 * MIB)
    stage.vitals.rest = 20 * MIB
    stage.play(1)
    stage.vitals.memory["gw1"] = 95 * MIB
    before = stage.pool.slots["gw1"].lives
    stage.pool.clock += 1
    stage.staffing.look_around(stage.pool.clock)
    assert not stage.staffing.dismisses(stage.pool.slots["gw0"])
    assert stage.staffing.dismisses(stage.pool.slots["gw1"])
    stage.vitals.memory["gw1"] = 10 * MIB
    stage.play(1)
    assert stage.pool.slots["gw1"].lives == before + 1
    (notice,) = [event for event in stage.pool.told if isinstance(event, Notice)]
    assert notice.code == "worker-over-its-share"
    assert notice.message.startswith("Worker gw1 takes 95 MiB, and its share is 90 MiB")
    assert notice.nodeid == "test_7"


def test_a_limit_that_cannot_be_held_is_told_once_and_replaces_nobody() -> None:
    stage = Stage(2, max_memory=64 * MIB)
    stage.vitals.rest = 100 * MIB
    stage.play(1)
    stage.vitals.memory = dict.fromkeys(("gw0", "gw1"), 26 * MIB)
    stage.play(20)
    assert len(stage.pool.present()) == 1
    assert stage.pool.codes() == ["memory-is-short", "memory-limit-not-held"]
    notice = [event for event in stage.pool.told if isinstance(event, Notice)][-1]
    assert "keep to 64 MiB" in notice.message
    assert "take 100 MiB, and one worker at least 10 MiB more" in notice.message


def test_one_that_takes_it_all_is_replaced_even_then() -> None:
    stage = Stage(1, max_memory=64 * MIB)
    stage.vitals.rest = 100 * MIB
    stage.play(1)
    stage.vitals.memory["gw0"] = 65 * MIB
    stage.pool.clock += 1
    stage.staffing.look_around(stage.pool.clock)
    assert stage.staffing.dismisses(stage.pool.slots["gw0"])


def test_workers_that_are_large_from_birth_are_not_replaced_for_ever() -> None:
    stage = Stage(4, max_memory=100 * MIB)
    stage.vitals.memory = {f"gw{number}": 40 * MIB for number in range(4)}
    stage.play(30)
    assert "worker-over-its-share" not in stage.pool.codes()
    assert len(stage.pool.present()) < 4


def test_a_worker_that_takes_more_than_the_run_may_is_ended_at_once() -> None:
    stage = Stage(2, max_memory=200 * MIB)
    stage.play(1)
    stage.vitals.memory["gw0"] = 2000 * MIB
    stage.play(1)
    assert stage.pool.condemned == {
        "gw0": "memory: the test's worker took 2.0 GiB, and the whole run may take 200 MiB"
    }
    sizes = [event.memory for event in stage.pool.told if isinstance(event, Vitals)]
    assert max(sizes) == 2010 * MIB


def test_what_the_limit_saw_between_two_samples_is_told() -> None:
    stage = Stage(2, max_memory=200 * MIB)
    stage.play(3)
    stage.vitals.memory["gw0"] = 2000 * MIB
    stage.staffing._end_the_largest(stage.vitals)  # type: ignore[arg-type]
    last = next(event for event in reversed(stage.pool.told) if isinstance(event, Vitals))
    assert last.memory == 2010 * MIB
    assert last.workers["gw0"].memory == 2000 * MIB


@pytest.mark.parametrize("cost", [0.0, 0.005, 0.05])
def test_looking_takes_one_percent_of_a_processor_at_most(cost: float) -> None:
    stage = Stage(2, live=(2, 2))
    stage.vitals.cost = cost
    stage.play(60)
    looks = sum(isinstance(event, Vitals) for event in stage.pool.told)
    assert looks >= 5
    assert looks * cost <= 0.01 * 60 + cost
