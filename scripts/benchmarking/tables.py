"""Measurements as Markdown tables: medians, spread, and ratios to a reference."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence

from benchmarking.measuring import Measurement

MIB = 1024 * 1024


def machine() -> str:
    """What it was measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def comparison(
    timed: Mapping[str, Sequence[Measurement]],
    weighed: Mapping[str, Sequence[Measurement]],
    reference: str,
) -> str:
    """One row for each contender, with ratios to the reference's wall time, CPU time and memory.

    Memory is PSS; "not well" counts tests that failed, broke in set-up or teardown, or did not run.

    Args:
        timed: by contender, the runs whose time was measured.
        weighed: by contender, the runs whose memory was looked at.
        reference: the contender that the ratios are to.
    """
    base = timed[reference]
    rows = [
        "| | wall s (range) | ratio | CPU s | ratio | tests MB | ratio | servers MB | not well |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    total = sum(base[0].outcomes.values())
    base_memory = _median(weighed.get(reference, ()), "peak_tests")
    for name, runs in timed.items():
        memory = weighed.get(name, ())
        tests, servers = _median(memory, "peak_tests"), _median(memory, "peak_servers")
        walls = [run.wall for run in runs]
        wall, cpu = statistics.median(walls), _median(runs, "cpu")
        cells = [
            f"`{name}`",
            f"{wall:.2f} ({min(walls):.2f}-{max(walls):.2f})",
            f"{wall / _median(base, 'wall'):.2f}",
            f"{cpu:.2f}",
            f"{cpu / _median(base, 'cpu'):.2f}",
            f"{tests / MIB:.0f}" if memory else "",
            f"{tests / base_memory:.2f}" if memory and base_memory else "",
            f"{servers / MIB:.0f}" if memory else "",
            _failures(runs, total),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def spans(
    timed: Mapping[str, Sequence[Measurement]], measured: Mapping[str, Sequence[float]], bound: float
) -> str:
    """The skewed suite: the seconds from the first test's start to the last one's end, and the bound."""
    rows = ["| | span s (range) | ratio to the bound | wall s | not well |", "|---|---|---|---|---|"]
    total = max(sum(run.outcomes.values()) for runs in timed.values() for run in runs)
    for name, seconds in measured.items():
        span, wall = statistics.median(seconds), _median(timed[name], "wall")
        rows.append(
            f"| `{name}` | {span:.2f} ({min(seconds):.2f}-{max(seconds):.2f}) | {span / bound:.2f} "
            f"| {wall:.2f} | {_failures(timed[name], total)} |"
        )
    return "\n".join(rows)


def dispatch(timed: Mapping[str, Sequence[Measurement]], serial: str) -> str:
    """A sentence: the CPU time per test that parallel contenders need over the serial one's."""
    base = timed[serial]
    tests = sum(base[0].outcomes.values())
    costs = [
        f"`{name}` {(_median(runs, 'cpu') - _median(base, 'cpu')) / tests * 1000:.2f} ms"
        for name, runs in timed.items()
        if name != serial
    ]
    return f"CPU per test over that of `{serial}`, start and end included: {', '.join(costs)}."


def replacements(waits: Mapping[str, Sequence[float]]) -> str:
    """Seconds from a worker's death to the first statement of the next test in its successor."""
    rows = ["| | crashes | median s | range |", "|---|---|---|---|"]
    for name, seconds in waits.items():
        median = statistics.median(seconds)
        rows.append(
            f"| `{name}` | {len(seconds)} | {median:.3f} | {min(seconds):.3f}-{max(seconds):.3f} |"
        )
    about = (
        "From a worker's SIGKILL to the next test's first statement in its successor, with the imports"
        " of the trivial suite. dbsafe also replaces the worker's PostgreSQL; xdist's stands ready."
    )
    return about + "\n\n" + "\n".join(rows)


def _median(runs: Sequence[Measurement], field: str) -> float:
    return statistics.median(getattr(run, field) for run in runs) if runs else 0.0


def _failures(runs: Sequence[Measurement], total: int) -> str:
    """How many tests of how many did not do well, over the turns."""
    numbers = sorted(run.bad for run in runs)
    shown = str(numbers[0]) if numbers[0] == numbers[-1] else f"{numbers[0]}-{numbers[-1]}"
    given_up = sum(run.timed_out for run in runs)
    return f"{shown} of {total}" + (f", {given_up} runs given up" if given_up else "")
