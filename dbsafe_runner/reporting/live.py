"""The live display: a progress bar and a line for each worker, below everything that is printed.

Redraws at most ten times a second, in time that grows with the number of workers and not of tests.
What is printed above the display in between is collected, so that five thousand lines cost no more
redraws than one.
"""

from __future__ import annotations

from typing import Final, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from dbsafe_runner.domain import events
from dbsafe_runner.reporting.formatting import (
    clock_text,
    counted,
    elided,
    seconds_text,
    size_text,
)
from dbsafe_runner.reporting.lines import (
    notice_lines,
    preparation_lines,
    print_closing,
    print_failure,
    print_unconfirmed,
    test_line,
)
from dbsafe_runner.reporting.printer import ConsoleStyle, Printer
from dbsafe_runner.reporting.progress import BAD, Progress, WorkerView

#: Seconds between two redraws.
INTERVAL: Final = 0.1

#: Widths from which a worker's line has room for its level, and for its namespace.
_WIDE: Final = 72
_VERY_WIDE: Final = 110


class _Frame:
    """The lines of the display, rendered as they are now whenever rich draws it."""

    def __init__(self) -> None:
        self.lines: list[Text] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls to draw it."""
        yield from self.lines


class LiveConsole:
    """A `Sink` for terminals."""

    def __init__(self, stream: TextIO, style: ConsoleStyle) -> None:
        self.progress = Progress()
        self._printer = Printer(self._collect, style, stream.encoding or "utf-8")
        self._console = Console(
            file=stream,
            force_terminal=True,
            # Without a colour system there are no styles at all, dim and bold included.
            color_system="auto" if style.colour else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._frame = _Frame()
        self._live = Live(self._frame, console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._pending: list[str] = []
        self._drawn_at = -INTERVAL
        self._ended = False

    def on(self, event: events.RunEvent) -> None:
        """Take one event, and redraw if it is time to."""
        self.progress.on(event)
        match event:
            case events.TestStarted() | events.BatchStarted() | events.NamespaceReset():
                pass
            case events.TestFinished():
                self._test_finished(event)
            case events.TestUnconfirmed():
                print_unconfirmed(event, self._printer)
            case events.PytestOutput():
                self._printer.text(event.text)
            case events.Notice() | events.TestSlow() | events.PoolResized():
                for line in notice_lines(event, self._printer.style.verbosity):
                    self._printer.line(line)
            case events.Preparing():
                self._redraw(event.at)
            case events.RunFinished():
                self._end()
                return
            case _:
                self._prepare(event)
        if event.at - self._drawn_at >= INTERVAL:
            self._redraw(event.at)

    def tick(self, now: float) -> None:
        """Redraw if it is time to."""
        if not self._ended and now - self._drawn_at >= INTERVAL:
            self._redraw(now)

    def close(self) -> None:
        """Give the terminal back, with the closing block if the run ended without one."""
        if not self._ended:
            self._end()

    def _prepare(self, event: events.RunEvent) -> None:
        if self._printer.style.verbosity >= 0:
            for line in preparation_lines(self.progress, event):
                self._printer.line(line)

    def _test_finished(self, event: events.TestFinished) -> None:
        if self._printer.style.verbosity > 0:
            self._printer.line(test_line(self.progress, event, self._printer))
        if event.result.outcome in BAD:
            print_failure(event, self.progress, self._printer)

    def _end(self) -> None:
        self._ended = True
        if self.progress.collected is not None:
            print_closing(self.progress, self._printer)
        self._frame.lines = []
        self._live.stop()
        self._console.out("".join(self._pending), end="", highlight=False)
        self._pending.clear()

    def _collect(self, text: str) -> None:
        self._pending.append(text)

    def _redraw(self, now: float) -> None:
        self._drawn_at = now
        self._frame.lines = self._lines(now)
        # A line that is not complete would be cut in two by the display below it.
        complete, newline, rest = "".join(self._pending).rpartition("\n")
        if newline:
            self._pending = [rest] if rest else []
            self._console.out(complete, highlight=False)
        else:
            self._live.refresh()

    def _lines(self, now: float) -> list[Text]:
        width = self._console.width - 1
        if self.progress.first_start is None:
            return self._waiting_lines(now, width)
        everybody = [*self.progress.workers.values(), *self.progress.trials.values()]
        views = sorted(everybody, key=lambda view: _place(view.name))
        busy = [view for view in views if view.nodeid]
        shown = busy[: max(1, self._console.height - 4)]
        lines = [self._bar_line(now, width), *(self._worker_line(view, now, width) for view in shown)]
        if len(busy) > len(shown):
            hidden = counted(len(busy) - len(shown), "more worker")
            lines.append(Text(f"and {hidden}", style="dim", no_wrap=True))
        return lines

    def _waiting_lines(self, now: float, width: int) -> list[Text]:
        step = elided(self.progress.step, width - 8, self._printer.ellipsis)
        return [self._text((step, ""), (f" {clock_text(now)}", "dim"))] if step else []

    def _bar_line(self, now: float, width: int) -> Text:
        progress = self.progress
        share = min(1.0, progress.done / progress.total) if progress.total else 0.0
        parts = [(f"  {progress.done:,}/{progress.total:,}", "")]
        if progress.bad:
            parts.append((f"  {progress.bad:,} failed", "bold red"))
        if progress.being_confirmed:
            parts.append((f"  {progress.being_confirmed:,} being run again", "red"))
        parts.append((f"  {clock_text(now)}", ""))
        remaining = progress.remaining(now)
        if remaining is not None and progress.done < progress.total:
            parts.append((f"  {clock_text(remaining + 0.5)} left", "dim"))
        vitals = progress.vitals
        if vitals is not None:
            parts.append((f"  CPU {vitals.processors:.0%}  {size_text(vitals.memory)}", "dim"))
        # On a narrow terminal the bar gives way first, then what stands last.
        while len(parts) > 1 and sum(len(text) for text, _ in parts) + 6 > width:
            parts.pop()
        room = max(4, min(40, width - sum(len(text) for text, _ in parts)))
        filled = round(share * room)
        colour = "red" if progress.bad else "green"
        return self._text(("━" * filled, colour), ("─" * (room - filled), "dim"), *parts)

    def _worker_line(self, view: WorkerView, now: float, width: int) -> Text:
        seconds = view.seconds(now)
        # The seconds of a quick test would only flicker.
        took = f" {seconds_text(seconds)}" if seconds >= 1 else ""
        isolation, level = self.progress.level_of(view)
        # What needs no isolation would read as if it were given none.
        kept_apart = "" if isolation == "none" else f" {isolation}"
        about = f"{kept_apart} {level}" if level and width >= _WIDE else ""
        if view.again:
            about = f" run again {view.again}" if width >= _VERY_WIDE else " run again"
        if width >= _VERY_WIDE and view.namespace and view.namespace != view.name:
            about += f" {view.namespace}"
        vitals = self.progress.vitals
        own = vitals.workers.get(view.name) if vitals is not None else None
        if width >= _VERY_WIDE and own is not None:
            connections = f" {counted(own.connections, 'connection')}" if own.connections else ""
            about += f" {own.processors:.0%} {size_text(own.memory)}{connections}"
        room = width - len(view.name) - 1 - len(took) - len(about)
        test = elided(view.nodeid, room, self._printer.ellipsis)
        padding = " " * (room - len(test))
        slow = "yellow" if seconds >= 10 else ""
        return self._text((f"{view.name} ", "cyan"), (test + padding, ""), (took, slow), (about, "dim"))

    def _text(self, *parts: tuple[str, str]) -> Text:
        fitted = [(self._printer.fitted(text), style) for text, style in parts]
        return Text.assemble(*fitted, no_wrap=True, overflow="crop")


def _place(worker: str) -> tuple[int, str]:
    """What workers are ordered by, so that gw10 comes after gw9; the longer the name, the later."""
    return len(worker), worker
