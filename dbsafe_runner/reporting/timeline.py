"""The timeline: what each worker did when, as blocks to be drawn.

Tests too short to be seen are put together, so that a run of any length gives a drawing of bounded
size. Draws nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from dbsafe_runner.reporting.results import RunReport, TestInfo

#: Blocks narrower than this part of the whole are put together with their neighbours.
FINEST: Final = 1 / 800


@dataclasses.dataclass(slots=True)
class Block:
    """One test, or several short ones. `start` and `width` are parts of the whole, from 0 to 1."""

    start: float
    width: float
    #: good, warn or bad: that of the worst test.
    style: str
    title: str
    tests: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Lane:
    """One worker."""

    worker: str
    blocks: list[Block]
    #: Part of the time in which it ran tests, from 0 to 1.
    used: float


_STYLES: Final = {
    "failed": "bad",
    "error": "bad",
    "mocked": "bad",
    "not-run": "bad",
    "passed": "good",
}
_WORST: Final = ("good", "warn", "bad")


def make_lanes(report: RunReport) -> tuple[list[Lane], float]:
    """A lane for each worker, in order of names, and the seconds that the whole stands for."""
    tests = [test for test in report.tests if test.worker and test.started]
    if not tests:
        return [], 0.0
    first = min(test.started for test in tests)
    whole = max(test.started + test.seconds for test in tests) - first or 1.0
    by_worker: dict[str, list[TestInfo]] = {}
    for test in sorted(tests, key=lambda test: test.started):
        by_worker.setdefault(test.worker, []).append(test)
    lanes = [
        Lane(worker, _blocks(found, first, whole), _used(report, worker, found, whole))
        for worker, found in sorted(by_worker.items(), key=lambda entry: _name_order(entry[0]))
    ]
    return lanes, whole


def _used(report: RunReport, worker: str, found: Iterable[TestInfo], whole: float) -> float:
    """As the console tells it; from its tests where the run was cut off."""
    return report.run.busy.get(worker, sum(test.seconds for test in found) / whole)


def _name_order(worker: str) -> tuple[str, int, str]:
    """`gw10` comes after `gw9`."""
    letters = worker.rstrip("0123456789")
    digits = worker[len(letters) :]
    return letters, int(digits or 0), worker


def _blocks(tests: Iterable[TestInfo], first: float, whole: float) -> list[Block]:
    blocks: list[Block] = []
    for test in tests:
        start = (test.started - first) / whole
        width = test.seconds / whole
        style = _STYLES.get(test.outcome, "warn")
        last = blocks[-1] if blocks else None
        end = last.start + last.width if last else 0.0
        if last and last.width < FINEST and start - end < FINEST and width < FINEST:
            last.width = max(last.width, start + width - last.start)
            last.style = max(last.style, style, key=_WORST.index)
            last.tests += 1
        else:
            blocks.append(Block(start, width, style, test.nodeid))
    return blocks
