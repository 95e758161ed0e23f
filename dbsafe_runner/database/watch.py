"""Watch: looks at a whole namespace, and keeps account of what in it is not as the baseline has it.

It changes nothing. What is to be done about the differences is decided in
`dbsafe_runner.database.reset`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator

from dbsafe_runner.database.baseline import Baseline
from dbsafe_runner.database.catalogs import describe_catalogs, news
from dbsafe_runner.database.cluster_state import ClusterState
from dbsafe_runner.database.large_objects import LargeObjects
from dbsafe_runner.database.link import LinkError, load_sql
from dbsafe_runner.database.links import Links
from dbsafe_runner.database.observation import File, Observer, Pulse, Sighting, take_pulse
from dbsafe_runner.database.scan_observation import ScanObserver, locked_relations
from dbsafe_runner.database.schema_repair import SchemaDifference
from dbsafe_runner.database.wal_observation import WalObserver
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Namespace

_DATABASES = load_sql("databases")
_SHARED = "0"
_FIRST_WITH_WAL = 150000

#: Something that can differ from the baseline: (database, oid of a relation, or one of the words below).
Key = tuple[str, str]
SCHEMA = "schema"
CLUSTER: Key = ("", "cluster")
#: A database whose baseline is not known, because nothing of the suite was expected in it.
UNKNOWN = "unknown"
#: Catalogs that making and dropping a temporary table writes to; TRUNCATE writes to the first only.
_OF_TEMPORARY_TABLES = frozenset(
    (
        "pg_class", "pg_attribute", "pg_type", "pg_depend", "pg_index", "pg_constraint", "pg_attrdef",
        "pg_sequence", "pg_namespace", "pg_description", "pg_inherits",
    )
)  # fmt: skip


@dataclasses.dataclass(slots=True)
class Window:
    """What happened between two looks: the parts of `Changes`, and the keys that were touched."""

    written: set[str] = dataclasses.field(default_factory=set)
    remaining: set[str] = dataclasses.field(default_factory=set)
    #: Those of `remaining` that are sequences.
    sequences: set[str] = dataclasses.field(default_factory=set)
    pending: set[str] = dataclasses.field(default_factory=set)
    held: set[str] = dataclasses.field(default_factory=set)
    ddl: list[str] = dataclasses.field(default_factory=list)
    ddl_undone: bool = False
    cluster: list[str] = dataclasses.field(default_factory=list)
    touched: set[Key] = dataclasses.field(default_factory=set)
    #: A session of the suite did something.
    used: bool = False

    def add(self, later: Window) -> None:
        """Take in the window that follows this one."""
        for field in dataclasses.fields(self):
            mine, its = getattr(self, field.name), getattr(later, field.name)
            setattr(self, field.name, mine + its if isinstance(mine, list) else mine | its)


class Watch:
    """Watches one namespace.

    Raises:
        LinkError: from every method, when the server is gone.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        # Locks on what is in a schema can be told only in its own database.
        at_home = namespace.kind is NamespaceKind.SCHEMA
        self.links = Links(namespace.admin_dsn, namespace.server_version, at_home=at_home)
        self.observer: Observer = self._choose_observer()
        #: Databases that are known: oid -> name.
        self.databases: dict[str, str] = {}
        self.baselines: dict[str, Baseline] = {}
        self.schemas: dict[str, SchemaDifference] = {}
        #: Databases without a baseline that were changed.
        self.unknown: set[str] = set()
        #: What open transactions had written to at the last look.
        self._held: set[str] = set()
        self._cluster_words: list[str] = []
        self._catalogs = describe_catalogs(self.links.watch)
        self.find_databases()
        self.pulse = self._take_pulse()
        self.cluster = (
            ClusterState(self.links, self._catalogs, self.pulse) if self.whole_server else None
        )
        self.observer.start(self.pulse)

    @property
    def whole_server(self) -> bool:
        """Whether all databases of the server, and what they share, belong to the namespace."""
        return self._namespace.kind is NamespaceKind.SERVER

    @property
    def own_databases(self) -> list[str] | None:
        """Oids of the databases that belong to the namespace; None for all."""
        return None if self.whole_server else list(self.databases)

    def find_databases(self) -> None:
        """Learn which databases there are, and make what new ones hold part of the baseline."""
        own = {self._namespace.database, *self._namespace.endpoint.databases.values()}
        rows = [
            (oid or "", name or "", template == "t")
            for oid, name, template in self.links.watch.query(_DATABASES)
            if self.whole_server or name in own or self._made_for_tests(name or "")
        ]
        self.databases = {oid: name for oid, name, _ in rows}
        for name in set(self.baselines) - set(self.databases.values()):
            self._forget(name)
        for _, name, template in rows:
            # A session in a template stands in the way of CREATE DATABASE; nothing is expected to
            # happen there.
            if name not in self.baselines and (name in own or not template):
                self.prepare(name)

    def find_made(self) -> bool:
        """Take in databases that a framework has made for this worker's tests; whether there are any."""
        if self._namespace.kind is NamespaceKind.DATABASE and self._namespace.endpoint.suffix:
            self.find_databases()
        return any(map(self._made_for_tests, self.databases.values()))

    def _made_for_tests(self, name: str) -> bool:
        """Whether a database carries the suffix that frameworks were given for this worker."""
        suffix = self._namespace.endpoint.suffix
        whole = self._namespace.kind is NamespaceKind.DATABASE
        return whole and bool(suffix) and name.endswith(f"_{suffix}")

    def _forget_dropped(self) -> None:
        """Leave out databases that a framework made for tests and has dropped, as it does in the end."""
        if any(map(self._made_for_tests, self.databases.values())):
            there = {oid for oid, _, _ in self.links.watch.repeat(_DATABASES, ())}
            for oid in set(self.databases) - there:
                self._forget(self.databases.pop(oid))

    def _forget(self, name: str) -> None:
        self.links.forget(name)
        self.unknown.discard(name)
        self.baselines.pop(name, None)
        self.schemas.pop(name, None)

    def prepare(self, database: str) -> None:
        """Make what is in `database` now its baseline."""
        link, scratch = self.links.data(database), self._namespace.scratch
        exact = self.observer.method == "wal"
        base = Baseline(database, link, scratch, self._catalogs, exact=exact)
        self.baselines[database] = base
        self.schemas[database] = SchemaDifference(base)

    def dirty(self) -> set[Key]:
        """Return all that is not as the baseline has it, as of the last look."""
        keys = {(name, oid) for name, base in self.baselines.items() for oid in base.dirty}
        keys |= {(name, SCHEMA) for name, schema in self.schemas.items() if schema}
        keys |= {(name, UNKNOWN) for name in self.unknown}
        return keys | ({CLUSTER} if self._cluster_words else set())

    def observe(self) -> Window:
        """Find out what happened since the last observation."""
        self._forget_dropped()
        before, self.pulse = self.pulse, self._take_pulse()
        window = Window(used=self.pulse.used_since(before))
        for base in self.baselines.values():
            while base.own_xids:
                self.observer.ours(base.own_xids.pop())
        if self._unmoved(before):
            # The end of a transaction that has written is written down, too.
            window.held = set(self._held)
            return window
        sighting = self.observer.look(self.pulse)
        locked = self.locked() if self.pulse.open_transactions else {}
        if sighting.everything and self.observer.method == "wal":
            self.unknown |= set(self.databases.values()) - set(self.baselines)
        self._watch_cluster(before, sighting, window)
        for oid, name in self.databases.items():
            self._watch_database(oid, name, sighting, locked, window)
        self._name_files(sighting, window)
        if self._namespace.kind is NamespaceKind.SCHEMA:
            # Catalogs are common to all schemas of a database: of what was made and dropped again nobody
            # knows in which it was.
            window.ddl_undone = False
        return window

    def locked(self) -> dict[tuple[str, str], bool]:
        """Return (database oid, relation oid) locked by the suite -> whether even reading would wait."""
        return locked_relations(self.links.watch, self.links.pids)

    def forget_cluster_changes(self) -> None:
        """What the databases share now is the baseline, or was brought back to it."""
        self._cluster_words = []

    def _choose_observer(self) -> Observer:
        if self.links.superuser and self._namespace.server_version >= _FIRST_WITH_WAL:
            try:
                return WalObserver(self.links.watch, self._namespace.server_version)
            except LinkError:
                pass
        return ScanObserver(self.links.watch, lambda: self.links.pids)

    def _take_pulse(self) -> Pulse:
        return take_pulse(self.links.watch, self.links.pids, self.own_databases)

    def _unmoved(self, before: Pulse) -> bool:
        now = self.pulse
        traceless = any(
            base.relations[oid].kind == "S" for base in self.baselines.values() for oid in base.unlogged
        )
        same = (now.wal, now.settings_file, now.slots) == (
            before.wal,
            before.settings_file,
            before.slots,
        )
        return same and not traceless

    def _watch_cluster(self, before: Pulse, sighting: Sighting, window: Window) -> None:
        if self.cluster is None:
            return
        shared = [file for oid, file in sighting.written if oid == _SHARED]
        compared = sighting.everything or self.cluster.concerns(shared)
        moved = self.cluster.compare(self.pulse.next_xid) if compared else []
        settings = ["server settings"] if before.settings_file != self.pulse.settings_file else []
        if compared or settings or before.slots != self.pulse.slots:
            words = self.cluster.differences(self.pulse)
            # A second change to what already differed may be described by the same words.
            again = [f"{name} changed" for name in moved + settings]
            window.cluster = news(self._cluster_words, words) or again
            if window.cluster:
                window.touched.add(CLUSTER)
            self._cluster_words = words

    def _watch_database(
        self,
        oid: str,
        name: str,
        sighting: Sighting,
        locked: dict[tuple[str, str], bool],
        window: Window,
    ) -> None:
        files = {file: xids for (database, file), xids in sighting.written.items() if database == oid}
        base = self.baselines.get(name)
        if base is None:
            if files:
                self.unknown.add(name)
                window.touched.add((name, UNKNOWN))
                window.ddl.append(f"{name} changed")
            return
        if not (files or sighting.undone or sighting.everything or base.unlogged):
            return
        self._note_wear(oid, base, sighting)
        undone = {base.files.get(file, "") for (database, file) in sighting.undone if database == oid}
        rolled_back = {base.relations[one].name for one in undone & base.relations.keys()}
        rolled_back &= base.catalogs.known.keys()
        window.ddl_undone |= bool(rolled_back) and self._was_ddl(rolled_back)
        suspects = self._suspects(base, files, sighting, window)
        unreadable = {
            relation for (database, relation), waits in locked.items() if waits and database == oid
        }
        forced = {one for one in suspects if self._older_writer(base, one, files)}
        known = {base.files[file] for file in files if file in base.files}
        changed = base.set_aside(suspects & unreadable)
        if readable := suspects - unreadable:
            changed |= base.examine(self.links.data(name), readable, known, forced & readable)
        window.remaining |= {base.label(one) for one in changed}
        window.sequences |= {
            base.label(one)
            for one in changed
            if (relation := base.relations.get(one)) is not None and relation.kind == "S"
        }
        window.touched |= {(name, one) for one in changed}

    @staticmethod
    def _note_wear(oid: str, base: Baseline, sighting: Sighting) -> None:
        """Add up what was written to each relation, which a restoration has to tidy up."""
        for (database, file), size in sighting.wear.items():
            relation = base.relations.get(base.files.get(file, "")) if database == oid else None
            if relation is not None:
                relation.wear += size

    def _suspects(
        self, base: Baseline, files: Collection[str], sighting: Sighting, window: Window
    ) -> set[str]:
        """Return the oids of relations that may have changed; compare the schema if that may have."""
        touched = self._touched(base, files)
        catalogs = {base.relations[oid].name for oid in touched if base.relations[oid].is_catalog}
        catalogs &= base.catalogs.known.keys()
        suspects = set(base.unlogged)
        if catalogs or sighting.everything:
            suspects |= self._watch_schema(base, None if sighting.everything else catalogs, window)
            touched = self._touched(base, files)
        if sighting.everything:
            touched |= {*base.data(), *LargeObjects.CATALOGS}
        # A sequence that has been used since its last reset leaves no trace in the WAL for 32 uses.
        touched |= {oid for oid in base.dirty if base.relations[oid].kind == "S"}
        return suspects | {
            oid for oid in touched if oid in LargeObjects.CATALOGS or not base.relations[oid].is_catalog
        }

    @staticmethod
    def _touched(base: Baseline, files: Collection[str]) -> set[str]:
        """Return the oids of relations in whose files, or TOAST files, something was written."""
        # A file of a relation that came and went since the last look leads to nothing.
        return {base.files[file] for file in files if file in base.files} & base.relations.keys()

    def _watch_schema(self, base: Baseline, names: set[str] | None, window: Window) -> set[str]:
        schema = self.schemas[base.database]
        words, moved = schema.compare(self.links.data(base.database), names)
        window.ddl += words
        if not words and names is not None:
            window.ddl_undone |= self._was_ddl(names)
        if words:
            window.touched.add((base.database, SCHEMA))
        return moved

    def _was_ddl(self, catalogs: set[str]) -> bool:
        """Whether writing to these catalogs was a schema change, if none of it is left.

        Temporary tables write to catalogs as well, a row type among other things; but unlike others
        they get no file that is logged.
        """
        if not catalogs <= _OF_TEMPORARY_TABLES:
            return True
        return "pg_attribute" in catalogs and (
            "pg_type" not in catalogs or self.observer.files_created()
        )

    def _older_writer(self, base: Baseline, oid: str, files: dict[str, set[int]]) -> bool:
        """Whether a transaction older than the relation's mark wrote: counting rows misleads then."""
        relation = base.relations[oid]
        mark = relation.mark % 2**32
        return relation.kind == "r" and any(xid < mark for xid in files.get(relation.filenode, ()))

    def _name_files(self, sighting: Sighting, window: Window) -> None:
        written = set(self._labels(sighting.written)) | set(self._labels(sighting.undone))
        window.pending = set(self._labels(sighting.fresh))
        window.held = {label for files in sighting.open.values() for label in self._labels(files)}
        locked = {
            base.label(relation)
            for oid, relation in sighting.locked
            if (base := self.baselines.get(self.databases.get(oid, ""))) is not None
            and relation in base.relations
        }
        window.held |= locked
        # Locks do not tell when they were taken: what was locked before may have been written to again,
        # unless nobody has done anything.
        window.pending |= locked if window.used else set()
        self._held = window.held
        window.written |= written | window.remaining | window.pending

    def _labels(self, files: Iterable[File]) -> Iterator[str]:
        for oid, file in files:
            base = self.baselines.get(self.databases.get(oid, ""))
            relation = base.files.get(file) if base is not None else None
            if base is None or relation is None or relation not in base.relations:
                continue
            if relation in LargeObjects.CATALOGS:
                yield f"{base.database}/pg_largeobject"
            elif not base.relations[relation].is_catalog:
                yield base.label(relation)
