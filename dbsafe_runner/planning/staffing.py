"""Staffing: how many workers are worth starting where each of them has to import the suite first.

A forked worker costs milliseconds and needs no such question. A spawned one imports and collects the
whole suite before its first test, so it has to gain more than that.
"""

from __future__ import annotations

from collections.abc import Mapping

#: By how much of its start each further worker delays all of them, though it has a core of its own.
CROWDING = 0.15


def spawned_workers(walls: Mapping[int, float], start_seconds: float, cores: int) -> int:
    """The number of spawned workers with which the tests are over first; the fewest among equals.

    Workers start at the same time, each busy with imports: beyond the number of cores they only make
    each other wait, so there are never more than that.

    Args:
        walls: number of workers -> predicted seconds of the tests once all of them have started.
        start_seconds: what starting one takes while nothing else does, as the first collection took.
        cores: processors that may be used.
    """
    affordable = [count for count in walls if count <= max(cores, 1)] or [min(walls)]
    return min(sorted(affordable), key=lambda count: walls[count] + _start(count, start_seconds))


def _start(count: int, seconds: float) -> float:
    """Seconds until so many workers are ready: they share memory, caches and the disk."""
    return seconds * (1 + CROWDING * (count - 1))
