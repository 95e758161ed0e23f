"""Footprints: sums up what was followed around a test into facts, evidence and confidence."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence

from dbsafe_runner.analysis import clean_up, lasting_state, marks
from dbsafe_runner.analysis.actions import NO_TABLES, Action, Kind
from dbsafe_runner.analysis.catalogue import orms
from dbsafe_runner.analysis.fixtures import Walk
from dbsafe_runner.analysis.project import SourceTree
from dbsafe_runner.analysis.transactions import GUARD, Change, Ledger
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Footprint, Weight
from dbsafe_runner.domain.test import Test

#: Pieces of evidence kept for one test.
MOST_EVIDENCE = 16
#: Stands among the written tables for changes of the schema that were dropped or rolled back again.
UNDONE_SCHEMA = "pg_catalog"
_HUGE = {"torch", "tensorflow", "jax", "transformers"}
_LARGE_IMPORT = re.compile(
    r"^\s*(?:import|from)\s+(numpy|pandas|polars|scipy|sklearn|pyarrow|matplotlib|cv2|PIL|xarray|dask"
    r"|torch|tensorflow|jax|transformers)\b",
    re.MULTILINE,
)
_LEAST_CONFIDENCE = 0.05
#: What it does not know about a database that is dropped in the end matters little.
_LEAST_IN_SCRATCH = 0.6
_TOUCHES = {
    Kind.CONNECT,
    Kind.READ,
    Kind.WRITE,
    Kind.CLEAN,
    Kind.DDL,
    Kind.TEMP,
    Kind.CLUSTER,
    Kind.LASTING,
    Kind.SESSION,
    Kind.SIGNAL,
}
_OPENS = {Kind.CONNECT, Kind.BEGIN}
#: Autouse fixtures by which a suite with pytest-django is known.
_PYTEST_DJANGO = {"_django_db_marker", "_django_setup_unittest", "_dj_autoclear_mailbox"}
_ROLLED_BACK_CASES = re.compile(
    r"^django\.(test|contrib\.gis).*\.TestCase$|^rest_framework\.test\.APITestCase$"
)
_FLUSHED_CASES = re.compile(
    r"^django\..*(TransactionTestCase|LiveServerTestCase)$|^rest_framework\.test\.APITransaction"
)


class Sum:
    """The summing up of one test; `imported` is what its files do when they are imported."""

    def __init__(self, walk: Walk, test: Test, sources: SourceTree, imported: Sequence[Action]) -> None:
        self._walk, self._test, self._sources = walk, test, sources
        #: File of SQL that is read -> the files that read it.
        self._reads: dict[str, set[str]] = {}
        for action in (*imported, *walk.wide, *walk.batch, *walk.setup, *walk.body, *walk.teardown):
            if action.kind is Kind.FILE:
                self._reads.setdefault(action.what, set()).add(action.file)
        self._before = {
            _sameness(action)
            for action in (*imported, *walk.wide, *walk.batch)
            if action.kind is Kind.DDL
        }
        self._evidence: dict[tuple[int, str, str, int], Evidence] = {}
        self._add_django()
        self._drop_django()
        self._own = [self._tolerated(action) for action in (*walk.setup, *walk.body, *walk.teardown)]
        self._by_kind: dict[Kind, list[Action]] = {}
        for action in self._own:
            self._by_kind.setdefault(action.kind, []).append(action)
        self._ledger = self._booked()
        self._changes = self._lasting()

    def footprint(self, littered: frozenset[str] = frozenset()) -> Footprint:
        """Return the footprint. `littered` are tables in which other tests of the file leave rows."""
        self._evidence = {}
        scratch = self._scratch()
        changes = [] if scratch else self._changes
        altered = [one for one in changes if one.action.kind is Kind.DDL]
        ddl, dropped = clean_up.schema(altered, self._walk.teardown)
        kept, gone = clean_up.gone_with(dropped, changes)
        rows, cleaned = self._rows(kept, littered)
        cleaned += gone
        undone = [] if scratch else [one for one in self._ledger.undone if _is_own(one)]
        self._tell(2, [one.action for one in ddl], "changes the schema: ")
        self._tell(3, [one.action for one in rows], "writes ")
        self._tell(4, [one.action for one in cleaned], "writes, and cleans up again, ")
        undone_rows = [one for one in undone if one.action.kind is not Kind.DDL]
        self._tell(4, [one.action for one in undone_rows], "writes, and rolls back, ")
        self._tell(4, [one.action for one in dropped], "changes the schema, and undoes that: ")
        written = {table for one in (*rows, *cleaned, *undone_rows) for table in one.action.tables}
        if dropped or len(undone) > len(undone_rows):
            written.add(UNDONE_SCHEMA)
        if not written and (rows or cleaned or undone_rows):
            written.add("?")
        made = Footprint(
            writes=_names(written),
            outlives=bool(rows),
            schema_changes=bool(ddl),
            sequences=_moved(one.action for one in rows),
        )
        return self._completed(made, scratch=scratch)

    def _completed(self, footprint: Footprint, *, scratch: bool) -> Footprint:
        """Return the footprint with the facts that have nothing to do with what remains of writes."""
        reads, cluster, signals = map(self._of, (Kind.READ, Kind.CLUSTER, Kind.SIGNAL))
        alone = self._alone()
        ordered = marks.order(self._test)
        self._tell(0, alone, "")
        self._tell(1, cluster, "changes the cluster: ")
        self._tell(5, reads[:4], "reads ")
        self._tell(5, self._of(Kind.TEMP)[:2], "makes a ")
        self._tell(5, signals[:2], "has to do with all sessions of the database: ")
        if ordered:
            self._note(0, ordered, self._test.code_file, self._test.line)
        if scratch:
            what = "works in a database that it creates and drops"
            self._note(4, what, self._test.code_file, self._test.line)
        return dataclasses.replace(
            footprint,
            connects=not _TOUCHES.isdisjoint(self._by_kind),
            reads=_names(table for action in reads for table in action.tables if table != "?"),
            cluster=_names(action.what for action in cluster),
            cluster_undone=clean_up.cluster(cluster, self._walk.teardown),
            signals=_names(action.what for action in signals),
            own_files=_names(one for one, by in self._reads.items() if by & self._walk.files),
            called_files=_names(one for one, by in self._reads.items() if not by & self._walk.files),
            alone=bool(alone or ordered),
            connections=self._connections(),
            batch_writes=self._batch_writes(),
            cpu=self._cpu(),
            memory=self._memory(),
            confidence=max(self._confidence(), _LEAST_IN_SCRATCH if scratch else 0.0),
            evidence=self._sorted_evidence(),
        )

    def _of(self, kind: Kind) -> list[Action]:
        """Return the test's own actions of one kind."""
        return self._by_kind.get(kind, [])

    def _alone(self) -> list[Action]:
        """Return the reasons to run alone; relative paths are the test's own once it has moved away."""
        found, moved = [], any(action.kind is Kind.MOVE for action in self._walk.batch)
        for action in self._own if Kind.ALONE in self._by_kind else ():
            moved = moved or action.kind is Kind.MOVE
            if action.kind is Kind.ALONE and not (action.flag and moved):
                found.append(action)
        return found

    def _add_django(self) -> None:
        """Put Django's own set-up and teardown around a test that asks for it by class or mark."""
        walk = self._walk
        mode = marks.django_mode(self._test)
        names = walk.ancestors
        if any(_FLUSHED_CASES.match(name) for name in names):
            mode = "flushes"
        elif any(_ROLLED_BACK_CASES.match(name) for name in names):
            mode = "rolls-back"
        flushed = any(action.what.startswith("flush after") for action in walk.teardown)
        if mode == "flushes" and not flushed:
            walk.teardown.append(
                _django(Kind.WRITE, "flush after a transactional test", frozenset({"?"}))
            )
            flushed = True
        if flushed:
            repeated = walk.after_flush()
            # It was all done before, when the test database was migrated.
            self._before |= {_sameness(one) for one in repeated if one.kind is Kind.DDL}
            walk.teardown.extend(repeated)
            guards = [action for action in walk.setup if action.what == GUARD]
            walk.setup[:] = [action for action in walk.setup if action not in guards]
            walk.setup.insert(0, _django(Kind.CONNECT, ""))
        elif mode == "rolls-back" and not any(action.what == GUARD for action in walk.setup):
            walk.setup[:0] = [_django(Kind.CONNECT, ""), _django(Kind.BEGIN, GUARD)]
            walk.teardown.append(_django(Kind.END, "", flag=True))

    def _drop_django(self) -> None:
        """Take away what goes through Django's connections in a test that has no use of them.

        Where pytest-django is in charge it refuses them to a test without mark, fixture or test class;
        elsewhere a `.save()` of something unknown is taken for a row only where Django is used for sure.
        """
        walk = self._walk
        around = (*walk.setup, *walk.teardown, *walk.batch, *walk.wide)
        allowed = any(action.link is orms.DJANGO and action.kind in _OPENS for action in around)
        # Only `django_db_blocker.unblock()` connects in a test's body.
        allowed = allowed or any(
            action.link is orms.DJANGO and action.kind is Kind.CONNECT for action in walk.body
        )
        refused = self._sources.project.django_settings and any(
            fixture.name in _PYTEST_DJANGO for fixture in self._test.fixtures
        )
        used = allowed or any(
            action.link is orms.DJANGO and action.what != orms.PERHAPS for action in walk.body
        )
        for phase in (walk.setup, walk.body, walk.teardown):
            if refused and not allowed:
                phase[:] = [action for action in phase if action.link is not orms.DJANGO]
            elif not used:
                phase[:] = [action for action in phase if action.what != orms.PERHAPS]

    def _tolerated(self, action: Action) -> Action:
        """Turn DDL that passes over what a wider fixture has already done into a read."""
        if action.kind is not Kind.DDL or not action.flag or "drop" in action.what.lower():
            return action
        done_before = _sameness(action) in self._before
        return action._replace(kind=Kind.READ, tables=NO_TABLES) if done_before else action

    def _booked(self) -> Ledger:
        walk, ledger = self._walk, Ledger()
        ledger.add("wide", walk.wide)
        ledger.add("batch", walk.batch)
        before, inside = len(walk.setup), len(walk.setup) + len(walk.body)
        ledger.add("setup", self._own[:before])
        ledger.add("body", self._own[before:inside])
        ledger.add("teardown", self._own[inside:])
        return ledger

    def _lasting(self) -> list[Change]:
        """Return the test's own changes that outlive it, or may be seen by the tests behind it."""
        lasting = [one for one in self._ledger.lasting if _is_own(one)]
        for link, change in self._ledger.pending():
            shared = link.name in self._walk.shared_links or link.name.startswith("import ")
            if _is_own(change) and shared:
                lasting.append(change)
            elif _is_own(change):
                self._ledger.undone.append(change)
        return lasting

    def state(self) -> lasting_state.Changes:
        """Return what the test and its batch's fixtures change that outlives it beside a database."""
        walk = self._walk
        moved = any(action.kind is Kind.MOVE for action in walk.batch)
        phases = {"batch": walk.batch, "setup": walk.setup, "body": walk.body, "teardown": walk.teardown}
        return lasting_state.changes(phases, moved=moved)

    def empties(self, *, surely: bool = False) -> frozenset[str]:
        """Return the tables that the test's set-up empties before it writes anything."""
        return frozenset(
            table
            for one in self._changes
            if one.phase == "setup" and one.action.kind is Kind.CLEAN
            if not (surely and one.action.maybe)
            for table in one.action.tables
        )

    def _rows(
        self, lasting: list[Change], littered: frozenset[str]
    ) -> tuple[list[Change], list[Change]]:
        """Split row changes into those that remain and those that the test takes back itself."""
        around = (*self._walk.wide, *self._walk.batch)
        wide = {table for action in around if _writes(action) for table in action.tables} | littered
        rows = [one for one in lasting if one.action.kind is not Kind.DDL]
        emptied = []
        for one in clean_up.needless(rows, wide):
            tables = ", ".join(sorted(one.action.tables))
            self._note(5, f"empties {tables}, where nothing is to be found", *self._place(one.action))
            rows.remove(one)
            # TRUNCATE gives even an empty table a new file; a DELETE that finds nothing writes nothing.
            emptied += [one] if one.action.what == "TRUNCATE" else []
        kept, cleaned = clean_up.rows(rows, wide)
        return kept, [*cleaned, *emptied]

    def _scratch(self) -> bool:
        """Return whether the test works in a database that it creates and drops itself."""
        drops = any(
            one.kind is Kind.CLUSTER and "DROP DATABASE" in one.what and not one.maybe
            for one in self._walk.teardown
        )
        return drops and clean_up.cluster(self._of(Kind.CLUSTER), self._walk.teardown)

    def _tell(self, rank: int, actions: Iterable[Action], prefix: str) -> None:
        for action in actions:
            tables = ", ".join(sorted(table for table in action.tables if table != "?"))
            what = action.what
            if prefix.startswith(("writes", "reads")):
                what = f"{tables or 'tables that are not known'}" + (
                    f" ({action.what})" if action.what else ""
                )
            self._note(rank, prefix + what, *self._place(action))

    def _note(self, rank: int, what: str, file: str, line: int) -> None:
        key = (rank, what, file, line)
        if key not in self._evidence:
            self._evidence[key] = Evidence(Source.STATIC, what, file, line)

    def _place(self, action: Action) -> tuple[str, int]:
        """Return where an action stands: for that of a plugin's fixture, the test that asks for it."""
        if not action.file:
            return self._test.code_file, self._test.line
        return self._sources.relative(action.file), action.line

    def _sorted_evidence(self) -> tuple[Evidence, ...]:
        ranked = sorted(self._evidence.items(), key=lambda item: item[0][0])
        return tuple(evidence for _, evidence in ranked[:MOST_EVIDENCE])

    def _confidence(self) -> float:
        confidence = 1.0
        seen: set[tuple[str, str, int]] = set()
        for action in self._of(Kind.DOUBT):
            key = (action.what, action.file, action.line)
            if key not in seen:
                seen.add(key)
                confidence *= 1.0 - action.weight
                self._note(6, f"not certain: {action.what}", *self._place(action))
        for file, problem in sorted(self._walk.problems.items()):
            confidence *= 0.3
            self._note(
                6,
                f"not certain: {self._sources.relative(file)} {problem}",
                self._sources.relative(file),
                0,
            )
        return max(round(confidence, 3), _LEAST_CONFIDENCE)

    def _connections(self) -> int:
        own = {
            action.link.name
            for kind in _TOUCHES & self._by_kind.keys()
            for action in self._by_kind[kind]
            if action.link is not None
        }
        return len(own)

    def _memory(self) -> Weight:
        return _memory_of(self._sources.text(self._sources.absolute(self._test.code_file)) or "")

    def _batch_writes(self) -> frozenset[str]:
        changes = [one for one in self._ledger.lasting if one.phase == "batch"]
        self._tell(5, [one.action for one in changes[:3]], "its batch's fixtures write ")
        return _names(table for one in changes for table in one.action.tables)

    def _cpu(self) -> Weight:
        heavy = self._of(Kind.HEAVY)
        self._tell(7, heavy[:2], "")
        return Weight.HEAVY if heavy else Weight.LIGHT


@functools.lru_cache(maxsize=8)
def _memory_of(text: str) -> Weight:
    """Return what the libraries that a test file imports need."""
    names = set(_LARGE_IMPORT.findall(text))
    if names & _HUGE:
        return Weight.HEAVY
    return Weight.MEDIUM if names else Weight.LIGHT


def _names(names: Iterable[str]) -> frozenset[str]:
    """Return a set: always the same one where it is empty, which most are, with 200 bytes each."""
    return frozenset(names) or NO_TABLES


def _moved(actions: Iterable[Action]) -> frozenset[str]:
    """Return the sequences that are moved on by name."""
    calls = {"setval()", "nextval()"}
    lasting = [one for one in actions if one.kind is Kind.LASTING and one.what in calls]
    return _names(sequence for one in lasting for sequence in one.tables)


def _sameness(action: Action) -> object:
    """Return what two schema changes have in common of which the second changes nothing.

    OR REPLACE puts something else in the place of what is there, unless it is the same statement again.
    """
    place = (action.file, action.line) if "OR REPLACE" in action.what else None
    return action.tables, action.what, place


def _is_own(change: Change) -> bool:
    return change.phase in {"setup", "body", "teardown"}


def _writes(action: Action) -> bool:
    return action.kind in {Kind.WRITE, Kind.LASTING}


def _django(kind: Kind, what: str, tables: frozenset[str] = NO_TABLES, *, flag: bool = False) -> Action:
    return Action(kind, orms.DJANGO, tables, what, "", 0, flag)
