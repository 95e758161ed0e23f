"""Endings: of a worker that dies, hangs, retires or leaves, and of the run when it is stopped.

Each one ends with every test accounted for and nothing left running.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsafe_runner.domain import events
from dbsafe_runner.errors import ExitCode
from dbsafe_runner.workers.after_fork import DUMP_SIGNAL
from dbsafe_runner.workers.failing import predicate, workers_do_not_start
from dbsafe_runner.workers.launch import kill_group
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.slot import Slot, State

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool

#: Seconds for the stacks to be written, then between SIGTERM and SIGKILL.
_STEPS = (0.2, 1.0)
#: Seconds for the stacks where nothing else is waited for.
_AT_ONCE = 0.05
#: Seconds that an interrupted worker has for its teardown.
_PATIENCE = 10.0
#: Seconds between a worker's goodbye and its end, for exit hooks and for saving coverage.
_LAST_WORDS = 30.0
#: A slot whose processes die this often before their first test is given up.
_STILL_BIRTHS = 3
_INTERRUPTED = 2


class Endings:
    """What happens when something ends."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.maxfail = 0
        self.stopping = ""
        self._message = ""
        self._code: int | None = None
        #: The user asked twice: no more waiting for anything.
        self.at_once = False
        self._signal = 0
        self._out_of_time = False
        #: When the zygote is killed if it goes on collecting; 0 while it may.
        self._collection_deadline = 0.0

    # --- the run ---------------------------------------------------------------------------------

    def count_failures(self) -> None:
        """Stop the run when `-x` or `--maxfail` says so."""
        ledger = self._pool.ledger
        if ledger is not None and self.maxfail and ledger.failures >= self.maxfail:
            self.stop("shouldfail", f"stopping after {ledger.failures} failures")

    def stop(self, why: str, message: str, code: int | None = None) -> None:
        """Hand out nothing more and interrupt what runs."""
        if self.stopping:
            return
        self.stopping, self._message, self._code = why, message, code
        if self._pool.confirming is not None:
            self._pool.confirming.give_up()
        feeding = self._pool.feeding
        if feeding is not None:
            feeding.schedule.stop()
        for slot in self._pool.slots.values():
            self._send_off(slot)

    def interrupted(self, number: int) -> None:
        """The user pressed Ctrl-C, or the process was told to end: once is orderly, twice is now."""
        if self._signal:
            self.at_once = True
            self.kill_all()
            return
        self._signal = number
        again = "; once more ends it at once" if number == signal.SIGINT else ""
        self._pool.notice(
            "warning",
            "interrupted",
            f"Interrupted: what runs is torn down, and the reports are written{again}.",
        )
        self._interrupt(f"Interrupted by {signal.Signals(number).name}")

    def out_of_time(self, message: str) -> None:
        """The run has taken longer than it may: what runs is interrupted as by the user."""
        self._out_of_time = True
        if self._pool.feeding is None:
            self._collection_deadline = self._pool.now() + _PATIENCE
        self._interrupt(message)

    def _interrupt(self, message: str) -> None:
        zygote = self._pool.zygote
        if self._pool.feeding is None and zygote is not None:
            zygote.signal(signal.SIGINT)
            self.stopping = "interrupt"
            return
        self.stop("interrupt", message)

    @property
    def was_interrupted(self) -> bool:
        """Whether the user or the system ended the run."""
        return bool(self._signal) or self.stopping == "interrupt"

    def finish_fields(self) -> dict[str, Any]:
        """Fields of the `finish` message: how pytest's session shall end."""
        return {"why": self.stopping, "message": self._message, "code": self._code}

    def exit_code(self, pytest_code: int | None) -> int:
        """What the process exits with."""
        if self._out_of_time:
            return int(ExitCode.OUT_OF_TIME)
        if self._signal and self._signal != signal.SIGINT:
            return 128 + self._signal
        if self.was_interrupted or pytest_code is None:
            return _INTERRUPTED
        return pytest_code

    def kill_all(self) -> None:
        """End every process that is left."""
        for slot in self._pool.slots.values():
            if slot.pid and slot.state is not State.GONE:
                kill_group(slot.pid)
        zygote = self._pool.zygote
        if zygote is not None and zygote.poll() is None:
            zygote.kill()

    # --- a worker --------------------------------------------------------------------------------

    def said(self, slot: Slot, message: Message) -> None:
        """A worker announced its end, or that of the run."""
        if message.kind == "halt":
            self._halted(slot, message)
        elif message.kind == "bye":
            slot.said_bye = True
            # What the suite does at the interpreter's end is not waited for without end.
            slot.deadline = self._pool.now() + _LAST_WORDS
            if message.fields and not slot.confirms:
                self._last_error(slot, message)
        elif slot.state is not State.LEAVING:
            slot.state = State.LEAVING
            self._let_go(slot, killed=False)

    def _last_error(self, slot: Slot, message: Message) -> None:
        """A worker's last teardown has failed. No test is charged where the run did not come to its end.

        An interrupt leaves things half done, and tearing them down may well raise. That is told, for
        something may be left to be cleaned up by hand. Tests that -x interrupts would not have run.
        """
        pool = self._pool
        if not message["cut_short"] and not self.was_interrupted and pool.ledger is not None:
            pool.ledger.session_error(message.fields, message.blob, slot.name)
        elif self.stopping in {"interrupt", "exit", "internal"}:
            text = f"What worker {slot.name} tore down at the end raised: {message['reason']}"
            pool.notice("warning", "teardown-cut-short", text)

    def connection_lost(self, slot: Slot) -> None:
        """A worker's connection ended. A forked one's exit code comes from the zygote."""
        slot.peer = None
        if slot.process is not None:
            code = slot.process.wait(_STEPS[1])
            self.exited(slot, slot.pid, -signal.SIGKILL if code is None else code)
        elif slot.exit_code is not None:
            self._bury(slot)

    def exited(self, slot: Slot, pid: int, code: int) -> None:
        """A worker's process ended."""
        if slot.pid not in {0, pid}:
            return
        slot.pid = slot.pid or pid
        slot.exit_code = code
        peer = slot.peer
        if peer is not None:
            # Its last messages may still be in the socket. The end of the connection is not waited for:
            # what a test has forked and left holds it open, for as long as it likes.
            peer.exhaust()
        if slot.peer is peer:
            self._bury(slot)

    def look_around(self, now: float) -> None:
        """Do what time brings about: limits that are passed, kills that did not help."""
        for slot in list(self._pool.slots.values()):
            if slot.state is State.GONE or not slot.pid:
                continue
            code = slot.process.poll() if slot.process is not None else None
            if code is not None:
                # Nobody else tells of the end of a spawned one whose connection is held open.
                self.exited(slot, slot.pid, code)
            elif slot.deadline and now >= slot.deadline:
                self._next_step(slot, now)
        if self._pool.feeding is None and self._collection_deadline and now > self._collection_deadline:
            # It was asked to stop collecting, and has not heard.
            self.kill_all()

    def condemn(self, slot: Slot, sentence: str, *, at_once: bool = False) -> None:
        """End a worker that will not end by itself: its stacks first, then TERM, then KILL.

        `at_once` leaves TERM out: what it does meanwhile harms others.
        """
        if slot.sentence:
            return
        slot.sentence = sentence
        slot.step = 1 if at_once else 0
        with contextlib.suppress(OSError):
            os.kill(slot.pid, DUMP_SIGNAL)
        slot.deadline = self._pool.now() + (_AT_ONCE if at_once else _STEPS[0])

    def _next_step(self, slot: Slot, now: float) -> None:
        slot.step += 1
        if slot.step == 1:
            with contextlib.suppress(OSError):
                os.kill(slot.pid, signal.SIGTERM)
            slot.deadline = now + _STEPS[1]
        else:
            kill_group(slot.pid)
            slot.deadline = now + _STEPS[1]

    def _send_off(self, slot: Slot) -> None:
        """Tell a worker to stop, and interrupt the test that it runs."""
        if slot.state is State.STARTING and slot.process is not None:
            # It is still collecting, which may take long, and nobody will need it.
            slot.process.kill()
        if slot.state in {State.GONE, State.LEAVING} or slot.peer is None:
            return
        running = slot.running is not None
        slot.state = State.LEAVING
        slot.peer.send("stop")
        if running:
            with contextlib.suppress(OSError):
                os.kill(slot.pid, signal.SIGINT)
        slot.deadline = self._pool.now() + _PATIENCE
        self._let_go(slot, killed=False)

    def _halted(self, slot: Slot, message: Message) -> None:
        slot.state = State.LEAVING
        why = message["why"]
        if why == "no-namespace" or (why == "internal" and slot.confirms):
            # A trial in which a hook raises is one that its test did not survive.
            return
        if why != "interrupt" or not self.stopping:
            self.stop(why, message["message"], message.fields.get("code"))
        self._let_go(slot, killed=False)

    def _let_go(self, slot: Slot, *, killed: bool) -> None:
        feeding = self._pool.feeding
        if feeding is not None and slot.name in feeding.known:
            feeding.let_go(slot, killed=killed)

    def _bury(self, slot: Slot) -> None:
        """Account for a process that is gone, and replace it while there is work."""
        pool = self._pool
        if slot.state is State.GONE:
            return
        if slot.peer is not None:
            slot.peer.close()
            slot.peer = None
        kill_group(slot.pid)
        if slot.confirms:
            self._bury_a_trial(slot)
            return
        cause = self._cause(slot)
        printed = ""
        if slot.process is not None:
            printed = pool.outputs.held(slot.process)
        # What was only run again has its outcome.
        killer = None if slot.catches_up else slot.running
        if cause and killer is not None:
            self._record_crash(slot, killer, cause)
        elif slot.sentence and slot.state is State.LEAVING and pool.ledger is not None:
            stacks = _read_stacks(slot.fault_file)
            pool.ledger.session_crashed(slot.name, cause, stacks, pool.now() - slot.leaving_since)
        elif cause and not self.stopping:
            message = f"Worker {slot.name} {predicate(cause)} between tests."
            pool.notice("warning", "worker-died", message)
        early = not slot.tests_run and killer is None
        slot.still_births = slot.still_births + 1 if cause and early else 0
        self._let_go(slot, killed=slot.running is not None)
        nodeid = pool.ledger.nodeid(killer) if pool.ledger and killer is not None else ""
        pool.emit(events.WorkerEnded(pool.now(), slot.name, slot.pid, cause, nodeid))
        tenant = slot.namespace is not None
        pool.tenancy.end(slot)
        slot.state = State.GONE
        self._replace(slot, cause, printed)
        if tenant and slot.state is not State.GONE:
            # Its successor is likely to want one too: it is made while the process starts.
            pool.desk.warm(1)

    def _replace(self, slot: Slot, cause: str, printed: str) -> None:
        pool = self._pool
        if pool.feeding is None or self.stopping or pool.fatal is not None:
            return
        if not pool.feeding.needs_more_workers or not pool.staffing.wants_another():
            return
        if slot.still_births >= _STILL_BIRTHS:
            pool.fail(workers_do_not_start(cause, printed))
            return
        pool.births.worker(slot)

    def _bury_a_trial(self, slot: Slot) -> None:
        slot.state = State.GONE
        self._pool.tenancy.end(slot)
        assert self._pool.confirming is not None
        self._pool.confirming.ended(slot)

    def _cause(self, slot: Slot) -> str:
        """Say how a process ended, "" when as it should."""
        if slot.said_bye and not slot.sentence:
            return ""
        if slot.sentence:
            return slot.sentence
        code = slot.exit_code or 0
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exited with status {code}"

    def _record_crash(self, slot: Slot, test: int, cause: str) -> None:
        pool = self._pool
        assert pool.ledger is not None
        trouble = pool.desk.trouble(slot.namespace) if slot.namespace is not None else ""
        if slot.sentence:
            text = f"{slot.sentence}; worker {slot.name} was ended."
        else:
            text = f"Worker {slot.name} {predicate(cause)} while it ran this test."
        if trouble:
            text += f"\n{trouble}"
        seconds = slot.seconds(pool.now())
        stacks = _read_stacks(slot.fault_file)
        if slot.sentence and not stacks:
            text += "\nThere are no stacks: it blocks signals, or was stopped."
        slot.busy += seconds
        crash = pool.ledger.crash(test, text, stacks, seconds)
        # That it takes too long is what a time limit is for: it is not tried again.
        if slot.sentence or pool.confirming is None or not pool.confirming.takes(slot, crash):
            pool.ledger.reported(crash, slot.name)
            self.count_failures()


def _read_stacks(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
