"""Births: of the zygote and of workers, forked from it or spawned, and what each is told at its birth.

What becomes of them is in `dbsafe_runner.workers.endings`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.workers.launch import Process, start_pytest
from dbsafe_runner.workers.peer import Peer
from dbsafe_runner.workers.settings import PlannedRun
from dbsafe_runner.workers.slot import Slot

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool

_HASH_SEED = "PYTHONHASHSEED"


class Births:
    """Starts the processes of one run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._run_id = uuid.uuid4().hex
        self._count = 0
        self._spawning = False

    @property
    def spawning(self) -> bool:
        """Whether each worker is a new process that imports the suite for itself."""
        return self._spawning

    def zygote(self) -> Process:
        """Start the process that collects. Raises OSError."""
        return self._start(self._fields())

    def workers(self, planned: PlannedRun, unsafe: Sequence[str]) -> None:
        """Have the run's workers made: as many as planned, or as there is work for.

        Args:
            planned: the plan, and what holds with other numbers of workers.
            unsafe: why the zygote must not be forked, in words; empty when it may be.
        """
        pool, feeding = self._pool, self._pool.feeding
        assert feeding is not None
        self._count = max(1, min(planned.plan.workers, feeding.most_useful_workers))
        pool.staffing.begin(self._count, planned.caps)
        pool.slots = {name: Slot(name) for name in map("gw{}".format, range(self._count))}
        start = pool.settings.start
        self._spawning = start == "spawn" or (start == "auto" and bool(unsafe))
        if self._spawning and start == "auto":
            pool.notice(
                "info",
                "workers-are-spawned",
                f"Workers are started as new processes, {self._count} of them, which is slower than"
                f" forking: {unsafe[0]}.",
                hint="Start threads and connections in fixtures instead of at import.",
            )
        if pool.tenancy.wanted and feeding.connecting_batches:
            pool.prepare()
            pool.desk.warm(min(self._count, feeding.connecting_batches))
        for slot in pool.slots.values():
            self.worker(slot)

    def worker(self, slot: Slot) -> None:
        """Have a process made for a slot."""
        pool = self._pool
        slot.reborn()
        if not self._spawning:
            pool.to_zygote("fork", settings=self._settings(slot))
            return
        assert pool.collected is not None
        fields = self._fields()
        fields["arguments"] += pool.collected["repeat"]
        process = self._start({**fields, "worker": slot.name, "settings": self._settings(slot)})
        slot.process = process
        slot.pid = process.pid
        pool.outputs.watch(process, hold=True)
        slot.peer = Peer(process.connection, pool.selector, pool.from_worker, pool.lost_peer)

    def _start(self, fields: dict[str, Any]) -> Process:
        settings = self._pool.settings
        environment = dict(settings.environment)
        # A spawned worker iterates over sets as the zygote does, so that it collects the same tests.
        fields["hide"] = [] if _HASH_SEED in environment else [_HASH_SEED]
        environment.setdefault(_HASH_SEED, str(settings.seed))
        return start_pytest(settings.directory, environment, fields)

    def _fields(self) -> dict[str, Any]:
        """Fields of a `start` message that the zygote and spawned workers have in common."""
        settings = self._pool.settings
        return {
            "arguments": list(settings.arguments),
            "program": "pytest",
            "width": settings.width,
            "colour": settings.colour,
            "seed": settings.seed,
            "sources": [list(source) for source in self._pool.tenancy.sources],
            "allow_hosts": list(settings.allow_hosts),
            "socket": self._socket,
            "set_up_once": self._private_server
            and settings.start != "spawn"
            and not settings.collect_only,
        }

    @property
    def _socket(self) -> str:
        return str(self._pool.settings.run_directory / "dispatcher")

    @property
    def _private_server(self) -> bool:
        """Whether each worker has a server for itself."""
        return self._pool.desk.kind == NamespaceKind.SERVER.value

    def _keeping(self, slot: Slot) -> dict[str, Any]:
        """Whether it has to leave its namespace as a failed test left it."""
        confirming = self._pool.confirming
        assert confirming is not None
        wanted = self._pool.tenancy.keeps and (slot.confirms or not confirming.able)
        return {"keep_failed": wanted, "trial_of": confirming.trial_of(slot)}

    def _settings(self, slot: Slot) -> dict[str, Any]:
        """What a worker is told at its birth."""
        pool, settings = self._pool, self._pool.settings
        assert pool.collected is not None
        slot.fault_file = str(settings.run_directory / f"{slot.name}.{slot.lives}.stacks")
        return {
            "worker": slot.name,
            "count": max(self._count, pool.staffing.most),
            "run": self._run_id,
            "seed": settings.seed,
            "basetemp": pool.collected["basetemp"],
            **self._keeping(slot),
            "fault_file": slot.fault_file,
            "socket": self._socket,
            "sources": [list(source) for source in pool.tenancy.sources],
            "allow_hosts": list(settings.allow_hosts),
            "private_server": self._private_server,
        }
