"""results.json: the model that all report files are made from, published as a JSON Schema.

`python -m dbsafe_runner.reporting.results` prints the schema that stands in docs/results.schema.json.
A change of what a field means, or a field that goes, raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Final, Literal

import pydantic

SCHEMA_VERSION: Final = 1


def _encodable(text: object) -> object:
    """Lone surrogates, as file names of another encoding bring them, have no place in UTF-8."""
    if isinstance(text, str) and not text.isascii():
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


Text = Annotated[str, pydantic.BeforeValidator(_encodable)]
OutcomeName = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed", "mocked", "not-run"]


class _Model(pydantic.BaseModel):
    # The validators are built when the first report is made, not when a run is to start.
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", defer_build=True)


class RunInfo(_Model):
    """The run as a whole. Times are seconds unless said otherwise."""

    dbsafe_version: Text
    python_version: Text
    pytest_version: Text = ""
    server_version: Text = pydantic.Field(
        "", description="PostgreSQL's version; empty without a server."
    )
    namespace_kind: Text = pydantic.Field("", description="server, database, schema or mock.")
    started: float = pydantic.Field(description="Unix time.")
    rootdir: Text
    arguments: list[Text] = pydantic.Field(description="What was given to pytest.")
    strategy: Text
    exit_code: int | None = pydantic.Field(description="null when the run was cut off before its end.")
    interrupted: bool = pydantic.Field(description="By the user or the system, not by an error.")
    wall: float = pydantic.Field(description="From the start of dbsafe to the last event.")
    span: float = pydantic.Field(description="From the first test to the last.")
    busy: dict[Text, float] = pydantic.Field(
        default_factory=dict, description="By worker, the part of `span` in which it was running tests."
    )
    predicted: float = pydantic.Field(0.0, description="The plan's prediction of `span`; 0 is none.")
    lower_bound: float = pydantic.Field(
        0.0, description="What no schedule could undercut by the plan's predictions; 0 is unknown."
    )
    limited_by: Text = ""
    best: float = pydantic.Field(
        0.0, description="What no schedule could undercut, the tests taking as long as they did."
    )
    best_limited_by: Text = ""
    levels_corrected: int = pydantic.Field(
        0, description="Tests that were seen to be of another level than the one that was in force."
    )
    slow_tests: int = pydantic.Field(0, description="Tests that ran longer than --slow-timeout.")


class Totals(_Model):
    """Tests by outcome."""

    collected: int
    deselected: int
    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    mocked: int = pydantic.Field(0, description="Ran against a stand-in for PostgreSQL.")
    not_run: int = 0


class ChangesInfo(_Model):
    """What a test did to its namespace. Relations are named database/schema.name."""

    written: list[Text] = pydantic.Field(description="Written to, rolled back or not.")
    remaining: list[Text] = pydantic.Field(description="Still different when the test had ended.")
    ddl: list[Text] = pydantic.Field(description="Schema changes that outlived the test, in words.")
    cluster: list[Text] = pydantic.Field(description="Cluster-wide changes, in words.")
    open_transactions: int = 0


class Section(_Model):
    """Captured output."""

    title: Text
    text: Text


class TestInfo(_Model):
    """One test."""

    __test__ = False

    nodeid: Text
    file: Text
    line: int = pydantic.Field(description="Counted from 1; 0 when unknown.")
    outcome: OutcomeName
    verdict: Literal["clear", "failed", "flaky", "victim", "brittle"] = pydantic.Field(
        description="What confirmation found out about a failure; clear when none was needed."
    )
    other: Text = pydantic.Field("", description="The test that breaks this one, or that it needs.")
    started: float = pydantic.Field(description="Unix time.")
    seconds: float = pydantic.Field(description="Of all phases together.")
    phases: dict[str, float] = pydantic.Field(description="Seconds of setup, call and teardown.")
    worker: Text
    level: int = pydantic.Field(ge=0, le=5)
    isolation: Text
    reason: Text = pydantic.Field("", description="One line: of a failure, a skip or an xfail.")
    text: Text = pydantic.Field("", description="The failure as pytest prints it.")
    sections: list[Section] = []
    properties: list[tuple[Text, Text]] = []
    slow: int = pydantic.Field(0, description="How often it was called slow while it ran.")
    leaks: list[Text] = pydantic.Field(
        [], description="What it left behind beside rows: threads, processes, files, connections."
    )
    changes: ChangesInfo | None = pydantic.Field(
        None, description="null when the database was not observed."
    )


class CollectionErrorInfo(_Model):
    """A file, or another thing that holds tests, that could not be collected."""

    nodeid: Text
    reason: Text = pydantic.Field(description="One line.")
    text: Text = pydantic.Field(description="The error as pytest prints it.")


class UsageInfo(_Model):
    """What processes took, as sampled about once a second, their child processes included."""

    memory_peak: int = pydantic.Field(description="Bytes, shared pages divided (PSS).")
    memory_mean: int
    processors_peak: float = pydantic.Field(
        description="Of a worker: 1.0 is one processor. Of the run: part of the whole machine, 0 to 1."
    )
    processors_mean: float
    connections_peak: int = pydantic.Field(
        description="To PostgreSQL, open at a time; one of dbsafe's may be among them for a moment."
    )
    connections_mean: float


class Moment(_Model):
    """The run as it was at one moment of it."""

    at: float = pydantic.Field(description="Seconds since the run started.")
    processors: float = pydantic.Field(description="Busy part of the machine's processors, 0 to 1.")
    io_wait: float = pydantic.Field(description="Part of the time that processors waited for disks.")
    available: int = pydantic.Field(description="Bytes of memory that could still be had.")
    memory: int = pydantic.Field(description="Bytes that all processes of the run took.")
    workers: int
    connections: int


class PoolSize(_Model):
    """How many workers there were to be from a moment on."""

    at: float = pydantic.Field(description="Seconds since the run started.")
    workers: int
    reason: Text


class WorkerInfo(_Model):
    """One worker process; a worker that was replaced appears once for each process."""

    name: Text
    pid: int
    how: Text = pydantic.Field(description="fork or spawn.")
    started: float = pydantic.Field(description="Seconds since the run started.")
    ended: float | None = None
    cause: Text = pydantic.Field("", description="Empty for an orderly end.")
    tests: int = 0
    busy: float = pydantic.Field(0.0, description="Seconds in which it ran tests.")
    usage: UsageInfo | None = pydantic.Field(
        None, description="null when it ended before it was looked at."
    )


class NamespaceInfo(_Model):
    """One namespace as it was leased."""

    name: Text
    worker: Text
    generation: int
    waited: float = pydantic.Field(description="Seconds that the worker waited for it.")


class LeaseInfo(_Model):
    """All leases of namespaces together. Times are seconds."""

    granted: int = 0
    waited: float = pydantic.Field(0.0, description="By all workers together.")
    longest_wait: float = 0.0
    peak: int = pydantic.Field(0, description="Most leases at any one time.")
    peak_connections: int = pydantic.Field(0, description="Most connections promised at one time.")
    leaks: int = pydantic.Field(0, description="Sessions that were open in what was given back.")
    recoveries: int = pydantic.Field(0, description="Times that the server was lost and found again.")


class ResetInfo(_Model):
    """All resets together."""

    count: int = 0
    median: float = 0.0
    total: float = 0.0
    retired: int = pydantic.Field(0, description="Namespaces that could not be brought back.")
    leaks: list[Text] = []


class NoticeInfo(_Model):
    """Something the user should know."""

    kind: Text
    code: Text
    message: Text
    cause: Text = pydantic.Field(default="", description="Of an error: why, as far as it is known.")
    hint: Text = ""
    nodeid: Text = ""


class RunReport(_Model):
    """Everything about one run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: RunInfo
    totals: Totals
    levels: dict[int, int] = pydantic.Field(description="Tests by level, as planned.")
    tests: list[TestInfo] = pydantic.Field(description="In the order in which they ended.")
    collection_errors: list[CollectionErrorInfo] = pydantic.Field(
        [], description="What could not be collected; its tests are in no other list or count."
    )
    workers: list[WorkerInfo]
    namespaces: list[NamespaceInfo]
    leases: LeaseInfo = pydantic.Field(default_factory=lambda: LeaseInfo.model_validate({}))
    resets: ResetInfo
    notices: list[NoticeInfo]
    error: NoticeInfo | None = pydantic.Field(
        None, description="The error that ended the run, if one did; it is among the notices, too."
    )
    usage: UsageInfo | None = pydantic.Field(
        None, description="Of all processes together, servers included; null for very short runs."
    )
    moments: list[Moment] = pydantic.Field([], description="A bounded number, over the whole run.")
    pool: list[PoolSize] = []


def as_json(report: RunReport) -> str:
    """The text of results.json."""
    return report.model_dump_json(indent=1) + "\n"


def schema_text() -> str:
    """The text of docs/results.schema.json."""
    schema: dict[str, Any] = RunReport.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
