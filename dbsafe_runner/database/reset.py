"""Reset: keeps one namespace at its baseline, and says what the tests did to it.

A `Keeper` is made by the worker when it leases a namespace, before the suite has connected. It looks after
each test what has changed, and brings it back when it is told to. It ends no session but those with a
transaction that a test left open; it never waits for a lock that the suite holds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from dbsafe_runner.database.baseline import Baseline
from dbsafe_runner.database.catalogs import Catalogs
from dbsafe_runner.database.link import LinkError, load_sql
from dbsafe_runner.database.links import Links
from dbsafe_runner.database.observation import File, Observer, Pulse, Sighting, take_pulse
from dbsafe_runner.database.wal_observation import WalObserver
from dbsafe_runner.domain.changes import Changes, ResetReport
from dbsafe_runner.domain.namespace import Namespace

_DATABASES = load_sql("databases")
_SHARED_FILES = load_sql("shared_files")
_LOCK_NOT_AVAILABLE = "55P03"
_SHARED = "0"


class _Clock:
    """The real clock, out of reach of tests that replace the functions of `time` in every module."""

    seconds = staticmethod(time.perf_counter)
    sleep = staticmethod(time.sleep)


class Keeper:
    """Looks after one namespace.

    Raises:
        LinkError: from every method, when the server is gone.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._links = Links(namespace.admin_dsn, namespace.server_version)
        self._observer: Observer = WalObserver(self._links.watch, namespace.server_version)
        #: Databases of the baseline: oid -> name.
        self._databases: dict[str, str] = {}
        self._baselines: dict[str, Baseline] = {}
        self._shared = Catalogs(self._links.watch, shared=True)
        self._shared_files: dict[str, str] = {}
        #: Schema changes that are still there: database -> catalog -> what was added, and whether rows are lost.
        self._schema: dict[str, dict[str, tuple[list[str], bool]]] = {}
        #: What cannot be brought back, in words.
        self._beyond: list[str] = []
        self._last: Pulse
        self._prepare()

    def look(self) -> Changes:
        """Say what happened since the look before, and remember what has to be brought back."""
        pulse = self._pulse()
        if pulse.wal == self._last.wal and not self._observer.waiting:
            self._last = pulse
            return Changes(sessions=pulse.sessions, open_transactions=pulse.open_transactions)
        sighting = self._observer.look(pulse)
        self._last = pulse
        changes = self._weigh(sighting, pulse)
        self._links.release()
        return changes

    def rebase(self) -> None:
        """Make what is there now the baseline."""
        self.look()
        for database, base in self._baselines.items():
            if base.dirty:
                base.adopt(self._links.data(database), list(base.dirty))
        self._links.release()

    def reset(self) -> ResetReport:
        """Bring back the baseline, or say in `retire` why that cannot be done."""
        started = _Clock.seconds()
        self.look()
        restored: list[str] = []
        if not self._beyond:
            for database, base in self._baselines.items():
                if base.dirty:
                    restored += self._restore(database, base)
        self._links.release()
        return ResetReport(
            seconds=_Clock.seconds() - started, restored=tuple(restored), retire="; ".join(self._beyond)
        )

    def close(self) -> None:
        """End our sessions."""
        self._links.close()

    def _prepare(self) -> None:
        for oid, name, template in self._links.watch.query(_DATABASES):
            self._databases[oid or ""] = name or ""
            if name == self._namespace.database or (template == "f" and name != "postgres"):
                self._baselines[name or ""] = self._new_baseline(name or "")
        self._shared_files = {
            file or "": name or "" for file, name in self._links.watch.query(_SHARED_FILES)
        }
        self._last = self._pulse()
        self._shared.remember(self._links.watch, self._last.next_xid)
        self._observer.start(self._last)
        self._links.release()

    def _new_baseline(self, name: str) -> Baseline:
        return Baseline(
            name, self._links.data(name), self._namespace.scratch, exact=self._observer.method == "wal"
        )

    def _pulse(self) -> Pulse:
        return take_pulse(self._links.watch, self._links.pids)

    def _weigh(self, sighting: Sighting, pulse: Pulse) -> Changes:
        """Turn suspects into changes, by comparing them with the baseline."""
        remaining: set[str] = set()
        for oid, files in _by_database(sighting.written):
            if (
                oid in self._databases
                and (base := self._baselines.get(self._databases[oid])) is not None
            ):
                remaining |= self._examine(base, files, sighting)
            elif oid in self._databases:
                self._beyond.append(f"database {self._databases[oid]} was changed")
        pending = {name for files in sighting.open.values() for name in self._names(files)}
        written = set(self._names(sighting.written)) | set(self._names(sighting.undone)) | pending
        ddl = tuple(
            f"{database}: {catalog} changed"
            for database, found in self._schema.items()
            for catalog in found
        )
        self._beyond += ddl
        return Changes(
            written=frozenset(written | remaining),
            remaining=frozenset(remaining),
            pending=frozenset(pending),
            ddl=ddl,
            sessions=pulse.sessions,
            open_transactions=pulse.open_transactions,
        )

    def _examine(self, base: Baseline, files: list[str], sighting: Sighting) -> set[str]:
        link = self._links.data(base.database)
        touched = {base.files.get(file, "") for file in files} - {""}
        catalogs = {base.relations[oid].name for oid in touched if base.relations[oid].is_catalog}
        suspects = {oid for oid in touched if not base.relations[oid].is_catalog}
        if catalogs & base.catalogs.known.keys():
            suspects |= self._compare_schema(base, catalogs)
        suspects |= {oid for oid in base.dirty if base.relations[oid].kind == "S"}
        oid_of_database = next(oid for oid, name in self._databases.items() if name == base.database)
        forced = {
            oid
            for oid in suspects
            if any(
                xid < base.relations[oid].mark % 2**32
                for xid in sighting.written.get((oid_of_database, base.relations[oid].filenode), ())
            )
        }
        return {base.label(base.relations[oid]) for oid in base.examine(link, suspects, forced)}

    def _compare_schema(self, base: Baseline, catalogs: Collection[str]) -> set[str]:
        """Note what differs in the schema; return relations that lie in other files than before."""
        link = self._links.data(base.database)
        difference = base.compare_catalogs(link, catalogs)
        found = self._schema.setdefault(base.database, {})
        for name in catalogs:
            added = [oid for catalog, oid in difference.added if catalog == name]
            if added or name in difference.lost:
                found[name] = (added, name in difference.lost)
            else:
                found.pop(name, None)
        if not found:
            del self._schema[base.database]
        return base.read_relations(link, difference.touched) if difference.touched else set()

    def _names(self, files: Collection[File]) -> Iterator[str]:
        for oid, file in files:
            base = self._baselines.get(self._databases.get(oid, ""))
            if (
                base is not None
                and (relation := base.relations.get(base.files.get(file, ""))) is not None
            ):
                yield base.label(relation)

    def _restore(self, database: str, base: Baseline) -> list[str]:
        chosen = list(base.dirty)
        link = self._links.data(database)
        names = [base.label(base.relations[oid]) for oid in chosen]
        try:
            self._observer.ours(base.restore(link, chosen))
        except LinkError as error:
            if error.sqlstate != _LOCK_NOT_AVAILABLE:
                raise
            return []
        return names


def _by_database(files: Collection[File]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for oid, file in files:
        found.setdefault(oid, []).append(file)
    return sorted(found.items())
