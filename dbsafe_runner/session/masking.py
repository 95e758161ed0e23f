"""Masking: the passwords of the user's server are left out of all that is shown and written.

A test that fails beside a connection string has it in its traceback. What is shown of the run goes
through here; the tests themselves and their reports inside pytest are not touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Result
from dbsafe_runner.reporting.sink import Sink

Mask = Callable[[str], str]

#: Events with text that comes from elsewhere -> the fields that hold it.
_TEXTS: dict[type[Any], tuple[str, ...]] = {
    events.Preparing: ("what",),
    events.PytestOutput: ("text",),
    events.Notice: ("message", "hint"),
    events.WorkerEnded: ("cause",),
    events.RunFailed: ("message", "cause", "hint"),
}


class MaskingSink:
    """Hands events on without secrets.

    Args:
        sink: gets the events.
        mask: gives a text without them.
    """

    def __init__(self, sink: Sink, mask: Mask) -> None:
        self._sink = sink
        self._mask = mask

    def on(self, event: events.RunEvent) -> None:
        """Take one event."""
        self._sink.on(self._masked(event))

    def tick(self, now: float) -> None:
        """Pass the time on."""
        self._sink.tick(now)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def _masked(self, event: events.RunEvent) -> events.RunEvent:
        if isinstance(event, events.TestFinished | events.TestUnconfirmed):
            coloured = self._mask(event.coloured)
            return dataclasses.replace(event, result=self._result(event.result), coloured=coloured)
        if names := _TEXTS.get(type(event), ()):
            changes: dict[str, Any] = {name: self._mask(getattr(event, name)) for name in names}
            return dataclasses.replace(event, **changes)
        return event

    def _result(self, result: Result) -> Result:
        if not (result.text or result.reason or result.sections or result.properties):
            return result
        mask = self._mask
        return dataclasses.replace(
            result,
            text=mask(result.text),
            reason=mask(result.reason),
            sections=tuple((title, mask(text)) for title, text in result.sections),
            properties=tuple((name, mask(value)) for name, value in result.properties),
        )
