"""Limits of time, with a clock that is passed in: who is ended, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dbsafe_runner.workers.limits import SILENCE, Limits
from dbsafe_runner.workers.slot import Slot, State


class Endings:
    """Takes note of who is ended."""

    def __init__(self) -> None:
        self.stopping = ""
        self.condemned: list[tuple[str, str]] = []

    def condemn(self, slot: Slot, sentence: str) -> None:
        self.condemned.append((slot.name, sentence))


def condemned_at(now: float, timeout: float, **state: Any) -> list[tuple[str, str]]:
    slot = Slot("gw0", pid=7, state=State.BUSY, heard=100.0, since=90.0)
    for name, value in state.items():
        setattr(slot, name, value)
    endings = Endings()
    settings = SimpleNamespace(timeout=timeout, slow_timeout=0.0, run_timeout=0.0)
    pool: Any = SimpleNamespace(settings=settings, endings=endings, slots={"gw0": slot}, feeding=None)
    Limits(pool).look_around(now)
    return endings.condemned


@pytest.mark.parametrize("timeout", [0.0, 2.0])
def test_a_worker_that_says_nothing_between_tests_is_ended(timeout: float) -> None:
    assert condemned_at(100.0 + SILENCE - 1, timeout) == []
    ((name, sentence),) = condemned_at(100.0 + SILENCE + 1, timeout)
    assert (name, sentence) == ("gw0", f"said nothing for {SILENCE + 1:.0f} s")


def test_a_longer_limit_for_tests_is_one_for_the_time_between_them_too() -> None:
    assert condemned_at(100.0 + SILENCE + 1, 2 * SILENCE) == []
    assert len(condemned_at(100.0 + 2 * SILENCE + 1, 2 * SILENCE)) == 1


@pytest.mark.parametrize("state", [State.IDLE, State.STARTING, State.GONE])
def test_a_worker_that_waits_for_work_is_left_alone(state: State) -> None:
    assert condemned_at(10_000.0, 1.0, state=state) == []


def test_a_worker_that_is_being_ended_is_left_to_that() -> None:
    assert condemned_at(10_000.0, 1.0, deadline=10_001.0) == []
    assert condemned_at(10_000.0, 1.0, exit_code=1) == []


def test_nothing_is_late_while_a_worker_waits_for_a_namespace() -> None:
    for more in ({"fed": [3]}, {}, {"state": State.LEAVING, "leaving_since": 95.0}):
        assert condemned_at(10_000.0, 1.0, asked=100.0, **more) == []
        assert len(condemned_at(10_000.0, 1.0, **more)) == 1


def test_a_test_is_charged_with_what_it_took_before_and_after_the_wait() -> None:
    slot = Slot("gw0", since=90.0, asked=94.0)
    assert slot.seconds(200.0) == 4.0
    slot.goes_on(200.0)
    assert slot.seconds(203.0) == 7.0
    assert slot.heard == 200.0


def test_a_test_that_came_in_the_middle_of_a_wait_starts_at_its_end() -> None:
    # A process of an earlier test has asked, and was not waited for.
    slot = Slot("gw0", since=90.0, asked=80.0, leaving_since=85.0)
    assert slot.seconds(95.0) == 0.0
    slot.goes_on(100.0)
    assert (slot.seconds(103.0), slot.leaving_since) == (3.0, 100.0)
