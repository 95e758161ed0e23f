"""Namespaces on the user's server: a warm pool, leases and connection budgets for every kind.

`UserServerProvider` is what the dispatcher uses; see `dbsafe_runner.database.provider` for what its
methods promise. What a namespace is made of is the work of a `Maker`.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import psycopg

from dbsafe_runner.database.connection_room import MAKERS, ConnectionRoom
from dbsafe_runner.database.ending import Ending
from dbsafe_runner.database.leases import Leases, Metrics, room
from dbsafe_runner.database.making import Made, Maker, Workplace
from dbsafe_runner.database.own_leftovers import remove_leftovers, remove_made_by_tests
from dbsafe_runner.database.passwords import masked
from dbsafe_runner.database.provider import Keepsake, ProviderClosedError, Report, TemplateInfo, not_kept
from dbsafe_runner.database.server_errors import connections_short, server_error, server_lost
from dbsafe_runner.database.server_health import Health
from dbsafe_runner.database.strays import Stray, StrayFinder
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Namespace
from dbsafe_runner.errors import UserError

#: Seconds between two looks at our claim, and at the number of connections while they are short.
PULSE: Final = 1.0

_INSIDE: Final = """
select count(*) from pg_stat_activity where datname = any (%s) and application_name not like 'dbsafe%%'
"""


class UserServerProvider:
    """Namespaces on a server that the user gave.

    The caller must call `close` in the end, also after an error. Should the process die without it, the
    next run on the server removes what this one left.

    Args:
        maker: of the namespaces.
        place: what the maker works with.
        why: why its kind was chosen, in words.
    """

    def __init__(self, maker: Maker, place: Workplace, why: str) -> None:
        self._maker = maker
        self._place = place
        self._why = why
        self._lock = threading.RLock()
        self._made: dict[str, Made] = {}
        self._warm: collections.deque[concurrent.futures.Future[Made]] = collections.deque()
        self._makers = concurrent.futures.ThreadPoolExecutor(MAKERS, thread_name_prefix="dbsafe-clones")
        self._leases = Leases()
        shared = place.address.database if maker.kind is NamespaceKind.SCHEMA else ""
        self._room = ConnectionRoom(place.facts.capacity, shared)
        self._health = Health(place.patience, place.closing, self._leases.metrics)
        self._finder: StrayFinder | None = None
        self._strays: list[Stray] = []
        self._expected = 0
        self._report: Report = lambda _text: None
        self._pulse: threading.Thread | None = None
        self._closed = False

    @property
    def kind(self) -> NamespaceKind:
        """What its namespaces are made of."""
        return self._maker.kind

    @property
    def metrics(self) -> Metrics:
        """What happened to its leases so far."""
        return self._leases.metrics

    @property
    def limits(self) -> tuple[str, ...]:
        """What does not work there, or is otherwise than asked for; complete after `prepare`."""
        return tuple(self._place.limits)

    def mask(self, text: str) -> str:
        """A text without the passwords of its URLs, and of those that the suite logs in by."""
        place = self._place
        for source in place.sources:
            text = masked(text, source.password, (source.user, source.database))
        return place.direct.mask(place.address.mask(text))

    def fit(self, workers: int) -> int:
        """How many of the wanted workers the server has connections for; at least one.

        Raises:
            UserError: `server-unreachable`.
        """
        places = max(1, room(self.free_connections()))
        if places >= workers:
            return workers
        self._place.limits.append(
            f"Only {places} of {workers} workers: the server has connections for no more."
        )
        return places

    def prepare(self, report: Report) -> TemplateInfo:
        """See `NamespaceProvider.prepare`."""
        started = time.monotonic()
        self._report = self._health.report = report
        address, facts = self._place.address, self._place.facts
        report(f"PostgreSQL {facts.version} at {address.shown}: {self._why}")
        self._makers.submit(remove_leftovers, self._place.sessions)
        self._place.find_closed()
        try:
            key, reused = self._maker.prepare(report)
        except psycopg.Error as error:
            self._check_open()
            raise server_error(error, address.mask(str(error))) from error
        self._check_open()
        with self._place.sessions.session() as connection:
            shared = {address.database} if self.kind is NamespaceKind.SCHEMA else set()
            self._finder = StrayFinder(connection, sorted({*self._place.closed} - shared))
        self._pulse = threading.Thread(target=self._beat, name="dbsafe-leases", daemon=True)
        self._pulse.start()
        return TemplateInfo(facts.version, key, time.monotonic() - started, reused)

    def acquire(self, worker: str) -> Namespace:
        """See `NamespaceProvider.acquire`. Waits, bounded, for connections that others use."""
        started = time.monotonic()
        try:
            connections = self._connections()
            made = self._next()
        except psycopg.Error as error:
            self._check_open()
            raise server_error(error, self._place.address.mask(str(error))) from error
        except UserError as error:
            if error.code != "server-unreachable":
                raise
            raise server_lost(error.cause) from error
        name = made.names[0]
        now = time.monotonic()
        with self._lock:
            lease = self._leases.grant(worker, name, connections, now, now - started)
            self._made[name] = made
            if not self._closed:
                self._makers.submit(self._maker.label, made, worker)
        return Namespace(
            name=name,
            kind=self.kind,
            generation=lease.generation,
            endpoint=made.endpoint,
            admin_dsn=made.admin_dsn,
            database=made.database,
            server_version=self._place.facts.version_num,
            scratch=str(self._place.scratch),
        )

    def warm(self, count: int) -> None:
        """See `NamespaceProvider.warm`."""
        with self._lock:
            self._expected = max(self._expected, count)
            while not self._closed and len(self._warm) < count:
                self._warm.append(self._makers.submit(self._health.patiently, self._maker.make))

    def release(self, namespace: Namespace) -> None:
        """See `NamespaceProvider.release`."""
        with self._lock:
            made = self._made.pop(namespace.name, None)
        if made is None:
            return
        leaks = self._sessions_in(made)
        with self._lock:
            self._leases.end(namespace.name, leaks)
        try:
            self._maker.remove(made)
            self._remove_made_by_tests(made.endpoint.suffix)
        except (psycopg.Error, UserError, ProviderClosedError):
            # The server may be gone for a while; what cannot be removed in the end the janitor gets.
            with self._lock:
                self._made[namespace.name] = made

    def keep(self, namespace: Namespace, nodeid: str) -> Keepsake:
        """See `NamespaceProvider.keep`."""
        with self._lock:
            made = self._made.pop(namespace.name)
            self._leases.end(namespace.name, 0)
        try:
            self._maker.label(made, "", kept=nodeid)
        except (psycopg.Error, UserError) as error:
            with contextlib.suppress(psycopg.Error, UserError, ProviderClosedError):
                self._maker.remove(made)
            raise not_kept(self._place.address.mask(str(error))) from error
        name = made.names[0]
        place = f"the {self.kind.value} {name} on {self._place.address.shown}"
        return Keepsake(name, place, self._place.option, self._place.note)

    def trouble(self, namespace: Namespace) -> str:
        """See `NamespaceProvider.trouble`."""
        with self._lock:
            made = self._made.get(namespace.name)
        if made is None:
            return f"{namespace.name} was removed"
        try:
            return f"something else has dropped {made.names[0]}" if self._maker.missing(made) else ""
        except (psycopg.Error, UserError) as error:
            return f"its server does not answer: {self._place.address.mask(str(error))}".strip()

    def learn(self, role: str, database: str, namespace: Namespace) -> None:
        """Nothing: what the suite means was known before, and nothing else is made on the server."""

    def adopt(self, namespace: Namespace) -> None:
        """See `NamespaceProvider.adopt`."""
        with self._lock:
            made = self._made[namespace.name]
            outdated = list(self._warm)
            self._warm.clear()
        self._maker.adopt(made)
        for future in outdated:
            if not future.cancel():
                with contextlib.suppress(Exception):
                    self._maker.remove(future.result())
        self.warm(len(outdated))

    def close(self) -> None:
        """See `NamespaceProvider.close`."""
        place = self._place
        with self._lock:
            if self._closed:
                return
            self._closed = True
            warm = list(self._warm)
            self._warm.clear()
        place.closing.set()
        place.ending.come()
        self._makers.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            left = [*self._made.values()]
            self._made.clear()
        left += [future.result() for future in warm if _succeeded(future)]
        with concurrent.futures.ThreadPoolExecutor(MAKERS) as removers:
            done = [removers.submit(self._maker.remove, made) for made in left]
            done.append(removers.submit(self._maker.close))
            done.append(removers.submit(self._remove_made_by_tests, ""))
            concurrent.futures.wait(done)
        if self._pulse is not None:
            self._pulse.join()
        place.claim.close()
        place.sessions.close()
        shutil.rmtree(place.scratch, ignore_errors=True)

    def _remove_made_by_tests(self, suffix: str) -> None:
        """Remove what tests made under the suffix of a namespace, or of any of the run for ""."""
        with self._place.sessions.session() as connection:
            remove_made_by_tests(connection, self._place.run, suffix)

    def free_connections(self) -> int:
        """How many connections all namespaces together may have, as of now."""
        place = self._place
        with self._lock:
            own = [name for made in self._made.values() for name in made.names]
            promised = self._leases.promised
        with place.sessions.session() as connection:
            return self._room.free(connection, own, promised)

    def _connections(self) -> int:
        deadline = time.monotonic() + self._place.patience
        told, before = False, 0
        while True:
            self._check_open()
            free = self._health.patiently(self.free_connections)
            with self._lock:
                connections = self._leases.share(free, self._expected)
                promised = self._leases.promised
            if connections:
                return connections
            if promised != before:
                # Workers come to their ends and give back what they had: this one's turn will come.
                deadline, before = time.monotonic() + self._place.patience, promised
            if time.monotonic() >= deadline:
                raise connections_short(self._place, free, promised)
            if not told:
                self._report(f"waiting for connections: the server has {max(free, 0)} left for this run")
                told = True
            self._place.closing.wait(PULSE)

    def _next(self) -> Made:
        with self._lock:
            self._check_open()
            future = (
                self._warm.popleft()
                if self._warm
                else self._makers.submit(self._health.patiently, self._maker.make)
            )
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ProviderClosedError from None

    def take_strays(self) -> list[Stray]:
        """Connections past the redirection that were found since the last call."""
        with self._lock:
            taken, self._strays = self._strays, []
        return taken

    def _sessions_in(self, made: Made) -> int:
        if self.kind is not NamespaceKind.DATABASE:
            return 0
        with contextlib.suppress(psycopg.Error, UserError, ProviderClosedError):
            with self._place.sessions.session() as connection:
                row = connection.execute(_INSIDE, [list(made.names)]).fetchone()
            return row[0] if row else 0
        return 0

    def _beat(self) -> None:
        """Keep the claim and the leases alive until the run ends, and see who connects where."""
        pause = PULSE
        while not self._place.closing.wait(pause):
            away = self._health.lost
            try:
                if self._place.claim.renew() and not away:
                    away = True
                    self._leases.metrics.recoveries += 1
                self._look_for_strays()
            except (UserError, psycopg.Error):
                self._health.failed()
                pause = max(PULSE, self._health.pause)
                continue
            self._health.answered()
            pause = PULSE
            self._renew(away)

    def _renew(self, away: bool) -> None:
        """Renew the leases. Those that ran out while the server was away are over.

        Without our claim, other runs were free to remove their namespaces: what a worker then finds
        under the name is not known. It loses its sessions, and gets another namespace.
        """
        now = time.monotonic()
        with self._lock:
            over = self._leases.revoke_expired(now) if away else []
            self._leases.renew(now)
            for lease in over:
                self._report(f"{lease.worker} gets another namespace: the server was away for too long")
                if not self._closed and lease.namespace in self._made:
                    self._makers.submit(self._maker.remove, self._made[lease.namespace])

    def _look_for_strays(self) -> None:
        if self._finder is not None:
            with self._place.sessions.session() as connection:
                found = self._finder.find(connection)
            with self._lock:
                self._strays += found

    def _check_open(self) -> None:
        if self._closed or self._place.closing.is_set():
            raise ProviderClosedError


def scratch_directory() -> Path:
    """A private directory for files of this run.

    It looks like the dispatcher's (`dbsafe_runner.workers.run_directory`): what a killed run leaves
    is removed with those. Its lock is held until the process ends.
    """
    directory = Path(tempfile.mkdtemp(prefix="dbsafe-run-"))
    fcntl.flock(os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600), fcntl.LOCK_EX)
    return directory


def new_ending() -> tuple[Ending, threading.Event]:
    """What tells everybody that the run is over."""
    return Ending(), threading.Event()


def _succeeded(future: concurrent.futures.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
