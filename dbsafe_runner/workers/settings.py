"""What the dispatcher is told about a run, and what it asks of the layers above it. Values only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from dbsafe_runner.domain.footprint import Classification
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.domain.test import Test
from dbsafe_runner.scheduling.bisection import Bisection


@dataclasses.dataclass(frozen=True, slots=True)
class PoolSettings:
    """One run, as the dispatcher sees it. Times are seconds."""

    arguments: tuple[str, ...]
    directory: Path
    #: A directory of our own for sockets and stack dumps, short enough for a socket's name.
    run_directory: Path
    workers: int
    strategy: str
    #: "auto", "fork" or "spawn".
    start: str
    width: int
    colour: bool
    #: (host, port, user, database) of the servers that the suite means.
    sources: tuple[tuple[str, int, str, str], ...]
    allow_hosts: tuple[str, ...]
    #: Seconds that one test may take; 0 for no limit.
    timeout: float
    #: Seconds after which a running test is called slow, and again each time; 0 for never.
    slow_timeout: float
    #: Seconds that the whole run may take; 0 for no limit.
    run_timeout: float
    #: Bytes that the processes of the run may take together; 0 for no limit.
    max_memory: int
    #: `random` is seeded from it at the start of every batch, and plugins that shuffle tests get it.
    seed: int
    #: Environment of the zygote: how programs that import drivers during collection are led.
    environment: Mapping[str, str]
    #: Whether the template is wanted before the suite has shown that it connects.
    prepare_early: bool
    #: Run failed tests again to tell what their failures hang on.
    confirm: bool = False
    #: Seconds that this may take, besides a share of what the tests took; 0 for none at all.
    confirm_budget: float = 20.0
    #: A failed test is run again while fewer processes than these run tests.
    trials_below: int = 1
    #: How many more times a test that fails alone is run alone.
    retries: int = 0
    #: Whether a test that passes on retry counts as passed.
    flaky_passes: bool = True
    #: (least, most) workers, where their number follows the load of the machine; None where not.
    live: tuple[int, int] | None = None
    #: Keep the namespaces of failed tests for a look.
    keep_failed: bool = False
    #: A seed for the order in which batches are handed out; None for longest first.
    order: int | None = None
    #: Stop once the plan is made: no worker is started and no test is run.
    collect_only: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class CollectedSuite:
    """What collection found."""

    tests: tuple[Test, ...]
    rootdir: Path
    maxfail: int
    #: Tests that the user wants to hear of first: --failed-first, --new-first.
    urgent: frozenset[int] = frozenset()
    #: Tests that options such as -k left out.
    deselected: int = 0
    #: Where the suite's process finds modules.
    python_path: tuple[str, ...] = ()
    #: The dotted name of Django's settings module, or "".
    django_settings: str = ""
    #: Why workers cannot be forked from the process that collected, in words; empty when they can.
    unsafe: tuple[str, ...] = ()
    #: Seconds from the start of that process until the suite was collected.
    start_seconds: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedRun:
    """What the planner made of a collected suite. `classifications` are by `Test.index`."""

    plan: Plan
    classifications: tuple[Classification, ...]
    #: What a test's outcome hung on in earlier runs: tests that come before it.
    found: Mapping[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    #: Caps by the number of workers, where that may change.
    caps: Mapping[int, Mapping[Level, int]] = dataclasses.field(default_factory=dict)
    #: A test whose outcome is to be explained, beside the plan or instead of one.
    examine: Bisection | None = None


Planner = Callable[[CollectedSuite], PlannedRun]
