"""The judge of the faults: what is wrong, lost or broken is found; what names a fault is let pass."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from faulting.__main__ import choose, put
from faulting.judging import Judgement, judge
from faulting.kinds import FAULTS
from faulting.rounds import Round
from faulting.tables import Counts, table

KNOWN = {"a": "passed", "b": "failed", "c": "error", "d": "skipped"}


def told(nodeid: str, outcome: str, text: str = "", verdict: str = "clear") -> dict[str, Any]:
    return {"nodeid": nodeid, "outcome": outcome, "text": text, "reason": "", "verdict": verdict}


AS_KNOWN = {nodeid: told(nodeid, outcome) for nodeid, outcome in KNOWN.items()}


def judged(
    tmp_path: Path, code: int = 1, output: str = "", **changed: dict[str, Any] | None
) -> Judgement:
    tests = [test for test in {**AS_KNOWN, **changed}.values() if test is not None]
    report = tmp_path / "results.json"
    report.write_text(json.dumps({"tests": tests}))
    return judge(KNOWN, report, code, output)


def test_a_run_like_the_serial_one_is_right(tmp_path: Path) -> None:
    assert judged(tmp_path) == Judgement(1)


@pytest.mark.parametrize(
    "changed",
    [
        {"a": told("a", "failed", "AssertionError: assert 1 == 2")},
        {"b": told("b", "passed", "terminating connection")},
        {"b": told("b", "passed", verdict="flaky")},
        {"c": told("c", "passed")},
        {"d": told("d", "passed")},
        {"a": told("a", "skipped", "was killed by SIGKILL")},
        {"e": told("e", "passed")},
    ],
)
def test_wrong_verdicts(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert len(judged(tmp_path, **changed).wrong) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Worker gw1 was killed by SIGSEGV while it ran this test.",
        "psycopg.errors.AdminShutdown: terminating connection due to administrator command",
        "psycopg.errors.DiskFull: could not extend file: No space left on device",
        "timeout: the test ran longer than 4 s; worker gw1 was ended.",
    ],
)
def test_a_failure_that_names_the_fault_is_let_pass(tmp_path: Path, text: str) -> None:
    judgement = judged(tmp_path, a=told("a", "failed", text))
    assert judgement.problems == []
    assert judgement.named == 1


def test_lost_outcomes(tmp_path: Path) -> None:
    assert judged(tmp_path, a=None).lost == ["no outcome: a"]
    # A run that ends before its time has to say why.
    assert judged(tmp_path, 67, "error[zygote-died]: ...", a=None).problems == []
    assert judged(tmp_path, 67, "", a=None).lost


def test_what_else_must_not_be(tmp_path: Path) -> None:
    assert judged(tmp_path, 0).broken == ["exit code 0"]
    assert judged(tmp_path, output="Traceback (most recent call last):\n  File").broken
    failure = "______ test_x ______\n\nTraceback (most recent call last):\n  x\n\n===== 1 failed =====\n"
    assert judged(tmp_path, output=failure).broken == []


def test_kinds_take_turns(tmp_path: Path) -> None:
    counts = Counts(tmp_path / "counts.json")
    chance = random.Random(1)
    for _ in range(60):
        faults = choose(FAULTS, counts, chance)
        assert 1 <= len(faults) <= 5
        assert not any(fault.ends for fault in faults[:-1])
        assert not (any(fault.own for fault in faults) and any(fault.embedded for fault in faults))
        counts.add(Round([fault.name for fault in faults], Judgement(1), 1.0, ""))
    hits = {fault.name: counts.by_kind[fault.name].injected for fault in FAULTS}
    assert min(hits.values()) >= max(hits.values()) // 2, hits
    again = Counts(tmp_path / "counts.json")
    assert again.injected == counts.injected
    assert again.rounds == 60


def test_the_table_shows_every_problem(tmp_path: Path) -> None:
    counts = Counts(None)
    counts.add(Round(["worker-killed"] * 2, Judgement(1, wrong=["x"], left=["y", "z"]), 1.0, ""))
    assert "| a worker gets SIGKILL | 2 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 2 |" in table(counts, FAULTS)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- faults -->\nold\n<!-- end of faults -->\nafter\n")
    put(page, "new")
    assert page.read_text() == "before\n<!-- faults -->\n\nnew\n\n<!-- end of faults -->\nafter\n"
