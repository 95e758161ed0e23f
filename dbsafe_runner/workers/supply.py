"""What a worker has been fed, and what comes next; asks the dispatcher when it has to know.

It runs nothing. The next test is asked for as late as pytest allows, when the current one is torn
down: a worker that was promised a test that it will not start for long would hold it back from others.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.workers.protocol import Channel, Message


@dataclasses.dataclass(frozen=True, slots=True)
class Fed:
    """A test that the dispatcher wants run."""

    index: int
    batch: int
    reset: ResetPolicy
    #: It is expected to use the database.
    connects: bool
    #: It has been reported, and is run for what it leaves behind alone.
    again: bool = False


class Undecided:
    """The next item before it is known. Looking at it in any way asks the dispatcher."""

    def __init__(self, decide: Callable[[], pytest.Item | None]) -> None:
        self._decide = decide

    def __bool__(self) -> bool:
        return self._decide() is not None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decide(), name)


class Supply:
    """The tests that one worker was fed and has not started."""

    def __init__(
        self,
        channel: Channel,
        items: list[pytest.Item],
        told: Callable[[Sequence[Any]], None] = lambda _source: None,
    ) -> None:
        self._channel = channel
        #: Takes what other workers have learned of the suite's database.
        self._told = told
        self._items = items
        self._queue: collections.deque[Fed] = collections.deque()
        self._decided = False
        self._next: pytest.Item | None = None
        self._stopping = False

    def __bool__(self) -> bool:
        return bool(self._queue)

    def indices(self) -> list[int]:
        """The tests that are left."""
        return [fed.index for fed in self._queue]

    def take(self) -> Fed | None:
        """The next test to run, waited for if need be; None when there is nothing more to do.

        Raises ChannelClosedError.
        """
        while not self._queue and not self._stopping:
            self._channel.send("need", idle=True)
            self._accept(self._channel.receive("run", "end", "stop"))
        self._decided = False
        return self._queue.popleft() if self._queue else None

    def upcoming(self) -> pytest.Item | Undecided | None:
        """The item after the current one, or a stand-in that finds it out when it is looked at."""
        if self._queue:
            return self.decide()
        return Undecided(self.decide)

    def decide(self) -> pytest.Item | None:
        """Find out the next item, once for each current one; None at the end of a batch.

        Raises ChannelClosedError.
        """
        if self._decided:
            return self._next
        while (message := self._channel.poll("run", "stop")) is not None:
            self._accept(message)
        if not self._queue and not self._stopping:
            self._channel.send("need", idle=False)
            self._accept(self._channel.receive("run", "end", "stop"))
        self._decided = True
        self._next = self._items[self._queue[0].index] if self._queue else None
        return self._next

    def ask_whether_to_go_on(self) -> None:
        """After a failure with --maxfail: the failures of all workers are counted in one place.

        Raises ChannelClosedError.
        """
        self._accept(self._channel.receive("go", "stop"))

    def hear(self) -> None:
        """Read whether the run was stopped. Raises ChannelClosedError."""
        while (message := self._channel.poll("stop")) is not None:
            self._accept(message)

    def _accept(self, message: Message) -> None:
        if message.kind == "run":
            how = (
                message["batch"],
                ResetPolicy(message["reset"]),
                message.fields.get("connects", False),
            )
            again = message.fields.get("again", ())
            self._queue.extend(Fed(index, *how, again=index in again) for index in message["tests"])
            if message.fields.get("source"):
                self._told(message["source"])
        elif message.kind == "stop":
            self._stopping = True
            self._queue.clear()
