"""Suspects: failed tests that are under trial, and the trials that run. Values only."""

from __future__ import annotations

import collections
import dataclasses
from typing import Final

from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.scheduling.bisection import Bisection
from dbsafe_runner.scheduling.confirmation import Confirmation, Kind, Trial
from dbsafe_runner.workers.protocol import Message

_FAILURES: Final = frozenset({Outcome.FAILED.value, Outcome.ERROR.value})


@dataclasses.dataclass(slots=True)
class Suspect:
    """A test under trial: what was reported of it, and what its trials have shown."""

    test: int
    inquiry: Confirmation | Bisection
    #: The failure that is to be confirmed; None when nothing of the run hangs on the trials.
    message: Message | None = None
    worker: str = ""
    #: Test -> batch, of what its process had run before it.
    batches: dict[int, int] = dataclasses.field(default_factory=dict)
    #: What the last trial in which it did not fail reported.
    redeemed: Message | None = None
    repeats: int = 0
    #: A namespace in which it failed is kept.
    kept: bool = False

    @property
    def seconds(self) -> float:
        """How long the test took when it failed; 0 without a failure."""
        return sum(self.message["seconds"].values()) if self.message is not None else 0.0

    @property
    def wants_others(self) -> bool:
        """Whether its next trial is behind tests of other files, which may take long."""
        step = self.inquiry.step()
        return isinstance(step, Trial) and step.kind is Kind.BEHIND_OTHERS


@dataclasses.dataclass(slots=True)
class Attempt:
    """A trial that is running."""

    suspect: Suspect
    trial: Trial
    #: What is still to be sent: tests that run without a reset in between, and how they are reset.
    parts: collections.deque[tuple[list[int], ResetPolicy]]
    #: The dispatcher's clock when it began.
    started: float = 0.0
    #: Test -> suspect, of all whose outcome in this trial counts.
    about: dict[int, Suspect] = dataclasses.field(default_factory=dict)
    #: Test -> report of those, once they are there.
    reports: dict[int, Message] = dataclasses.field(default_factory=dict)
    #: Batches sent so far.
    sent: int = 0

    @property
    def report(self) -> Message | None:
        """The report of the test that the trial is made for, once it is there."""
        return self.reports.get(self.suspect.test)


def failed(message: Message) -> bool:
    """Whether what is reported of a test is a failure."""
    return message.kind != "ok" and message.fields["outcome"] in _FAILURES
