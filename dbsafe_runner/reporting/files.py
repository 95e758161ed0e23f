"""The report files: results.json, junit.xml and report.html, written when the run is over.

Each file is put in place whole or not at all, so that a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbsafe_runner.domain import events
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.reporting.recorder import Recorder

if TYPE_CHECKING:
    from dbsafe_runner.reporting.results import RunReport

_NAMES: Final = ("report.html", "results.json", "junit.xml")


def prepare_folder(folder: Path) -> Path:
    """Make `folder` if it is missing, and see to it that files can be written there.

    Raises:
        UserError: they cannot.
    """
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
        if folder.parent.name == ".dbsafe":
            _keep_out_of_git(folder.parent)
    except OSError as error:
        raise UserError(
            "output-not-writable",
            f"Reports cannot be written to {folder}.",
            cause=error.strerror or str(error),
            hint="Choose another directory: --output DIR, or `output` under [run] in runner.toml.",
            exit_code=ExitCode.USAGE,
        ) from None
    return folder


def _keep_out_of_git(folder: Path) -> None:
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by dbsafe.\n*\n")


class ReportFiles:
    """A `Sink` that writes the files when the run has ended, or on `close` when nothing said so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recorder = Recorder()
        self._written = False
        self._paths: list[Path] = []

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that have been written."""
        return tuple(self._paths)

    def on(self, event: events.RunEvent) -> None:
        """Take one event."""
        self._recorder.on(event)
        if isinstance(event, events.RunFinished | events.RunFailed) and not self._written:
            self._write()

    def tick(self, now: float) -> None:
        """Nothing changes with time."""

    def close(self) -> None:
        """Write the files, if that has not been done and there is something to write about."""
        if not self._written and self._recorder.collected:
            self._write()

    def _write(self) -> None:
        self._written = True
        report = self._recorder.report()
        failures: list[str] = []
        for name, writer in _writers().items():
            try:
                _replace(self._folder / name, writer(report))
                self._paths.append(self._folder / name)
            except OSError as error:
                failures.append(f"{self._folder / name}: {error.strerror or error}")
        if failures:
            raise UserError(
                "report-not-written",
                "The tests ran, but not all reports could be written.",
                cause="\n".join(failures),
                hint="Free some disk space, or choose another directory with --output DIR.",
                exit_code=ExitCode.USAGE,
            )


def _writers() -> Mapping[str, Callable[[RunReport], str]]:
    # What they build on is needed at the end of a run, and would put off its start.
    from dbsafe_runner.reporting import html, junit, results

    writers = (html.as_html, results.as_json, junit.as_xml)
    return dict(zip(_NAMES, writers, strict=True))


def _replace(path: Path, text: str) -> None:
    """Write `path` whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
