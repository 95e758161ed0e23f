"""Static analysis beside observation: a matrix of levels for each suite, from a run without history.

What pytest and dbsafe are told beyond the suite's own configuration comes from the environment, such as
DBSAFE_RUN_PYTEST for pytest arguments.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarking import suites
from benchmarking.__main__ import put_section

TITLE = "Static levels beside observed ones"
DEMO = "demo"
_LEVELS = ("NONE", "READ_ONLY", "ISOLATED_WRITES", "SHARED_WRITES", "SCHEMA_CHANGES", "SEQUENTIAL_ONLY")
_ABBREVIATED = ("NONE", "READ", "ISOLATED", "SHARED", "SCHEMA", "ALONE")

#: (static level, observed level) -> how many tests.
Counts = Mapping[tuple[int, int], int]


@dataclasses.dataclass(frozen=True)
class Suite:
    """One suite: where it is, and the interpreter that it runs with."""

    name: str
    directory: Path
    python: Path

    @classmethod
    def parse(cls, text: str, start: Path) -> Suite:
        """Read `[NAME=]DIRECTORY[@PYTHON]`; paths are relative to `start`."""
        name, _, rest = text.rpartition("=")
        folder, _, python = rest.partition("@")
        directory = (start / folder).resolve()
        return cls(name or directory.name, directory, start / python if python else Path(sys.executable))


def main() -> None:
    """Run the suites that were named, and print a matrix for each."""
    parser = argparse.ArgumentParser(prog="scripts/confusion", description=__doc__)
    parser.add_argument("suites", nargs="+", metavar="[NAME=]DIRECTORY[@PYTHON]")
    parser.add_argument("--from", dest="start", type=Path, default=Path.cwd(), help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the matrices into this page too")
    options = parser.parse_args()
    for text in options.suites:
        with tempfile.TemporaryDirectory(prefix="dbsafe-confusion-") as folder:
            if text == DEMO:
                suite = Suite(DEMO, suites.copy_demo(Path(folder) / DEMO), Path(sys.executable))
            else:
                suite = Suite.parse(text, options.start)
            counts, unseen = levels_of(suite, Path(folder))
        title = f"{TITLE}: {suite.name}"
        section = f"## {title}\n\n{matrix(counts, unseen)}\n"
        print(section, flush=True)
        if options.into:
            put_section(options.start / options.into, title, section)


def levels_of(suite: Suite, scratch: Path) -> tuple[Counts, int]:
    """Run a suite on an empty history; the levels of its tests, and how many were not observed.

    Raises:
        subprocess.CalledProcessError: it could not be planned after the run.
    """
    environment = {
        **os.environ,
        "DBSAFE_RUN_HISTORY": str(scratch / "history.db"),
        "DBSAFE_RUN_OUTPUT": str(scratch / "results"),
    }
    command = [str(suite.python), "-c", "from dbsafe_runner.cli.main import main; main()"]
    # Tests that fail in a serial run too are no reason to stop; they are left out, as are skipped ones.
    subprocess.run(
        [*command, "run"], cwd=suite.directory, env=environment, stdout=sys.stderr, check=False
    )
    shown = subprocess.run(
        [*command, "plan", "--json"],
        cwd=suite.directory,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    tests = json.loads(shown.stdout)["tests"]
    seen = [test for test in tests if test["observed_level"] is not None]
    counts = collections.Counter((test["static_level"], test["observed_level"]) for test in seen)
    return counts, len(tests) - len(seen)


def matrix(counts: Counts, unseen: int) -> str:
    """The matrix as a Markdown table, and what it amounts to."""
    total = sum(counts.values())
    used = [level for level in range(len(_LEVELS)) if any(level in pair for pair in counts)]
    rows = [
        "| static, below; observed, right | " + " | ".join(_ABBREVIATED[level] for level in used) + " |",
        "|---|" + "---|" * len(used),
    ]
    for static in used:
        cells = [str(counts.get((static, seen), "")) for seen in used]
        rows.append(f"| {_LEVELS[static]} | " + " | ".join(cells) + " |")
    exact = sum(count for (static, seen), count in counts.items() if static == seen)
    under = sum(count for (static, seen), count in counts.items() if static < seen)
    over = total - exact - under
    parts = [f"{name} {count} ({_share(count, total)})" for name, count in _named(exact, over, under)]
    summary = f"{total} tests observed, {unseen} not (skipped, failed): {', '.join(parts)}."
    return "\n".join([*rows, "", summary])


def _named(exact: int, over: int, under: int) -> Sequence[tuple[str, int]]:
    return (("exact", exact), ("static higher", over), ("static lower", under))


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}".replace("%", " %") if total else "-"


if __name__ == "__main__":
    main()
