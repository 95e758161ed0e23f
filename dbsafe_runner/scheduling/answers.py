"""What the schedule answers when it is asked for work. Values only."""

from __future__ import annotations

import dataclasses

from dbsafe_runner.domain.batch import Batch


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """The tests that a worker shall run now, in this order: a whole batch, or a part of one."""

    batch: Batch
    tests: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may run on the worker now; ask again when any other batch has ended."""


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """Nothing will come for the worker any more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Steal:
    """Tests that may be taken from the end of what `victim` has been given, not yet started."""

    victim: str
    tests: tuple[int, ...]
