"""The command line: which suites, how many turns."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarking import contenders, suites, tables
from benchmarking.contenders import Contender
from benchmarking.measuring import Measurement, measure

#: Of the skewed suite.
WORKERS = 6

Runs = dict[str, list[Measurement]]
#: Contenders that are left out.
_LEFT_OUT: set[str] = set()
#: The title and the text of a section.
Section = tuple[str, str]


def main() -> None:
    """Measure what was asked for and print one table for each suite."""
    names = {"demo": _demo, "trivial": _trivial, "skewed": _skewed, "crashing": _crashing}
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(names)}; default: all"
    )
    parser.add_argument("--turns", type=int, default=5, help="runs of each contender that are timed")
    parser.add_argument(
        "--memory-turns", type=int, default=2, help="further runs whose memory is looked at"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="NAME", help="leave a contender out"
    )
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the sections into this page too")
    options = parser.parse_args()
    unknown = set(options.suites) - set(names)
    if unknown:
        parser.error(f"unknown suite: {', '.join(sorted(unknown))}")
    _LEFT_OUT.update(options.without)
    basis = f"{tables.machine()}; medians of {options.turns} turns."
    for name in options.suites or names:
        with tempfile.TemporaryDirectory(prefix="dbsafe-benchmark-") as folder:
            title, body = names[name](Path(folder) / name, options.turns, options.memory_turns)
            section = f"## {title}\n\n{basis}\n\n{body}\n"
            print(section, flush=True)
            if options.into:
                put_section(options.into, title, section)


def put_section(page: Path, title: str, section: str) -> None:
    """Replace the section of that title in the page, or add it at the end."""
    text = page.read_text(encoding="utf-8")
    start = text.find(f"## {title}\n")
    if start < 0:
        page.write_text(f"{text.rstrip()}\n\n{section}", encoding="utf-8")
        return
    end = text.find("\n## ", start)
    rest = text[end:] if end >= 0 else ""
    page.write_text(text[:start] + section + rest, encoding="utf-8")


def _demo(directory: Path, turns: int, memory_turns: int) -> Section:
    suites.copy_demo(directory)
    with contenders.shared_server(directory) as provider:
        entered = contenders.demo_contenders(directory, provider)
        warm_up(entered)
        timed = take_turns(entered, turns)
        weighed = take_turns(entered, memory_turns, memory=True)
    return "The demo project", tables.comparison(timed, weighed, "pytest")


def _trivial(directory: Path, turns: int, memory_turns: int) -> Section:
    suites.make_trivial(directory)
    entered = contenders.trivial_contenders(directory)
    warm_up(entered)
    timed = take_turns(entered, turns)
    weighed = take_turns(entered, memory_turns, memory=True)
    title = "200 files, 5,000 trivial tests, a second of imports"
    table = tables.comparison(timed, weighed, "pytest -n 4")
    # Either may have been left out.
    return title, f"{table}\n\n{tables.dispatch(timed, 'pytest')}" if "pytest" in timed else table


def _skewed(directory: Path, turns: int, _memory_turns: int) -> Section:
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
    title = f"400 sleeping tests of skewed durations, {WORKERS} workers"
    return title, f"The lower bound is {bound:.2f} s.\n\n{tables.spans(timed, measured, bound)}"


def _crashing(directory: Path, turns: int, _memory_turns: int) -> Section:
    suites.make_crashing(directory)
    log = directory / "crashes"
    waits: dict[str, list[float]] = defaultdict(list)

    def note(name: str) -> None:
        events = [line.split() for line in log.read_text().splitlines()]
        for (_, begin), (what, end) in itertools.pairwise(events):
            if what == "there":
                waits[name].append(float(end) - float(begin))
        log.unlink()

    with contenders.shared_server(directory) as provider:
        entered = contenders.crashing_contenders(directory, provider, log)
        warm_up(entered)
        log.unlink()
        take_turns(entered, turns, after=note)
    return "Replacing a crashed worker", tables.replacements(waits)


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
    entered = [contender for contender in entered if contender.name not in _LEFT_OUT]
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
