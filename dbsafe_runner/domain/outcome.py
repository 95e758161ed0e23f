"""Outcome: how one test ended, as pytest counts it, and the verdict after confirmation."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping


class Outcome(enum.Enum):
    """pytest's categories of an ended test."""

    PASSED = "passed"
    FAILED = "failed"
    #: Set-up or teardown failed.
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    #: It ran against a stand-in for PostgreSQL, so how it ended there says nothing.
    MOCKED = "mocked"
    #: It was not run: the run was stopped before it, or its worker could not be kept alive.
    NOT_RUN = "not-run"


class Verdict(enum.Enum):
    """What confirmation found out about a failure; the field's standard words."""

    #: No confirmation was needed.
    CLEAR = "clear"
    #: It fails alone in a fresh namespace, too.
    CONFIRMED = "failed"
    #: It passes on retry under the same conditions.
    FLAKY = "flaky"
    #: It fails only behind another test.
    VICTIM = "victim"
    #: It passes only behind another test.
    BRITTLE = "brittle"


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """How one test ended. Durations are seconds of wall time by phase (setup, call, teardown)."""

    nodeid: str
    outcome: Outcome
    durations: Mapping[str, float]
    worker: str
    #: Unix time at which its set-up started.
    started: float
    #: The failure as pytest prints it, without colours; "" when there is none.
    text: str = ""
    #: One line, e.g. "AssertionError: assert 1 == 2", or the reason of a skip or xfail.
    reason: str = ""
    #: (title, text) of captured output.
    sections: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    verdict: Verdict = Verdict.CLEAR
    #: Test that breaks this one (victim) or that it needs (brittle); "" when unknown.
    other: str = ""
    #: Further tests that it takes together with `other`.
    further: tuple[str, ...] = ()
    #: Line of the test in its file, counted from 1; 0 when unknown.
    line: int = 0

    @property
    def seconds(self) -> float:
        """Wall time of all phases together."""
        return sum(self.durations.values())
