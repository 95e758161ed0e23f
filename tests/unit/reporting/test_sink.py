from __future__ import annotations

import pytest

from dbsafe_runner.domain.events import Preparing, RunEvent
from dbsafe_runner.reporting.sink import Fanout


class Listener:
    def __init__(self, fails_in: str = "") -> None:
        self.seen: list[object] = []
        self._fails_in = fails_in

    def on(self, event: RunEvent) -> None:
        self._note("on", event)

    def tick(self, now: float) -> None:
        self._note("tick", now)

    def close(self) -> None:
        self._note("close", "closed")

    def _note(self, method: str, what: object) -> None:
        if method == self._fails_in:
            raise OSError(method)
        self.seen.append(what)


@pytest.mark.parametrize("method", ["on", "tick", "close"])
def test_a_sink_that_fails_does_not_disturb_the_others(method: str) -> None:
    first, bad, last = Listener(), Listener(fails_in=method), Listener()
    fanout = Fanout([first, bad, last])
    event = Preparing(0.0, "x")
    fanout.on(event)
    fanout.tick(1.0)
    fanout.on(event)
    with pytest.raises(OSError, match=method):
        fanout.close()
    assert first.seen == last.seen == [event, 1.0, event, "closed"]
    if method != "close":
        assert "closed" not in bad.seen


def test_what_failed_is_raised_once() -> None:
    fanout = Fanout([Listener(fails_in="close")])
    with pytest.raises(OSError, match="close"):
        fanout.close()
    fanout.close()


def test_a_sink_that_comes_later_gets_what_comes_later() -> None:
    late, event = Listener(), Preparing(0.0, "x")
    fanout = Fanout([])
    fanout.on(event)
    fanout.add(late)
    fanout.tick(1.0)
    fanout.close()
    assert late.seen == [1.0, "closed"]


def test_without_failures_closing_is_quiet() -> None:
    listener = Listener()
    Fanout([listener]).close()
    assert listener.seen == ["closed"]
