"""The command of `scripts/agreement`."""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import sys
from pathlib import Path

from agreeing.concurrent import play
from agreeing.place import place
from agreeing.verifying import Verifying

_TITLES = {"verify": "Verdicts in every kind", "concurrent": "Runs at once on one server"}


def main() -> None:
    """Play, print what came out, and put it into the page."""
    options = _options()
    # Ended either way, the run that is under way and the server end, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with place() as where:
        if options.what == "concurrent":
            outcome = play(where, options.rounds, _tell)
            text, bad = outcome.text(3), bool(outcome.collisions or outcome.left_over)
        else:
            verifying = Verifying(where, _tell, options.state, options.confirm_budget)
            workers = [int(count) for count in options.workers.split(",")]
            verifying.play(options.kinds.split(","), workers, options.rounds, options.seed)
            text, bad = verifying.table(), any(verifying.differences.values())
    text += f"\n\n{os.cpu_count()} cores, Python {platform.python_version()}."
    print(text)
    if options.into is not None:
        put(options.into, _TITLES[options.what], text)
    sys.exit(1 if bad else 0)


def put(page: Path, title: str, text: str) -> None:
    """Put the text under its heading; what stands there, up to the next heading, goes."""
    before = page.read_text(encoding="utf-8") if page.exists() else "# Reliability\n"
    section = f"## {title}\n\nMade by `scripts/agreement`.\n\n{text}\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(before):
        after = pattern.sub(lambda _match: section + "\n", before)
    else:
        after = before.rstrip("\n") + "\n\n" + section
    page.write_text(after.rstrip("\n") + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/agreement")
    parser.add_argument("what", choices=sorted(_TITLES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kinds", default="server,database,schema")
    parser.add_argument("--workers", default="1,4,8")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="keep what came out here, and go on from there")
    parser.add_argument("--confirm-budget", default="", help="seconds; as of `dbsafe run`")
    parser.add_argument("--into", type=Path)
    return parser.parse_args()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
