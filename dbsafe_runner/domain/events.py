"""RunEvent: the one stream of events that the dispatcher emits and every sink reads.

Each event carries `at`, seconds since the run started (monotonic). Sinks must accept events that they
do not know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dbsafe_runner.domain.changes import Changes, ResetReport
from dbsafe_runner.domain.outcome import Result, Verdict
from dbsafe_runner.domain.plan import Plan


@dataclasses.dataclass(frozen=True, slots=True)
class RunEvent:
    """Base of all events."""

    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class RunStarted(RunEvent):
    """The run began. `started` is Unix time."""

    started: float
    arguments: tuple[str, ...]
    rootdir: str
    strategy: str
    workers: int
    dbsafe_version: str
    python_version: str


@dataclasses.dataclass(frozen=True, slots=True)
class Preparing(RunEvent):
    """A step before the tests began: "starting PostgreSQL 18.1", "running set-up: alembic ..."."""

    what: str


@dataclasses.dataclass(frozen=True, slots=True)
class ServerReady(RunEvent):
    """The server or template is ready. `kind` is a NamespaceKind value."""

    server_version: str
    kind: str
    template: str
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class CollectionFailed(RunEvent):
    """A file, or another thing that holds tests, could not be collected."""

    nodeid: str
    #: One line.
    reason: str
    #: The error as pytest prints it.
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Collected(RunEvent):
    """Collection ended. `files` counts the files with at least one selected test."""

    tests: int
    files: int
    deselected: int
    seconds: float
    pytest_version: str
    #: Selected tests by file, relative to the root directory.
    per_file: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class PlanFixed(RunEvent):
    """The plan is fixed; `levels` counts tests by level value."""

    plan: Plan
    levels: Mapping[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerStarted(RunEvent):
    """A worker process lives. `how` is "fork" or "spawn"."""

    worker: str
    pid: int
    how: str


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerEnded(RunEvent):
    """A worker process is gone. `cause` is "" for an orderly end, else e.g. "killed by SIGSEGV"."""

    worker: str
    pid: int
    cause: str
    nodeid: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class NamespaceAwaited(RunEvent):
    """A worker waits for a namespace, and the test that it was given stands still until it has one."""

    worker: str


@dataclasses.dataclass(frozen=True, slots=True)
class NamespaceLeased(RunEvent):
    """A worker got a namespace. `seconds` is how long the worker waited for it."""

    worker: str
    namespace: str
    generation: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class BatchStarted(RunEvent):
    """A worker was given a batch."""

    worker: str
    batch: int


@dataclasses.dataclass(frozen=True, slots=True)
class TestStarted(RunEvent):
    """A worker started a test."""

    __test__ = False

    nodeid: str
    worker: str


@dataclasses.dataclass(frozen=True, slots=True)
class TestSlow(RunEvent):
    """A test has been running for `seconds`, a multiple of the time after which tests are slow."""

    __test__ = False

    nodeid: str
    worker: str
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class TestUnconfirmed(RunEvent):
    """A test failed and is run again; its `TestFinished`, with the verdict, comes when that is over."""

    __test__ = False

    result: Result
    #: The failure as pytest prints it in colour; "" when it has none.
    coloured: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class TestFinished(RunEvent):
    """A test ended and its outcome is final. `changes` is None when the database was not observed."""

    __test__ = False

    result: Result
    isolation: str
    level: int
    changes: Changes | None = None
    #: The failure as pytest prints it in colour, for the console; "" when it has none.
    coloured: str = ""
    #: Connections that it opened.
    connections: int = 0
    #: Programs that it started, and forks, which may have opened some: that is not seen.
    processes: int = 0
    #: Fixtures wider than the test that its set-up had to build, and the seconds that each took.
    built: Mapping[str, float] = dataclasses.field(default_factory=dict)
    #: Whether the worker could look at what the test did: `changes` is None then because it has no
    #: namespace yet.
    observed: bool = True
    #: What it left behind beside rows, in words: threads, processes, files, connections, transactions.
    leaks: tuple[str, ...] = ()
    #: It ran behind all tests that precede it in its file, in one process, with no reset in between.
    in_place: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class TrialStarted(RunEvent):
    """A process of its own was started to run a test again, behind `behind` others; `kind` as below."""

    worker: str
    nodeid: str
    kind: str
    behind: int


@dataclasses.dataclass(frozen=True, slots=True)
class TrialStopped(RunEvent):
    """The process of a trial is gone, whether or not the trial has shown anything."""

    worker: str


@dataclasses.dataclass(frozen=True, slots=True)
class TrialEnded(RunEvent):
    """A test was run again to find out what its outcome hangs on, behind `behind` others.

    `kind` says in words which others.
    """

    nodeid: str
    kind: str
    behind: int
    passed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class TestExamined(RunEvent):
    """All that was to be found out of a test is known. `others` are node ids, in order."""

    __test__ = False

    nodeid: str
    verdict: Verdict
    others: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NamespaceReset(RunEvent):
    """A worker brought its namespace back to its baseline, or found that it cannot."""

    worker: str
    report: ResetReport


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerVitals:
    """One worker at one moment, its child processes included."""

    #: Processors' worth of work since the sample before; 1.0 is one processor all the time.
    processors: float
    #: Bytes, with shared pages divided by the number of processes that share them (PSS).
    memory: int
    #: Connections of its tests to PostgreSQL.
    connections: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Vitals(RunEvent):
    """How the machine and the run were doing since the sample before."""

    #: Busy part of all processors, 0 to 1, whoever used them.
    processors: float
    #: Part of the time in which processors waited for disks, 0 to 1.
    io_wait: float
    #: Bytes that can still be had, on the machine or in its control group.
    available: int
    #: Bytes that the processes of the run take together, servers included.
    memory: int
    workers: Mapping[str, WorkerVitals]


@dataclasses.dataclass(frozen=True, slots=True)
class PoolResized(RunEvent):
    """From now on there shall be `workers` workers instead of `before`, for a `reason` in words."""

    workers: int
    before: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Notice(RunEvent):
    """Something the user should know. `kind` is info, warning or error; `code` as in docs/errors.md.

    An error is what ends a run that comes to its end in order, with a `RunFinished`.
    """

    kind: str
    code: str
    message: str
    hint: str = ""
    nodeid: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PytestOutput(RunEvent):
    """Text that pytest or a plugin printed outside any test, to be shown as it is."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class RunFailed(RunEvent):
    """An error has ended the run, so that there is no `RunFinished`; the command prints it.

    `when` is Unix time, for a run that has not started. The rest is as in `UserError`.
    """

    when: float
    code: str
    message: str
    cause: str
    hint: str
    exit_code: int


@dataclasses.dataclass(frozen=True, slots=True)
class RunFinished(RunEvent):
    """The run is over. `exit_code` is what the process will exit with; `interrupted` by the user."""

    exit_code: int
    interrupted: bool
    #: Totals by Outcome value.
    totals: Mapping[str, int]
    #: Seconds of wall time from the first test to the last.
    span: float
    #: Seconds that each worker was running tests.
    busy: Mapping[str, float]
    #: Tests of which this run saw another level than the one that was in force.
    corrected: int = 0
    #: What the leases of namespaces on a user's server came to, by name; times are seconds.
    leases: Mapping[str, float] = dataclasses.field(default_factory=dict)
