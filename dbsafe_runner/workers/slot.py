"""The dispatcher's picture of one worker: what it was given, what it has finished, how it is doing."""

from __future__ import annotations

import collections
import dataclasses
import enum

from dbsafe_runner.domain.namespace import Namespace
from dbsafe_runner.scheduling.schedule import Assignment
from dbsafe_runner.workers.launch import Process
from dbsafe_runner.workers.peer import Peer


class State(enum.Enum):
    """Where a worker is in its life."""

    #: Asked for, has not said hello.
    STARTING = "starting"
    #: Waits for work.
    IDLE = "idle"
    #: Has unfinished tests.
    BUSY = "busy"
    #: Was told to stop, or said that it will.
    LEAVING = "leaving"
    #: Its process is gone.
    GONE = "gone"


@dataclasses.dataclass(slots=True)
class Slot:
    """One worker, by the name that it keeps when its process is replaced."""

    name: str
    #: It runs a trial of a failed test; the schedule knows nothing of it.
    confirms: bool = False
    state: State = State.STARTING
    pid: int = 0
    peer: Peer | None = None
    #: Only for spawned workers.
    process: Process | None = None
    assignment: Assignment | None = None
    #: Tests of the assignment that were not sent to it.
    unfed: collections.deque[int] = dataclasses.field(default_factory=collections.deque)
    #: Tests that were sent and have not ended; the first one is running.
    fed: collections.deque[int] = dataclasses.field(default_factory=collections.deque)
    #: Of both, those that have ended before and are only run again for those behind them.
    again: set[int] = dataclasses.field(default_factory=set)
    #: When it last said something, on the dispatcher's clock.
    heard: float = 0.0
    #: When the running test started, on the dispatcher's clock; later by what it had to wait since.
    since: float = 0.0
    #: When it asked for the namespace that it waits for, and every limit of time stands still; 0 while
    #: it does not wait.
    asked: float = 0.0
    #: It takes more memory than its share, and leaves after its batch.
    oversized: bool = False
    #: Its memory has been looked at.
    weighed: bool = False
    #: Sessions of its tests that were open after the latest one, as far as that was observed.
    sessions: int = 0
    #: How often the running test has been called slow.
    called_slow: int = 0
    #: When it was first seen leaving with nothing but its session's teardown left; 0 while it is not.
    leaving_since: float = 0.0
    #: It asked for work and there was none that it may do.
    waiting: bool = False
    namespace: Namespace | None = None
    #: The test for whose sake its namespace is kept when it ends; "" when it is not.
    keep: str = ""
    #: Why we are killing it, in words; "" when we are not.
    sentence: str = ""
    #: When the next, harder step of ending it is due; 0 when none is.
    deadline: float = 0.0
    step: int = 0
    #: It said goodbye: its process is expected to end.
    said_bye: bool = False
    #: How its process ended, once known.
    exit_code: int | None = None
    fault_file: str = ""
    #: Wall time spent in tests, in seconds.
    busy: float = 0.0
    #: Processes that this slot has had, dead ones included.
    lives: int = 0
    #: Tests that this process has ended.
    tests_run: int = 0
    #: These tests, each with its batch, as (batch, test).
    ran: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    #: How many of them each batch had of each file.
    behind: collections.Counter[tuple[int, str]] = dataclasses.field(default_factory=collections.Counter)
    #: Lives in a row that ended before the first test.
    still_births: int = 0

    @property
    def running(self) -> int | None:
        """Index of the test that runs now."""
        return self.fed[0] if self.fed else None

    @property
    def catches_up(self) -> bool:
        """Whether what runs now has ended before, and counts no more."""
        return self.running in self.again

    @property
    def spends(self) -> bool:
        """Whether its process and namespace end with its batch."""
        return self.assignment is not None and self.assignment.batch.fresh

    def seconds(self, now: float) -> float:
        """How long the running test has taken by `now`, without waiting for a namespace."""
        return max(0.0, (self.asked or now) - self.since)

    def goes_on(self, now: float) -> None:
        """The wait for a namespace is over; it is charged to nothing that runs there."""
        asked, self.asked = self.asked, 0.0
        self.since += now - max(asked, self.since)
        self.heard = now
        if self.leaving_since:
            self.leaving_since += now - max(asked, self.leaving_since)

    def reborn(self) -> None:
        """Forget the process that is gone; the name, and what it has cost so far, stay."""
        self.state = State.STARTING
        self.pid = 0
        self.peer = None
        self.process = None
        self.assignment = None
        self.unfed.clear()
        self.fed.clear()
        self.again.clear()
        self.waiting = False
        self.sessions = 0
        self.oversized = False
        self.weighed = False
        self.called_slow = 0
        self.asked = 0.0
        self.leaving_since = 0.0
        self.namespace = None
        self.keep = ""
        self.sentence = ""
        self.deadline = 0.0
        self.step = 0
        self.said_bye = False
        self.exit_code = None
        self.tests_run = 0
        self.ran.clear()
        self.behind.clear()
        self.lives += 1
