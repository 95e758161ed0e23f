"""What is right: the outcomes of a run that was hit, held against those of a serial run.

A test may end otherwise than serially only as failed, and only when its text names the fault. A run
may end without all outcomes only with an error that says why; what it has reported until then must be
right.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: How a test that was hit tells what hit it.
NAMES_A_FAULT = re.compile(
    r"was killed by SIG|exited with status|timeout: the test ran longer|worker gw\d+ was ended"
    r"|server closed the connection|terminating connection|AdminShutdown|CrashShutdown|CannotConnectNow"
    r"|connection (is|was|to server|has been|refused|failed)|Connection refused|ConnectionDoesNotExist"
    r"|the database system is|No space left|could not (extend|write|create|open|fsync)"
    r"|could not (access|send|receive)|database .dbsafe\S* does not exist|SSL SYSCALL"
    r"|EOF detected|Broken pipe|Bad file descriptor|the worker's PostgreSQL"
    r"|its server|was dropped|OperationalError|InterfaceError|connection timeout|Connection reset"
    r"|no longer usable",
    re.IGNORECASE,
)
#: Exit codes of dbsafe's own that say that a run could not go on: server, set-up, workers.
GAVE_UP = frozenset({65, 66, 67})


@dataclasses.dataclass
class Judgement:
    """What one run came to."""

    exit_code: int
    #: Outcomes that are wrong, each in words.
    wrong: list[str] = dataclasses.field(default_factory=list)
    #: Tests without an outcome although the run went to its end.
    lost: list[str] = dataclasses.field(default_factory=list)
    #: What else must not be: tracebacks, hanging, exit codes that contradict the outcomes.
    broken: list[str] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)
    #: Tests that failed and say that it was the fault's doing.
    named: int = 0
    #: Tests that were run again and counted as they would serially.
    redeemed: int = 0
    #: The run ended early and said why.
    gave_up: bool = False

    @property
    def problems(self) -> list[str]:
        """All that must not be."""
        return [*self.wrong, *self.lost, *self.broken, *(f"left behind: {one}" for one in self.left)]


def judge(known: Mapping[str, str], results: Path, code: int, output: str) -> Judgement:
    """Hold a run's report against the known outcomes.

    Args:
        known: outcome by node id, as a serial run has it.
        results: its results.json; absent when it got nowhere.
        code: its exit code.
        output: what it printed.
    """
    judgement = Judgement(code)
    report = json.loads(results.read_text()) if results.exists() else {}
    tests: list[dict[str, Any]] = report.get("tests", [])
    for test in tests:
        _judge_test(judgement, known.get(test["nodeid"], "unknown"), test)
    judgement.gave_up = code in GAVE_UP and "error[" in output
    missing = known.keys() - {test["nodeid"] for test in tests}
    if missing and not judgement.gave_up and code != 2:
        judgement.lost += [f"no outcome: {nodeid}" for nodeid in sorted(missing)]
    if "Traceback (most recent call last)" in _own_text(output) or "error[defect]" in output:
        judgement.broken.append("a traceback, or a defect")
    bad = any(test["outcome"] in {"failed", "error"} for test in tests)
    if not judgement.gave_up and code != int(bad):
        judgement.broken.append(f"exit code {code}")
    return judgement


def _judge_test(judgement: Judgement, expected: str, test: dict[str, Any]) -> None:
    nodeid, outcome = test["nodeid"], test["outcome"]
    if outcome == expected:
        judgement.redeemed += test["verdict"] in {"flaky", "brittle"}
        return
    if outcome in {"failed", "error"} and expected not in {"failed", "error"}:
        if NAMES_A_FAULT.search(test["text"] + test["reason"]):
            judgement.named += 1
            return
        reason = test["reason"] or test["text"][-200:]
        judgement.wrong.append(f"{nodeid}: {outcome} ({reason}) for {expected}")
    elif {outcome, expected} != {"failed", "error"}:
        judgement.wrong.append(f"{nodeid}: {outcome} for {expected}")


def _own_text(output: str) -> str:
    """What dbsafe printed without the failures of tests, which may well show tracebacks."""
    return re.sub(r"(?ms)^_{3,} .*? _{3,}$.*?(?=^_{3,} |^={3,} |^(warning|info|error)\[|\Z)", "", output)
