"""The command line: which suites, how many turns."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarking import contenders, suites, tables
from benchmarking.contenders import Contender
from benchmarking.measuring import Measurement, measure

WORKERS = 4

Runs = dict[str, list[Measurement]]


def main() -> None:
    """Measure what was asked for and print one table for each suite."""
    names = {"demo": _demo, "trivial": _trivial, "skewed": _skewed}
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(names)}; default: all"
    )
    parser.add_argument("--turns", type=int, default=5, help="runs of each contender that are timed")
    parser.add_argument(
        "--memory-turns", type=int, default=2, help="further runs whose memory is looked at"
    )
    options = parser.parse_args()
    unknown = set(options.suites) - set(names)
    if unknown:
        parser.error(f"unknown suite: {', '.join(sorted(unknown))}")
    print(f"{tables.machine()}; medians of {options.turns} turns\n")
    for name in options.suites or names:
        with tempfile.TemporaryDirectory(prefix="dbsafe-benchmark-") as folder:
            print(names[name](Path(folder) / name, options.turns, options.memory_turns), flush=True)


def _demo(directory: Path, turns: int, memory_turns: int) -> str:
    suites.copy_demo(directory)
    with contenders.demo_contenders(directory) as entered:
        warm_up(entered)
        timed = take_turns(entered, turns)
        weighed = take_turns(entered, memory_turns, memory=True)
    return "## The demo project\n\n" + tables.comparison(timed, weighed, "pytest") + "\n"


def _trivial(directory: Path, turns: int, memory_turns: int) -> str:
    suites.make_trivial(directory)
    entered = contenders.trivial_contenders(directory)
    warm_up(entered)
    timed = take_turns(entered, turns)
    weighed = take_turns(entered, memory_turns, memory=True)
    title = "## 200 files, 5,000 trivial tests, a second of imports\n\n"
    return title + tables.comparison(timed, weighed, "pytest -n 4") + "\n"


def _skewed(directory: Path, turns: int, _memory_turns: int) -> str:
    _, durations = suites.make_skewed(directory)
    log = directory / "spans"
    entered = contenders.skewed_contenders(directory, log)
    warm_up(entered)
    measured: dict[str, list[float]] = defaultdict(list)

    def note(name: str) -> None:
        times = [[float(value) for value in line.split()] for line in log.read_text().splitlines()]
        measured[name].append(max(stop for _, stop in times) - min(start for start, _ in times))
        log.unlink()

    log.unlink(missing_ok=True)
    timed = take_turns(entered, turns, after=note)
    bound = max(*durations, sum(durations) / WORKERS)
    return (
        f"## 400 sleeping tests of skewed durations, {WORKERS} workers\n\n"
        f"The lower bound is {bound:.2f} s.\n\n{tables.spans(timed, measured, bound)}\n"
    )


def warm_up(entered: Sequence[Contender]) -> None:
    """Run each once: byte code is compiled, templates are made, durations are learned."""
    take_turns(entered, 1)


def take_turns(
    entered: Sequence[Contender],
    turns: int,
    *,
    memory: bool = False,
    after: Callable[[str], None] | None = None,
) -> Runs:
    """Run the contenders one after the other, and all of that so many times."""
    runs: Runs = {contender.name: [] for contender in entered}
    for turn in range(turns):
        for contender in entered:
            with contender.run() as command:
                run = measure(command, memory=memory)
            runs[contender.name].append(run)
            if after:
                after(contender.name)
            _tell(f"{turn + 1}/{turns} {contender.name}: {run.wall:.2f} s, {dict(run.outcomes)}")
    return runs


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
