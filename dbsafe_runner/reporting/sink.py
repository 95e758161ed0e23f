"""Sink: what reads the stream of events, and the fan-out that gives one stream to several sinks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from dbsafe_runner.domain.events import RunEvent


class Sink(Protocol):
    """A reader of the stream. Everything is called from one thread, or one at a time."""

    def on(self, event: RunEvent) -> None:
        """Take one event. Takes microseconds; events that it does not know are ignored."""

    def tick(self, now: float) -> None:
        """Note that time passes. `now` is on the clock of `RunEvent.at`.

        To be called at least four times a second while tests run, also when there are no events, so
        that a live display keeps counting. Cheap when there is nothing to redraw.
        """

    def close(self) -> None:
        """Finish: give the terminal back, write files. Called once, also after an interrupted run.

        Raises:
            UserError: a report could not be written.
        """


class Fanout:
    """One stream for several sinks; a sink that fails is left out, and never disturbs the others.

    The run is worth more than its display: what a sink raised is raised again by `close`, when every
    sink has been closed.
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)
        self._failures: list[Exception] = []

    def add(self, sink: Sink) -> None:
        """Give the stream to one more sink, from here on."""
        self._sinks.append(sink)

    def on(self, event: RunEvent) -> None:
        """Pass `event` on."""
        for sink in tuple(self._sinks):
            try:
                sink.on(event)
            except Exception as error:  # noqa: BLE001 - raised again by close.
                self._drop(sink, error)

    def tick(self, now: float) -> None:
        """Pass `now` on."""
        for sink in tuple(self._sinks):
            try:
                sink.tick(now)
            except Exception as error:  # noqa: BLE001 - raised again by close.
                self._drop(sink, error)

    def close(self) -> None:
        """Close all sinks, in order, then raise the first failure of any of them, once."""
        for sink in tuple(self._sinks):
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - raised below.
                self._failures.append(error)
        self._sinks.clear()
        failures, self._failures = self._failures, []
        if failures:
            raise failures[0]

    def _drop(self, sink: Sink, error: Exception) -> None:
        self._sinks.remove(sink)
        self._failures.append(error)
