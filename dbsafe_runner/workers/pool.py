"""The dispatcher: one loop that everything passes through, from collection to the end of the run.

It starts the zygote, has the plan made, has workers forked, hands out tests as the schedule says,
answers leases, and turns all of it into one stream of events. It renders nothing, plans nothing and
runs no test. What to do with a worker that ends, well or badly, is in `dbsafe_runner.workers.endings`.
"""

from __future__ import annotations

import collections
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from dbsafe_runner.database.provider import NamespaceProvider
from dbsafe_runner.domain import events
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.workers.births import Births
from dbsafe_runner.workers.collected import suite_of
from dbsafe_runner.workers.confirming import Confirming
from dbsafe_runner.workers.endings import Endings
from dbsafe_runner.workers.failing import collected_differently, zygote_died
from dbsafe_runner.workers.feeding import Feeding
from dbsafe_runner.workers.late_errors import LateErrors
from dbsafe_runner.workers.launch import Process
from dbsafe_runner.workers.leasing import LeaseDesk, Mailbox
from dbsafe_runner.workers.ledger import PASSED_ON, Emit, Ledger
from dbsafe_runner.workers.limits import Limits
from dbsafe_runner.workers.outputs import Outputs
from dbsafe_runner.workers.peer import Peer
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.settings import Planner, PoolSettings
from dbsafe_runner.workers.slot import Slot, State
from dbsafe_runner.workers.staffing import Staffing
from dbsafe_runner.workers.tenancy import Tenancy

#: Seconds between two looks at clocks and processes.
_TICK = 0.1
#: Reports are sent to the zygote when there are this many bytes, or at the next tick.
_REPLAY_BYTES = 131072
#: Seconds that the zygote has to print its summary and end after it was told to finish.
_FAREWELL = 60.0


def _nothing() -> None:
    """No work."""


class Pool:
    """One run of a suite.

    Args:
        settings: what to run and how.
        provider: makes the workers' namespaces.
        planner: makes the plan once the suite is collected.
        emit: takes every event, in order, in the calling thread.
        tick: called about ten times a second, for displays.
    """

    def __init__(
        self,
        settings: PoolSettings,
        provider: NamespaceProvider,
        planner: Planner,
        emit: Emit,
        tick: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.emit = emit
        self._planner = planner
        self._tick = tick
        self._zero = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.outputs = Outputs(self.selector, lambda text: emit(events.PytestOutput(self.now(), text)))
        self.mailbox = Mailbox()
        self.desk = LeaseDesk(provider, self.mailbox, threads=max(4, min(settings.workers, 16)))
        self.tenancy = Tenancy(self)
        self.births = Births(self)
        self.endings = Endings(self)
        self.limits = Limits(self)
        self.staffing = Staffing(self)
        self.late_errors = LateErrors(self)
        self.slots: dict[str, Slot] = {}
        self.ledger: Ledger | None = None
        self.feeding: Feeding | None = None
        self.confirming: Confirming | None = None
        self._said: set[tuple[str, str, str]] = set()
        self.zygote: Process | None = None
        self._zygote_peer: Peer | None = None
        self._zygote_code: int | None = None
        self.collected: Message | None = None
        self.fatal: BaseException | None = None
        self._finishing_since = 0.0
        self._leaving: Callable[[], None] = _nothing

    def now(self) -> float:
        """Seconds since the run started."""
        return time.monotonic() - self._zero

    @property
    def finishing(self) -> bool:
        """Whether every test has its outcome, and pytest is only to say goodbye."""
        return self._finishing_since > 0

    def run(
        self, collecting: Callable[[], None] = _nothing, leaving: Callable[[], None] = _nothing
    ) -> int:
        """Run the suite and return pytest's exit code.

        Args:
            collecting: work of the caller's, done while the suite is being collected.
            leaving: the same, done while pytest prints its summary and ends.

        Raises:
            UserError: the server, the template or the workers cannot be had.
        """
        previous = self._take_signals()
        try:
            self._leaving = leaving
            self._start()
            collecting()
            while not self._over():
                for key, mask in self.selector.select(_TICK):
                    key.data(mask)
                self._look_around()
            self.outputs.drain()
            # What made something fail may have been the signal that has just come.
            self.mailbox.run_all()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._close()
        if self.fatal is not None and not self.endings.was_interrupted:
            raise self.fatal
        return self.endings.exit_code(self._zygote_code)

    # --- starting --------------------------------------------------------------------------------

    def _start(self) -> None:
        self.selector.register(self.mailbox.reader, selectors.EVENT_READ, self._mail)
        path = self.settings.run_directory / "dispatcher"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(128)
        listener.setblocking(False)
        self._listener = listener
        self.selector.register(listener, selectors.EVENT_READ, self._accept)
        if self.settings.prepare_early:
            self.prepare()
        self.zygote = self.births.zygote()
        self.outputs.watch(self.zygote, hold=False)
        self._zygote_peer = Peer(
            self.zygote.connection, self.selector, self._from_zygote, self._zygote_closed
        )

    def prepare(self) -> None:
        """Have the template made ready, once."""
        self.desk.prepare(
            lambda text: self.emit(events.Preparing(self.now(), text)),
            self.tenancy.prepared,
            self.fail,
        )

    def to_zygote(self, kind: str, blob: bytes = b"", **fields: Any) -> None:
        """Send the zygote a message."""
        if self._zygote_peer is not None:
            self._zygote_peer.send(kind, blob, **fields)

    # --- what comes in -----------------------------------------------------------------------------

    def _mail(self, _mask: int) -> None:
        self.mailbox.run_all()

    def _accept(self, _mask: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        Peer(connection, self.selector, self.from_worker, self.lost_peer)

    def _from_zygote(self, _peer: Peer, message: Message) -> None:
        if message.kind == "collected":
            self._collected(message)
        elif message.kind == "exited":
            self.endings.exited(self.slots[message["worker"]], message["pid"], message["code"])
        elif message.kind == "shouldstop":
            self.endings.stop("shouldstop", message["reason"])
        elif message.kind == "uncollected":
            failure = (message["nodeid"], message["reason"], message["text"])
            self.emit(events.CollectionFailed(self.now(), *failure))
        elif message.kind == "ended":
            self._zygote_code = message["code"]
        elif message.kind == "notice":
            self._relay(message)
        else:
            self.tenancy.request("zygote", message, self.to_zygote)

    def from_worker(self, peer: Peer, message: Message) -> None:
        """A worker says something."""
        if self.fatal is not None:
            # What it sent before it heard of the end belongs to nothing any more.
            return
        if message.kind == "hello":
            self._hello(peer, message)
            return
        if message.kind == "borrow":
            self.tenancy.borrow(message, peer.send)
            return
        slot = self.slot_of(peer)
        if slot is None:
            peer.close()
            return
        slot.heard = self.now()
        if message.kind in {"ok", "done", "late", "need", *PASSED_ON}:
            self._from_test(slot, message)
        elif message.kind == "reset":
            self.tenancy.was_reset(slot, message["report"])
        elif message.kind in {"retire", "halt", "bye"}:
            self.endings.said(slot, message)
        elif message.kind == "notice":
            self._relay(message)
        else:
            self.tenancy.request(slot.name, message, peer.send)

    def _from_test(self, slot: Slot, message: Message) -> None:
        if slot.confirms:
            assert self.confirming is not None
            self.confirming.heard(slot, message)
        elif message.kind == "late":
            self.late_errors.add(slot, message)
        elif message.kind in PASSED_ON:
            assert self.ledger is not None
            self.ledger.pass_on(message)
        else:
            assert self.feeding is not None
            self.feeding.heard(slot, message)

    def slot_of(self, peer: Peer) -> Slot | None:
        """The worker at the other end of a connection."""
        return next((slot for slot in self.slots.values() if slot.peer is peer), None)

    def notice(self, kind: str, code: str, message: str, *, hint: str = "", nodeid: str = "") -> None:
        """Tell the user something."""
        self.emit(events.Notice(self.now(), kind, code, message, hint, nodeid))

    def _relay(self, message: Message) -> None:
        """Tell what a process has to say, once: a test that is run again says it again."""
        said = message["code"], message["message"], message["nodeid"]
        if said not in self._said:
            self._said.add(said)
            self.notice("warning", said[0], said[1], nodeid=said[2])

    def _hello(self, peer: Peer, message: Message) -> None:
        slot = self.slots.get(message["worker"])
        if slot is None or slot.state is not State.STARTING:
            peer.close()
            return
        slot.peer, slot.pid, slot.state = peer, message["pid"], State.IDLE
        assert self.feeding is not None
        assert self.collected is not None
        if slot.process is not None:
            self.outputs.release(slot.process)
        if (digest := message["digest"]) and digest != self.collected["digest"]:
            self.fail(collected_differently(slot.name))
            return
        if slot.confirms:
            assert self.confirming is not None
            self.confirming.begin(slot)
            return
        self.emit(events.WorkerStarted(self.now(), slot.name, slot.pid, "spawn" if digest else "fork"))
        self.feeding.add(slot)

    def _collected(self, message: Message) -> None:
        self.collected = message
        suite = suite_of(message, self.now())
        files = collections.Counter(test.file for test in suite.tests)
        self.emit(
            events.Collected(
                self.now(),
                len(suite.tests),
                len(files),
                message["deselected"],
                message["seconds"],
                message["pytest_version"],
                files,
            )
        )
        self.tenancy.after_collection(message)
        planned = self._planner(suite)
        self.ledger = Ledger(suite, planned, self.emit, self.now)
        if self.desk.kind == NamespaceKind.MOCK.value:
            self.ledger.stand_in = self.tenancy.statements
        self.feeding = Feeding(self, planned, suite)
        self.confirming = Confirming(self, suite, planned)
        self.endings.maxfail = suite.maxfail
        levels = collections.Counter(int(found.level) for found in planned.classifications)
        self.emit(events.PlanFixed(self.now(), planned.plan, levels))
        if self.settings.collect_only:
            self._finishing_since = self.now()
            self.to_zygote("finish", **self.endings.finish_fields())
            return
        if planned.examine is not None:
            self.confirming.examine(planned.examine)
        self.births.workers(planned, message["unsafe"])

    # --- the end -----------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Do what time rather than a message brings about."""
        now = self.now()
        self.endings.look_around(now)
        self.tenancy.look_around()
        self.limits.look_around(now)
        self.staffing.look_around(now)
        if self.ledger is not None:
            waiting = self.ledger.waiting_for_replay
            if waiting and (waiting > _REPLAY_BYTES or now - self._last_replay > _TICK):
                self._last_replay = now
                self.to_zygote("replay", self.ledger.take_replay())
        if self.confirming is not None:
            self.confirming.pump()
        self._finish_when_done(now)
        self._tick()

    _last_replay = 0.0

    def _finish_when_done(self, now: float) -> None:
        if self._finishing_since or self.feeding is None or self.ledger is None:
            return
        if any(slot.state is not State.GONE for slot in self.slots.values()):
            return
        if self.feeding.something_left and not self.endings.stopping:
            return
        if self.tenancy.keeping or self.confirming is None or self.confirming.busy:
            return
        self.late_errors.enter()
        if self.confirming.busy:
            return
        self.ledger.settle()
        if self.ledger.waiting_for_replay:
            self.to_zygote("replay", self.ledger.take_replay())
        self._finishing_since = now
        self.to_zygote("finish", **self.endings.finish_fields())
        self._leaving()

    def fail(self, error: BaseException) -> None:
        """End the run: nothing can be had from going on.

        One that was interrupted ends anyway, and in order. What fails then is no news.
        """
        if self.fatal is None and not self.endings.was_interrupted:
            self.fatal = error
            self.endings.kill_all()

    def _zygote_closed(self, _peer: Peer) -> None:
        self._zygote_peer = None

    def lost_peer(self, peer: Peer) -> None:
        """A worker's connection ended."""
        slot = self.slot_of(peer)
        if slot is not None:
            self.endings.connection_lost(slot)

    def _over(self) -> bool:
        if self.zygote is None:
            return True
        if self.fatal is not None or self.endings.at_once:
            self.zygote.kill()
            return True
        code = self.zygote.poll()
        if code is None:
            overdue = self._finishing_since and self.now() - self._finishing_since > _FAREWELL
            if overdue:
                self.notice("warning", "zygote-did-not-end", "pytest did not end; it was killed.")
                self.zygote.kill()
            return False
        if self._zygote_peer is not None and self._zygote_code is None:
            # What it said last is still to be read.
            return False
        if self._zygote_code is None and not self.endings.stopping:
            self.fatal = zygote_died(code)
        return True

    def _take_signals(self) -> dict[int, Any]:
        def handle(number: int, _frame: object) -> None:
            self.mailbox.post(lambda: self.endings.interrupted(number))

        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return {number: signal.signal(number, handle) for number in wanted}

    def _close(self) -> None:
        self.endings.kill_all()
        self.desk.close()
        self.outputs.close()
        self.selector.close()
        self._listener.close()
        self.mailbox.close()
