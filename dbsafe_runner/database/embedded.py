"""Namespaces of kind `server`: a whole PostgreSQL for every worker, from a copy of the template.

`EmbeddedProvider` is what the dispatcher uses; see `dbsafe_runner.database.provider` for what its
methods promise. Servers start under an unprivileged account where we are root, listen on a Unix socket
in a directory of their own, and are gone, files and all, when the run is.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import threading
import time
from pathlib import Path
from typing import Final, TypeVar

import psycopg

from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.cache import cache_directory, manifest
from dbsafe_runner.database.cluster import copy_data
from dbsafe_runner.database.ending import Ending
from dbsafe_runner.database.janitor import prune_cache, remove_leftovers
from dbsafe_runner.database.kept import keep_server
from dbsafe_runner.database.occupants import Occupant, write_occupant
from dbsafe_runner.database.preparation import Preparation, Prepared
from dbsafe_runner.database.provider import (
    Keepsake,
    ProviderClosedError,
    Report,
    TemplateInfo,
    TemplateRequest,
    not_kept,
)
from dbsafe_runner.database.rundir import RunDirectory
from dbsafe_runner.database.server import Server, listening
from dbsafe_runner.database.sources import Source, create_names
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Namespace
from dbsafe_runner.errors import UserError

T = TypeVar("T")

#: Servers that are made at the same time; copying and starting one keeps about one core busy.
MAKERS: Final = 4

#: Seconds that a disk which has become full during the run is waited for.
PATIENCE: Final = 10.0


@dataclasses.dataclass(slots=True)
class _Slot:
    """A server and how many of the learned names it has."""

    name: str
    server: Server
    learned: int = 0
    #: Whose it is; "" while it is nobody's.
    worker: str = ""
    #: What the suite was first seen to connect to, as far as this server has it.
    seen: Source | None = None


class EmbeddedProvider:
    """Servers of our own, as namespaces.

    The caller must call `close` in the end, also after an error; not from within a signal handler, but
    where the handler's exception arrives. Should the process die without it, a guardian process ends
    the servers and removes their files.

    Args:
        request: what the template shall be.
        postgres: "auto", "embedded", or the directory of the server programs to use.
    """

    def __init__(
        self,
        request: TemplateRequest,
        *,
        postgres: str = "auto",
    ) -> None:
        self._request = request
        self._postgres = postgres
        self._lock = threading.RLock()
        self._over = False
        self._ending = Ending()
        self._numbers = itertools.count(1)
        self._generations: collections.Counter[str] = collections.Counter()
        self._learned: list[Source] = []
        self._slots: dict[str, _Slot] = {}
        self._warm: collections.deque[concurrent.futures.Future[_Slot]] = collections.deque()
        self._makers = concurrent.futures.ThreadPoolExecutor(MAKERS, thread_name_prefix="dbsafe-servers")
        self._has_made = False
        self._run: RunDirectory | None = None
        self._prepared: Prepared | None = None
        #: The data directory that servers are copied from, and its bytes.
        self._state: tuple[Path, int] = (Path(), 0)

    @property
    def kind(self) -> NamespaceKind:
        """Whole servers."""
        return NamespaceKind.SERVER

    def prepare(self, report: Report) -> TemplateInfo:
        """See `NamespaceProvider.prepare`."""
        started = time.monotonic()
        remove_leftovers()
        account = server_account()
        cache_root = cache_directory(account)
        run = RunDirectory(account)
        with self._lock:
            self._run = run
            if self._over:
                run.close()
                raise ProviderClosedError
        preparation = Preparation(self._request, self._postgres, run, cache_root, self._ending)
        prepared = self._prepared = preparation.prepare(report)
        self._state = (prepared.template.data, prepared.template.facts["manifest"][1])
        self._makers.submit(prune_cache, cache_root)
        seconds = time.monotonic() - started
        return TemplateInfo(
            prepared.installation.binaries.version, prepared.key, seconds, prepared.reused
        )

    def acquire(self, worker: str) -> Namespace:
        """See `NamespaceProvider.acquire`."""
        slot = self._next_slot()
        with self._lock:
            self._generations[worker] += 1
            generation = self._generations[worker]
            slot.worker = worker
        self._tell(slot)
        run = self._living_run()
        return Namespace(
            name=f"server-{slot.name}",
            kind=self.kind,
            generation=generation,
            endpoint=slot.server.endpoint,
            admin_dsn=slot.server.dsn(self._database),
            database=self._database,
            server_version=self._ready.installation.binaries.version_num,
            scratch=str(run.scratch()),
        )

    def warm(self, count: int) -> None:
        """See `NamespaceProvider.warm`."""
        with self._lock:
            while not self._over and len(self._warm) < count:
                self._warm.append(self._makers.submit(self._make))

    def release(self, namespace: Namespace) -> None:
        """See `NamespaceProvider.release`."""
        with self._lock:
            slot = self._slots.get(namespace.name.removeprefix("server-"))
        if slot:
            self._discard(slot)

    def keep(self, namespace: Namespace, nodeid: str) -> Keepsake:
        """See `NamespaceProvider.keep`."""
        with self._lock:
            slot = self._slots[namespace.name.removeprefix("server-")]
        opened = self._opened(slot)
        try:
            kept = keep_server(
                self._ready.installation,
                slot.server,
                nodeid=nodeid,
                database=opened.database,
                user=opened.user,
            )
        except OSError as error:
            raise not_kept(str(error)) from error
        finally:
            self._discard(slot)
        return Keepsake(kept.name, f"a server of its own in {kept.home}")

    def trouble(self, namespace: Namespace) -> str:
        """See `NamespaceProvider.trouble`."""
        with self._lock:
            slot = self._slots.get(namespace.name.removeprefix("server-"))
        if slot is None:
            return "its server was removed"
        if slot.server.running():
            return ""
        return f"its server ended\n{slot.server.log_tail()}".strip()

    def learn(self, role: str, database: str, namespace: Namespace) -> None:
        """See `NamespaceProvider.learn`."""
        source = Source(user=role or self._user, database=database)
        with self._lock:
            if source not in self._learned:
                self._learned.append(source)
            slot = self._slots.get(namespace.name.removeprefix("server-"))
        if slot is not None:
            self._teach(slot, source)
            self._tell(slot)

    def close(self) -> None:
        """See `NamespaceProvider.close`."""
        with self._lock:
            self._over = True
            servers = [slot.server for slot in self._slots.values()]
            self._warm.clear()
        self._ending.come()
        self._makers.shutdown(wait=False, cancel_futures=True)
        for server in servers:
            server.quit()
        for server in servers:
            server.kill()
        self._makers.shutdown(wait=True)
        if self._run:
            self._run.close()
        if self._prepared:
            self._prepared.close()

    def adopt(self, namespace: Namespace) -> None:
        """Make the state of a namespace the template of every further one of this run.

        For what the suite's collection did to the database. The namespace's server is stopped and
        started again, so sessions end; servers made ahead are made anew.

        Raises:
            UserError: its server cannot be stopped, copied or started again.
        """
        run = self._living_run()
        slot = self._slots[namespace.name.removeprefix("server-")]
        slot.server.stop()
        _, data = run.place(f"adopted-{slot.name}", manifest(slot.server.data)[1])
        self._ready.builder.keep(slot.server.data, data)
        with self._lock:
            self._living_run()
            self._state = (data, manifest(data)[1])
            ahead = len(self._warm)
            outdated = list(self._warm)
            self._warm.clear()
            slot.server.launch()
        slot.server.wait()
        for future in outdated:
            if not future.cancel():
                self._discard(_result(future))
        self.warm(ahead)

    def _opened(self, slot: _Slot) -> Source:
        """What whoever looks at this server wants to see."""
        usual = Source(user=self._user, database=self._database)
        return usual if self._request.sources else slot.seen or usual

    def _tell(self, slot: _Slot) -> None:
        opened = self._opened(slot)
        home = slot.server.data.parent
        write_occupant(home, Occupant(slot.worker, opened.user, opened.database))

    @property
    def _database(self) -> str:
        return self._request.sources[0].database if self._request.sources else "postgres"

    @property
    def _user(self) -> str:
        return self._request.sources[0].user if self._request.sources else "postgres"

    def _living_run(self) -> RunDirectory:
        if self._over or self._run is None:
            raise ProviderClosedError
        return self._run

    @property
    def _ready(self) -> Prepared:
        if self._prepared is None:
            raise ProviderClosedError
        return self._prepared

    def _next_slot(self) -> _Slot:
        while True:
            with self._lock:
                self._living_run()
                future = self._warm.popleft() if self._warm else self._makers.submit(self._make)
            slot = _result(future)
            # It was made ahead: it may have died since, or may lack what was learned since. That is
            # nobody's fault here.
            if slot.server.running() and self._catch_up(slot):
                return slot
            self._discard(slot)

    def _make(self) -> _Slot:
        """Make a server. Once there was one, a full disk is waited for: it may be a test's doing."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                slot = self._make_once()
            except UserError as error:
                patient = self._has_made and time.monotonic() < deadline
                if error.code != "no-space" or not patient:
                    raise
            else:
                self._has_made = True
                return slot
            time.sleep(0.2)

    def _make_once(self) -> _Slot:
        run = self._living_run()
        name = str(next(self._numbers))
        state, size = self._state
        home, data = run.place(name, size)
        port, listen = listening(tcp=self._request.tcp)
        server = Server(self._ready.installation, home, data, port=port, listen=listen)
        slot = _Slot(name, server)
        try:
            copy_data(self._ready.installation, state, data)
            with self._lock:
                self._living_run()
                server.launch()
                self._slots[name] = slot
            server.wait()
        except BaseException:
            self._discard(slot)
            # What fails because `close` ended it under our hands is no failure of the server.
            self._living_run()
            raise
        return slot

    def _catch_up(self, slot: _Slot) -> bool:
        """Give a server the names that were learned since the template was made; whether it lives."""
        while True:
            with self._lock:
                missing = self._learned[slot.learned :]
                slot.learned = len(self._learned)
            if not missing:
                return True
            try:
                create_names(slot.server.dsn(), missing)
            except psycopg.OperationalError:
                return False
            slot.seen = slot.seen or missing[0]

    def _teach(self, slot: _Slot, source: Source) -> None:
        # A server that has died, or is released meanwhile, needs no names any more.
        with contextlib.suppress(psycopg.OperationalError):
            create_names(slot.server.dsn(), [source])
            slot.seen = slot.seen or source

    def _discard(self, slot: _Slot) -> None:
        with self._lock:
            self._slots.pop(slot.name, None)
        slot.server.kill()
        if self._run:
            self._run.remove(slot.name)


def _result(future: concurrent.futures.Future[T]) -> T:
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        raise ProviderClosedError from None
