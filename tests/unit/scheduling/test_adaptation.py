"""The number of workers on simulated machines, second by second, with a clock that jumps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.scheduling.adaptation import Adaptation, Load


@dataclasses.dataclass
class Machine:
    """A machine that runs a suite whose tests use a processor for a part of their time.

    Others on the machine want `others` processors at any time; memory is in parts of all there is.
    """

    cores: int = 4
    use: float = 1.0
    others: float = 0.0
    io_wait: float = 0.0
    free: float = 0.8
    each: float = 0.01
    limit: float = 0.0

    def load(self, workers: int) -> Load:
        wanted = workers * self.use + self.others
        given = min(wanted, self.cores)
        waiting = self.use * (1 - self.cores / wanted) if wanted > self.cores else 0.0
        memory = workers * self.each
        return Load(
            processors=given / self.cores,
            available=self.free - memory,
            waiting=waiting,
            io_wait=self.io_wait,
            of_limit=memory / self.limit if self.limit else 0.0,
            each=self.each / self.limit if self.limit else 0.0,
            idle=self.cores - given,
            per_worker=self.use,
        )


def follow(
    adaptation: Adaptation,
    machine: Machine,
    seconds: float,
    *,
    start: float = 0.0,
    step: float = 0.5,
    meanwhile: Callable[[float, Machine], None] = lambda _now, _machine: None,
) -> list[tuple[float, int, str]]:
    """Every change in so many simulated seconds."""
    changes = []
    now = start
    while now < start + seconds:
        now += step
        meanwhile(now, machine)
        change = adaptation.decide(now, machine.load(adaptation.workers))
        if change is not None:
            changes.append((now, change.workers, change.reason))
    return changes


def live(workers: int = 2, least: int = 2, most: int = 8) -> Adaptation:
    return Adaptation(workers, least, most, live=True)


def test_tests_that_sleep_get_all_workers_within_seconds() -> None:
    adaptation = live()
    changes = follow(adaptation, Machine(cores=2, use=0.02), 10)
    assert [workers for _, workers, _ in changes] == [4, 8]
    assert changes[-1][0] <= 3
    assert "the processors are 2% busy" in changes[0][2]


def test_tests_that_compute_get_a_processor_each_and_no_more() -> None:
    adaptation = live()
    follow(adaptation, Machine(cores=4), 60)
    assert adaptation.workers == 4


@pytest.mark.parametrize("use", [0.05, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("cores", [1, 2, 4, 6, 16])
@pytest.mark.parametrize("others", [0.0, 1.0])
def test_it_settles(use: float, cores: int, others: float) -> None:
    adaptation = live()
    machine = Machine(cores=cores, use=use, others=others)
    follow(adaptation, machine, 60)
    later = follow(adaptation, machine, 300, start=60)
    assert len(later) <= 10
    assert max((workers for _, workers, _ in later), default=0) <= 8


def test_a_machine_that_gets_busy_is_given_way_to_and_comes_back() -> None:
    adaptation = live()
    machine = Machine(cores=8, use=1.0)
    follow(adaptation, machine, 20)
    assert adaptation.workers in {7, 8}
    machine.others = 8.0
    follow(adaptation, machine, 60, start=20)
    assert adaptation.workers in {4, 5}
    machine.others = 0.0
    follow(adaptation, machine, 120, start=80)
    assert adaptation.workers >= 7


def test_busy_disks_invite_nobody_and_swamped_ones_send_workers_away() -> None:
    adaptation = live(4)
    assert follow(adaptation, Machine(use=0.1, io_wait=0.4), 20) == []
    changes = follow(adaptation, Machine(use=0.1, io_wait=0.8), 20, start=20)
    assert adaptation.workers == 2
    assert "wait for disks 80% of the time" in changes[0][2]


@pytest.mark.parametrize("is_live", [True, False])
def test_scarce_memory_leaves_one_worker_at_last_and_they_come_back(is_live: bool) -> None:
    adaptation = Adaptation(4, 2, 8 if is_live else 4, live=is_live)
    machine = Machine(free=0.05)
    changes = follow(adaptation, machine, 20)
    assert [workers for _, workers, _ in changes] == [3, 2, 1]
    assert "of the memory can be had" in changes[0][2]
    machine.free = 0.5
    follow(adaptation, machine, 300, start=20)
    assert adaptation.workers >= 4


def test_a_limit_holds_and_is_used() -> None:
    adaptation = Adaptation(6, 6, 6, live=False)
    machine = Machine(each=0.03, limit=0.1)
    changes = follow(adaptation, machine, 60)
    assert machine.load(adaptation.workers).of_limit <= 0.9
    assert adaptation.workers in {2, 3}
    assert "the run takes 180% of its memory" in changes[0][2]


def test_without_a_live_strategy_processors_do_not_count() -> None:
    adaptation = Adaptation(4, 2, 8, live=False)
    assert follow(adaptation, Machine(cores=64, use=0.01), 60) == []
    assert follow(adaptation, Machine(cores=1, others=9.0), 60, start=60) == []


def test_a_worker_that_takes_next_to_nothing_of_the_limit_does_not_bound_the_step() -> None:
    small = Load(processors=0.0, available=1.0, of_limit=0.0, each=5e-324, idle=1.0, per_worker=0.5)
    assert Adaptation(2, 1, 8, live=True)._step(small) == 2


_LOADS = st.builds(
    Load,
    processors=st.floats(0, 1),
    available=st.floats(0, 1),
    waiting=st.floats(0, 1),
    io_wait=st.floats(0, 1),
    of_limit=st.floats(0, 3),
    each=st.floats(0, 1),
    idle=st.floats(0, 64),
    per_worker=st.floats(0, 8),
)


@given(
    st.lists(st.tuples(st.floats(0.1, 5), _LOADS), max_size=60),
    st.integers(1, 8),
    st.integers(1, 8),
    st.booleans(),
)
def test_bounds_and_pace_hold_whatever_comes(
    samples: list[tuple[float, Load]], workers: int, most: int, is_live: bool
) -> None:
    workers = min(workers, most)
    adaptation = Adaptation(workers, 2, most, live=is_live)
    now, last = 0.0, -1.0
    for wait, load in samples:
        now += wait
        before = adaptation.workers
        change = adaptation.decide(now, load)
        assert 1 <= adaptation.workers <= (most if is_live else workers)
        if change is None:
            assert adaptation.workers == before
            continue
        assert change.workers == adaptation.workers != before
        assert before - 1 <= change.workers <= 2 * before
        assert now - last >= 1.0
        assert change.reason
        last = now
