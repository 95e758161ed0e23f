"""The console without a live display: plain lines, for logs and pipes.

Prints failures at once as pytest prints them, a line for each finished file, and the closing block.
Which console to use is decided in `dbsafe_runner.cli`.
"""

from __future__ import annotations

import collections
import itertools
from typing import Final, TextIO

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.reporting.formatting import elided
from dbsafe_runner.reporting.lines import (
    LETTERS,
    OUTCOME_STYLES,
    going_on_line,
    notice_lines,
    percentage,
    preparation_lines,
    print_closing,
    print_failure,
    print_unconfirmed,
    test_line,
)
from dbsafe_runner.reporting.printer import ConsoleStyle, Printer, StyledLine
from dbsafe_runner.reporting.progress import BAD, Progress

#: Seconds of silence after which a line says that the run goes on.
QUIET_FOR: Final = 5.0


class PlainConsole:
    """A `Sink` that only ever adds lines."""

    def __init__(self, stream: TextIO, style: ConsoleStyle) -> None:
        self.progress = Progress()
        self._stream = stream
        self.printer = Printer(self._write, style, stream.encoding or "utf-8")
        self._outcomes: dict[str, list[Outcome]] = collections.defaultdict(list)
        self._counts: collections.Counter[str] = collections.Counter()
        self._last_output = 0.0
        self._ended = False
        self._files = style.verbosity == 0

    def on(self, event: events.RunEvent) -> None:
        """Take one event."""
        self.progress.on(event)
        match event:
            case events.TestFinished():
                self._test_finished(event)
            case events.TestUnconfirmed():
                print_unconfirmed(event, self.printer)
                self._last_output = event.at
            case events.PytestOutput():
                self._pytest_output(event)
            case events.Notice() | events.TestSlow() | events.PoolResized():
                self._show(event.at, *notice_lines(event, self.printer.style.verbosity))
            case events.RunFinished():
                self._run_finished(event)
            case _:
                self._show(event.at, *self._before_tests(event))

    def tick(self, now: float) -> None:
        """Say that the run goes on, after a while without any output."""
        running = self.progress.first_start is not None and not self._ended
        if running and self.printer.style.verbosity >= 0 and now - self._last_output >= QUIET_FOR:
            self._show(now, going_on_line(self.progress, now, self.printer))

    def close(self) -> None:
        """Print the closing block, if the run ended without one."""
        if not self._ended:
            self._print_closing()

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _show(self, at: float, *lines: StyledLine) -> None:
        for line in lines:
            self.printer.line(line)
            self._last_output = at

    def _before_tests(self, event: events.RunEvent) -> list[StyledLine]:
        return [] if self.printer.style.verbosity < 0 else preparation_lines(self.progress, event)

    def _test_finished(self, event: events.TestFinished) -> None:
        result = event.result
        if self.printer.style.verbosity > 0:
            self._show(event.at, test_line(self.progress, event, self.printer))
        file = result.nodeid.split("::", 1)[0]
        self._counts[file] += 1
        if self._files:
            self._outcomes[file].append(result.outcome)
            collected = self.progress.collected
            if collected is not None and self._counts[file] == collected.per_file.get(file):
                self._print_file(file, event.at)
        if result.outcome in BAD:
            print_failure(event, self.progress, self.printer)
            self._last_output = event.at

    def _letters(self, outcomes: list[Outcome]) -> StyledLine:
        """A letter for each outcome, equal neighbours in one piece."""
        return [
            (OUTCOME_STYLES.get(outcome, "warn"), LETTERS[outcome] * len(list(same)))
            for outcome, same in itertools.groupby(outcomes)
        ]

    def _print_file(self, file: str, at: float) -> None:
        """One file as pytest shows it: name, a letter for each test, how far the run is."""
        outcomes = self._outcomes.pop(file)
        width = self.printer.style.width
        name = elided(file, max(10, width // 2), self.printer.ellipsis)
        room = max(10, width - len(name) - 9)
        chunks = [outcomes[start : start + room] for start in range(0, len(outcomes), room)]
        for number, chunk in enumerate(chunks):
            first = f"{name} " if number == 0 else " " * (len(name) + 1)
            padding = " " * (room - len(chunk))
            share = percentage(self.progress) if number == len(chunks) - 1 else ""
            end = ("dim", f"{padding} {share}" if share else "")
            self._show(at, [("", first), *self._letters(chunk), end])

    def _pytest_output(self, event: events.PytestOutput) -> None:
        """Print what pytest says as it is; before it, the files that did not get to their end."""
        if self.progress.finished is None and self.progress.is_at_rest:
            self._flush_files(event.at)
        self.printer.text(event.text)
        self._last_output = event.at

    def _flush_files(self, at: float) -> None:
        for file in list(self._outcomes):
            self._print_file(file, at)

    def _run_finished(self, event: events.RunFinished) -> None:
        self._flush_files(event.at)
        self._print_closing()

    def _print_closing(self) -> None:
        self._ended = True
        # Before collection there is nothing to close: an error tells why the run ended.
        if self.progress.collected is not None:
            print_closing(self.progress, self.printer)
