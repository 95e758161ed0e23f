"""The sinks of one run: which console suits this terminal, and the report files."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.reporting.console import PlainConsole
from dbsafe_runner.reporting.files import ReportFiles, prepare_folder
from dbsafe_runner.reporting.printer import ConsoleStyle
from dbsafe_runner.reporting.sink import Sink

#: Set by services whose terminals are logs, where a display that redraws itself is noise.
_CI_VARIABLES: Final = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "JENKINS_URL", "TF_BUILD")


def build_sinks(config: Config, request: RunRequest, stream: TextIO | None = None) -> list[Sink]:
    """The sinks for a run, in the order in which they are to get each event.

    The report files come first, so that they exist when the console points to them. To be given to
    `dbsafe_runner.reporting.sink.Fanout`. The display takes the terminal from here on, until `close`.

    Raises:
        UserError: reports cannot be written to the output directory.
    """
    stream = stream or sys.stdout
    folder = prepare_folder(config.run.output)
    files = ReportFiles(folder)
    style = ConsoleStyle(
        width=shutil.get_terminal_size().columns,
        colour=request.colour,
        verbosity=request.verbosity,
        reports=lambda: [_shown(path, request.invocation_dir) for path in files.paths],
    )
    if request.verbosity >= 0 and wants_live(os.environ, stream):
        # rich is imported only where it is used, as plain output is what most runs on CI want.
        from dbsafe_runner.reporting.live import LiveConsole

        return [files, LiveConsole(stream, style)]
    return [files, PlainConsole(stream, style)]


def wants_live(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` is a terminal with somebody in front of it."""
    if not stream.isatty() or environment.get("TERM") in {"dumb", "unknown"}:
        return False
    return not any(environment.get(name, "") not in {"", "0", "false"} for name in _CI_VARIABLES)


def _shown(path: Path, start: Path) -> Path:
    """As short as it can be named from `start`."""
    return path.relative_to(start) if path.is_relative_to(start) else path
