"""Records: what the history keeps of runs and tests, as values. No store, no clock."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.history.forecasts import Timing
from dbsafe_runner.history.observed import Observation


@dataclasses.dataclass(frozen=True, slots=True)
class Code:
    """What the code of a test amounts to, as hashes; "" where nothing is known.

    `own` is of the test's file, the conftest files and the files of its fixtures; `all` is of these and
    of everything that they import within the project.
    """

    own: str = ""
    all: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class KeptRun:
    """One run. `started` is Unix time; `span`, `predicted` and `lower_bound` are seconds."""

    started: float
    workers: int
    strategy: str
    dbsafe_version: str
    #: None when the run did not get to its end.
    exit_code: int | None = None
    interrupted: bool = False
    span: float = 0.0
    predicted: float = 0.0
    lower_bound: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class KeptResult:
    """How one test ended in a run, and what it was seen to do."""

    nodeid: str
    outcome: Outcome
    timing: Timing
    worker: str = ""
    #: The level that was in force.
    level: int = 3
    verdict: Verdict = Verdict.CLEAR
    #: The test that this one's outcome hangs on; "" for none.
    other: str = ""
    #: Further tests that it takes together with `other`.
    further: tuple[str, ...] = ()
    code: Code = Code()
    observation: Observation | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What a test with this code was seen to do, over all runs."""

    code: Code
    observation: Observation


@dataclasses.dataclass(frozen=True, slots=True)
class Dependency:
    """A test whose outcome was found to hang on `other`, when its code was `own_code`."""

    nodeid: str
    other: str
    verdict: Verdict
    own_code: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class WholeFile:
    """The tests of a file in their order.

    `tests` is a hash of them, each with its own code; `code` is one of them with all that they import.
    """

    file: str
    tests: str
    code: str = ""
    nodeids: tuple[str, ...] = dataclasses.field(default=(), compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Remembered:
    """All that earlier runs say. Tests are node ids; timings and sightings are the latest first."""

    timings: Mapping[str, Sequence[Timing]] = dataclasses.field(default_factory=dict)
    seen: Mapping[str, Sequence[Seen]] = dataclasses.field(default_factory=dict)
    dependencies: Sequence[Dependency] = ()
    #: Files that have run as in a serial run, with these tests, and every failure looked into.
    whole: frozenset[WholeFile] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class StoreProblem:
    """Why the history is not what it should be; `code` as in docs/errors.md."""

    code: str
    message: str
    hint: str = ""


def facts_of(observation: Observation) -> str:
    """An observation as JSON, without what is empty."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(observation):
        value = getattr(observation, field.name)
        if value:
            values[field.name] = sorted(value) if isinstance(value, frozenset) else value
    return json.dumps(values, separators=(",", ":"))


def observation_of(facts: str) -> Observation:
    """Undo `facts_of`. What another version of dbsafe noted besides is left out."""
    known = {field.name for field in dataclasses.fields(Observation)}
    values: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value
        for name, value in json.loads(facts).items()
        if name in known
    }
    return Observation(**values)
