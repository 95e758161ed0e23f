"""Forecast: how long a test is expected to take, and what the fixtures that it shares cost to build."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """The expected time of one test.

    `seconds` is set-up, call and teardown of the test itself, without building fixtures that are
    wider than the test (class, module, package, session); those are in `setup`, by fixture name.
    """

    seconds: float
    #: It rests on earlier runs of this test, not on those of its neighbours.
    known: bool = False
    setup: Mapping[str, float] = dataclasses.field(default_factory=dict)
