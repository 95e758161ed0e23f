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
from typing import Final, TypeVar

import psycopg

from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.binaries import choose, inspect
from dbsafe_runner.database.cache import Cache, Entry, cache_directory
from dbsafe_runner.database.cluster import copy_data
from dbsafe_runner.database.janitor import remove_leftovers
from dbsafe_runner.database.provider import ProviderClosedError, Report, TemplateInfo, TemplateRequest
from dbsafe_runner.database.relocation import reachable
from dbsafe_runner.database.rundir import RunDirectory
from dbsafe_runner.database.server import Installation, Server
from dbsafe_runner.database.sources import Source, create_names
from dbsafe_runner.database.templates import (
    TemplateBuilder,
    base_key,
    input_digests,
    obtain_base,
    template_key,
)
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint, Namespace

T = TypeVar("T")

#: Servers that are made at the same time; copying and starting one keeps about one core busy.
MAKERS: Final = 4


@dataclasses.dataclass(slots=True)
class _Slot:
    """A server and how many of the learned names it has."""

    name: str
    server: Server
    learned: int = 0
    ready: bool = False


class EmbeddedProvider:
    """Servers of our own, as namespaces.

    Args:
        request: what the template shall be.
        postgres: "auto", or the directory of the server programs to use.
        port: names the sockets, and is listened on where `listen` is set.
        listen: TCP address that every server listens on, "" for none. Servers that listen need a
            network namespace each, or a port each.
        pristine: keep one more server in the template's state to read baseline rows from.
    """

    def __init__(
        self,
        request: TemplateRequest,
        *,
        postgres: str = "auto",
        port: int = 5432,
        listen: str = "",
        pristine: bool = False,
    ) -> None:
        self._request = request
        self._postgres = postgres
        self._port = port
        self._listen = listen
        self._pristine_wanted = pristine
        self._lock = threading.RLock()
        self._closed = False
        self._numbers = itertools.count(1)
        self._generations: collections.Counter[str] = collections.Counter()
        self._learned: list[Source] = []
        self._slots: dict[str, _Slot] = {}
        self._building: list[Server] = []
        self._entries: list[Entry] = []
        self._warm: collections.deque[concurrent.futures.Future[_Slot]] = collections.deque()
        self._makers = concurrent.futures.ThreadPoolExecutor(MAKERS, thread_name_prefix="dbsafe-servers")
        self._pristine: concurrent.futures.Future[_Slot] | None = None
        self._run: RunDirectory | None = None

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
        self._run = RunDirectory(account)
        binaries = inspect(choose(self._postgres, self._request.extensions))
        binaries, copied = reachable(binaries, account, cache_root, report)
        if copied:
            self._entries.append(copied)
        self._installation = Installation(binaries, account)
        base = obtain_base(self._installation, cache_root, report)
        self._entries.append(base)
        builder = TemplateBuilder(
            self._installation, self._run, self._request, self._register_building, self._port
        )
        digests = input_digests(self._request.root, self._request.inputs, report)
        key = template_key(base_key(self._installation), self._request, digests)
        templates = Cache(cache_root, "templates")
        self._template, reused = templates.obtain(
            key,
            lambda directory: builder.build(base, directory, report),
            fresh=self._request.fresh,
            report=report,
        )
        self._entries.append(self._template)
        templates.prune()
        if self._pristine_wanted:
            self._pristine = self._makers.submit(self._make)
        return TemplateInfo(binaries.version, key, time.monotonic() - started, reused)

    def acquire(self, worker: str) -> Namespace:
        """See `NamespaceProvider.acquire`."""
        slot = self._next_slot()
        pristine = _result(self._pristine).server.dsn(self._database) if self._pristine else ""
        with self._lock:
            self._generations[worker] += 1
            generation = self._generations[worker]
        run = self._living_run()
        return Namespace(
            name=f"server-{slot.name}",
            kind=self.kind,
            generation=generation,
            endpoint=Endpoint(host=str(slot.server.home), port=self._port),
            admin_dsn=slot.server.dsn(self._database),
            database=self._database,
            server_version=self._installation.binaries.version_num,
            pristine_dsn=pristine,
            scratch=str(run.scratch()),
        )

    def warm(self, count: int) -> None:
        """See `NamespaceProvider.warm`."""
        with self._lock:
            while not self._closed and len(self._warm) < count:
                self._warm.append(self._makers.submit(self._make))

    def release(self, namespace: Namespace) -> None:
        """See `NamespaceProvider.release`."""
        with self._lock:
            slot = self._slots.pop(namespace.name.removeprefix("server-"), None)
        if slot:
            self._destroy(slot)

    def trouble(self, namespace: Namespace) -> str:
        """See `NamespaceProvider.trouble`."""
        with self._lock:
            slot = self._slots.get(namespace.name.removeprefix("server-"))
        if slot is None:
            return "its server was removed"
        if slot.server.running():
            return ""
        return f"its server ended\n{slot.server.log_tail()}".strip()

    def learn(self, role: str, database: str) -> None:
        """See `NamespaceProvider.learn`."""
        source = Source(user=role or self._user, database=database)
        with self._lock:
            self._learned.append(source)
            ready = [slot for slot in self._slots.values() if slot.ready]
            done = [self._makers.submit(self._teach, slot, source) for slot in ready]
        for future in done:
            _result(future)

    def close(self) -> None:
        """See `NamespaceProvider.close`."""
        with self._lock:
            self._closed = True
            servers = [slot.server for slot in self._slots.values()] + self._building
            self._warm.clear()
        self._makers.shutdown(wait=False, cancel_futures=True)
        for server in servers:
            server.quit()
        for server in servers:
            server.kill()
        self._makers.shutdown(wait=True)
        if self._run:
            self._run.close()
        for entry in self._entries:
            entry.close()

    @property
    def _database(self) -> str:
        return self._request.sources[0].database if self._request.sources else "postgres"

    @property
    def _user(self) -> str:
        return self._request.sources[0].user if self._request.sources else "postgres"

    def _living_run(self) -> RunDirectory:
        if self._closed or self._run is None:
            raise ProviderClosedError
        return self._run

    def _next_slot(self) -> _Slot:
        while True:
            with self._lock:
                self._living_run()
                future = self._warm.popleft() if self._warm else self._makers.submit(self._make)
            slot = _result(future)
            if slot.server.running():
                return slot
            # It was made ahead and has died since; that is nobody's fault here.
            with self._lock:
                self._slots.pop(slot.name, None)
            self._destroy(slot)

    def _make(self) -> _Slot:
        run = self._living_run()
        name = str(next(self._numbers))
        home, data = run.place(name, self._template.facts["manifest"][1])
        slot = _Slot(name, Server(self._installation, home, data, port=self._port, listen=self._listen))
        try:
            copy_data(self._installation, self._template.data, data)
            with self._lock:
                self._living_run()
                slot.server.launch()
                self._slots[name] = slot
            slot.server.wait()
            self._catch_up(slot)
        except BaseException:
            with self._lock:
                self._slots.pop(name, None)
            self._destroy(slot)
            raise
        return slot

    def _catch_up(self, slot: _Slot) -> None:
        """Give a new server the names that were learned since the template was made."""
        while True:
            with self._lock:
                missing = self._learned[slot.learned :]
                slot.learned = len(self._learned)
                if not missing:
                    slot.ready = True
                    return
            create_names(slot.server.dsn(), missing)

    def _teach(self, slot: _Slot, source: Source) -> None:
        # A server that has died, or is released meanwhile, needs no names any more.
        with contextlib.suppress(psycopg.OperationalError):
            create_names(slot.server.dsn(), [source])

    def _register_building(self, server: Server) -> None:
        with self._lock:
            self._living_run()
            self._building.append(server)

    def _destroy(self, slot: _Slot) -> None:
        slot.server.kill()
        if self._run:
            self._run.remove(slot.name)


def _result(future: concurrent.futures.Future[T]) -> T:
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        raise ProviderClosedError from None
