"""Reset: keeps one namespace at its baseline, and says what the tests did to it.

A `Keeper` is made by the worker when it leases a namespace, before the suite has connected. It looks
after each test what has changed, and brings it back when it is told to. It never waits for a lock that
the suite holds, and ends no session but those with a transaction that a test left open.
"""

from __future__ import annotations

from dbsafe_runner.database.baseline import Baseline, StaleViewError
from dbsafe_runner.database.leftovers import Clock, Leftovers
from dbsafe_runner.database.link import LinkError
from dbsafe_runner.database.watch import CLUSTER, SCHEMA, UNKNOWN, Key, Watch, Window
from dbsafe_runner.domain.changes import Changes, ResetReport
from dbsafe_runner.domain.namespace import Namespace

_LOCK_NOT_AVAILABLE = "55P03"


class Keeper:
    """Looks after one namespace. It must not be used in a child of the process that made it.

    Args:
        namespace: fresh: nothing of the suite has connected to it yet.
        discreet: keep no session in the suite's databases between calls. Otherwise one stays for up to
            0.1 s after each, where a suite that counts sessions could see it.

    Raises:
        LinkError: from every method, when the server is gone.
    """

    def __init__(self, namespace: Namespace, *, discreet: bool = False) -> None:
        self._watch = Watch(namespace)
        self._links = self._watch.links
        self._links.discreet |= discreet
        self._leftovers = Leftovers(self._links, self._watch.own_databases)
        #: What was dirty before the last window began, and the last window itself.
        self._before: set[Key] = set()
        self._window = Window()
        #: Why the baseline cannot be had again, in words.
        self._beyond: list[str] = []
        self._links.release()

    @property
    def method(self) -> str:
        """How it observes: "wal" or "scan"."""
        return self._watch.observer.method

    def look(self) -> Changes:
        """Say what happened since the look before, and remember what has to be brought back."""
        before = self._watch.dirty()
        window = self._watch.observe()
        self._before, self._window = before, window
        self._links.release()
        pulse = self._watch.pulse
        return Changes(
            written=frozenset(window.written),
            remaining=frozenset(window.remaining),
            pending=frozenset(window.pending),
            held=frozenset(window.held),
            ddl=tuple(window.ddl),
            ddl_undone=window.ddl_undone,
            cluster=tuple(window.cluster),
            sessions=pulse.sessions,
            open_transactions=pulse.open_transactions,
            sequences=frozenset(window.sequences),
            used=window.used,
        )

    def mark(self) -> None:
        """Say that sessions and transactions that are open now belong to a fixture of wider scope.

        To be called when a module-, class- or package-scoped fixture has been set up: what it holds open
        is then not taken for a test's leak. `rebase` does this, too.
        """
        self._leftovers.mark()

    def rebase(self) -> None:
        """Make what happened since the last but one look part of the baseline.

        To be called when a session-scoped fixture has been set up, with a look before that and one
        after. Where the fixture changed what a test had changed before, what a reset should bring back
        exists nowhere: the next reset asks for a fresh namespace.
        """
        self._window.add(self._watch.observe())
        both = self._before & self._window.touched
        if both:
            names = ", ".join(sorted({f"{database}/{what}" for database, what in both}))
            self._beyond.append(f"a test and a session fixture both changed {names}")
        self._adopt(self._window.touched - both)
        if self._watch.find_made():
            self._leftovers.cover(self._watch.own_databases)
        self._leftovers.mark()
        self._before, self._window = self._watch.dirty(), Window()
        self._links.release()

    def reset(self) -> ResetReport:
        """Bring back the baseline.

        What an open transaction of the suite has locked stays as it is until a later reset. The report
        says in `retire` why the baseline cannot be had again; then only a fresh namespace helps.
        """
        started = Clock.seconds()
        self._window.add(self._watch.observe())
        leaks = self._end_leaks()
        restored: list[str] = []
        if not self._beyond:
            self._repair_schemas()
            self._repair_cluster()
        if not self._beyond:
            for base in self._watch.baselines.values():
                if base.dirty:
                    restored += self._restore(base, leaks)
        self._before, self._window = self._watch.dirty(), Window()
        self._links.release()
        return ResetReport(
            seconds=Clock.seconds() - started,
            restored=tuple(restored),
            retire="; ".join(self._beyond),
            leaks=tuple(leaks),
        )

    def close(self) -> None:
        """End our sessions."""
        self._links.close()

    def _adopt(self, keys: set[Key]) -> None:
        watch = self._watch
        for name, base in list(watch.baselines.items()):
            oids = [oid for oid in base.dirty if (name, oid) in keys]
            if (name, SCHEMA) in keys and watch.schemas[name]:
                base.adopt_schema(self._links.data(name))
                watch.schemas[name].forget()
                oids = list({*oids, *base.strangers()})
            if oids:
                base.adopt(self._links.data(name), oids)
        for name in [name for name in watch.unknown if (name, UNKNOWN) in keys]:
            watch.prepare(name)
            watch.unknown.discard(name)
        if CLUSTER in keys and watch.cluster is not None:
            watch.cluster.adopt(watch.pulse)
            watch.forget_cluster_changes()
            watch.find_databases()

    def _end_leaks(self) -> list[str]:
        leaks: list[str] = []
        if self._watch.pulse.open_transactions:
            leaks += self._leftovers.end_writers()
        if self._watch.pulse.prepared:
            leaks += self._leftovers.roll_back_prepared()
        if leaks:
            self._window.add(self._watch.observe())
        if self._watch.pulse.sessions:
            leaks += self._leftovers.held_locks()
        return leaks

    def _repair_schemas(self) -> None:
        self._beyond += [f"database {name} was changed" for name in sorted(self._watch.unknown)]
        for name, schema in self._watch.schemas.items():
            if schema and not self._beyond:
                xid, failure = schema.repair(self._links.data(name))
                self._watch.observer.ours(xid)
                self._beyond += [failure] if failure else []

    def _repair_cluster(self) -> None:
        cluster = self._watch.cluster
        if CLUSTER in self._watch.dirty() and cluster is not None and not self._beyond:
            failure = cluster.undo(self._watch.pulse)
            self._watch.forget_cluster_changes()
            self._beyond += [failure] if failure else []

    def _restore(self, base: Baseline, leaks: list[str]) -> list[str]:
        oids = self._unlocked(base)
        names = [base.label(oid) for oid in oids]
        if self._try(base, oids):
            return names
        # Something is locked: by a transaction that a test left open after reading, or by a fixture's.
        leaks += self._leftovers.end_readers()
        return [base.label(oid) for oid in oids if self._try(base, [oid])]

    def _unlocked(self, base: Baseline) -> list[str]:
        """Return what can be brought back; sequences that an open transaction uses cannot."""
        if not self._watch.pulse.open_transactions:
            return list(base.dirty)
        locked = self._watch.locked()
        database = next(oid for oid, name in self._watch.databases.items() if name == base.database)
        return [
            oid for oid in base.dirty if base.relations[oid].kind != "S" or (database, oid) not in locked
        ]

    def _try(self, base: Baseline, oids: list[str]) -> bool:
        """Bring relations back; False when a lock is in the way."""
        try:
            base.restore(
                self._links.data(base.database), oids, tidy=not self._watch.pulse.open_transactions
            )
        except StaleViewError as error:
            self._beyond.append(f"materialised view {error} was not up to date in the baseline")
        except LinkError as error:
            if error.sqlstate == _LOCK_NOT_AVAILABLE:
                return False
            self._beyond.append(f"{', '.join(map(base.label, oids))} cannot be brought back: {error}")
        return True
