"""What hooks raise around a test, as a worker tells it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from _pytest.outcomes import Exit

from dbsafe_runner.workers.internal_errors import InternalError, told_as_pytest_does
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError


@pytest.fixture
def channel() -> Iterator[Channel]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours)


def test_the_text_is_a_traceback_that_begins_outside_of_dbsafe(
    request: pytest.FixtureRequest, channel: Channel
) -> None:
    with pytest.raises(InternalError) as caught, told_as_pytest_does(request.config, channel):
        raise SystemExit("no such thing")
    lines = str(caught.value).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert __file__ in lines[1]
    assert lines[-1] == "SystemExit: no such thing"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Exit, ChannelClosedError])
def test_orderly_ends_are_no_internal_errors(
    request: pytest.FixtureRequest, channel: Channel, kind: type[BaseException]
) -> None:
    with pytest.raises(kind), told_as_pytest_does(request.config, channel):
        raise kind("over")


def test_a_child_of_the_worker_has_nobody_to_tell(
    request: pytest.FixtureRequest, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Channel, "usable", property(lambda _self: False))
    with pytest.raises(ValueError, match="over"), told_as_pytest_does(request.config, channel):
        raise ValueError("over")
