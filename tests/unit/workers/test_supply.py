"""A worker's supply over a real channel: when it asks, and what it takes for the next item."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dbsafe_runner.workers.protocol import Channel, ChannelClosedError
from dbsafe_runner.workers.supply import Supply, Undecided

ITEMS = ["item 0", "item 1", "item 2"]


@pytest.fixture
def ends() -> Iterator[tuple[Supply, Channel]]:
    ours, theirs = socket.socketpair()
    worker, dispatcher = Channel(ours), Channel(theirs)
    yield Supply(worker, ITEMS), dispatcher  # type: ignore[arg-type]
    worker.close()
    dispatcher.close()


def run(dispatcher: Channel, *tests: int) -> None:
    dispatcher.send("run", batch=0, tests=list(tests), reset="after-batch")


def test_the_next_item_is_asked_for_when_it_is_looked_at(ends: tuple[Supply, Channel]) -> None:
    supply, dispatcher = ends
    run(dispatcher, 0)
    fed = supply.take()
    assert fed is not None
    assert fed.index == 0
    assert dispatcher.receive()["idle"] is True
    upcoming = supply.upcoming()
    assert isinstance(upcoming, Undecided)
    assert dispatcher.poll() is None
    run(dispatcher, 1)
    assert upcoming
    assert supply.decide() == "item 1"
    assert supply.indices() == [1]
    assert dispatcher.poll() is None, "what had been sent need not be asked for"


def test_an_end_of_the_batch_is_no_next_item(ends: tuple[Supply, Channel]) -> None:
    supply, dispatcher = ends
    run(dispatcher, 0)
    supply.take()
    dispatcher.send("end")
    assert not supply.upcoming()
    assert [dispatcher.receive()["idle"], dispatcher.receive()["idle"]] == [True, False]
    assert supply.decide() is None
    assert not supply


def test_what_is_known_ahead_needs_no_question(ends: tuple[Supply, Channel]) -> None:
    supply, dispatcher = ends
    run(dispatcher, 0, 1, 2)
    supply.take()
    assert supply.upcoming() == "item 1"
    supply.take()
    assert supply.upcoming() == "item 2"
    assert dispatcher.receive()["idle"] is True
    assert dispatcher.poll() is None


def test_a_stop_takes_back_what_was_fed(ends: tuple[Supply, Channel]) -> None:
    supply, dispatcher = ends
    run(dispatcher, 0, 1, 2)
    supply.take()
    dispatcher.send("stop")
    supply.hear()
    assert not supply.indices()
    assert supply.take() is None


def test_after_a_failure_it_waits_for_the_count(ends: tuple[Supply, Channel]) -> None:
    supply, dispatcher = ends
    run(dispatcher, 0, 1)
    supply.take()
    dispatcher.send("go")
    supply.ask_whether_to_go_on()
    assert supply.indices() == [1]
    dispatcher.send("stop")
    supply.ask_whether_to_go_on()
    assert supply.take() is None


def test_a_dispatcher_that_is_gone_is_found_out(ends: tuple[Supply, Channel]) -> None:
    supply, dispatcher = ends
    dispatcher.close()
    with pytest.raises(ChannelClosedError):
        supply.take()
