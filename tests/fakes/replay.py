"""Plays a made-up run on this terminal, to look at a console.

Usage: `python tests/fakes/replay.py [live|plain] [SPEED] [-v|-q]`.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fakes.event_stream import Scenario, make_run

from dbsafe_runner.reporting.console import PlainConsole
from dbsafe_runner.reporting.live import LiveConsole
from dbsafe_runner.reporting.printer import ConsoleStyle


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "live"
    speed = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    verbosity = {"-v": 1, "-q": -1}.get(sys.argv[-1], 0)
    style = ConsoleStyle(
        width=shutil.get_terminal_size().columns,
        colour=True,
        verbosity=verbosity,
        reports=(Path(".dbsafe/results/report.html"), Path(".dbsafe/results/results.json")),
    )
    sink = LiveConsole(sys.stdout, style) if kind == "live" else PlainConsole(sys.stdout, style)
    start = time.monotonic()
    for event in make_run(Scenario()):
        while (now := (time.monotonic() - start) * speed) < event.at:
            sink.tick(now)
            time.sleep(min(0.05, (event.at - now) / speed))
        sink.on(event)
    sink.close()


if __name__ == "__main__":
    main()
