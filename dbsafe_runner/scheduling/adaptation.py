"""Adaptation: how many workers a live strategy wants, from the load of the machine.

It decides only; reading the load and starting or ending workers is the caller's work.
"""

from __future__ import annotations

import dataclasses

#: Processors are busy enough above this part of their time, 0 to 1.
BUSY = 0.95
#: There is room for one worker more below this part.
IDLE = 0.75
#: Fewer workers when less than this part of the memory is free.
SCARCE_MEMORY = 0.08
#: No more workers when less than this part of the memory is free.
TIGHT_MEMORY = 0.15


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """The machine as it was over the last second or so; parts are 0 to 1."""

    processors: float
    free_memory: float
    #: Tasks that wait for a processor, per processor.
    waiting: float = 0.0


def wanted_workers(load: Load, now: int, least: int, most: int) -> int:
    """How many workers there should be: one more, one fewer, or as many as there are `now`.

    One step at a time, with a gap between the thresholds, so that the number does not swing.
    """
    if load.free_memory < SCARCE_MEMORY or (load.processors > BUSY and load.waiting > 1):
        return max(min(now - 1, most), least)
    if load.processors < IDLE and load.free_memory > TIGHT_MEMORY and load.waiting < 1:
        return min(max(now + 1, least), most)
    return min(max(now, least), most)
