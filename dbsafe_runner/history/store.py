"""Store: what is read from the history and written to it. What is kept is in `schema.sql`.

A history that cannot be used never costs a run: it is set aside (nothing is deleted) or left alone, the
run goes on with one in memory, and `problems` says why. It decides nothing about tests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.history.files import (
    APPLICATION,
    VERSION,
    connect,
    create,
    identity,
    in_memory,
    is_damage,
    upgrade,
)
from dbsafe_runner.history.forecasts import RUNS, Timing
from dbsafe_runner.history.observed import Observation, merge
from dbsafe_runner.history.records import (
    Code,
    Dependency,
    KeptResult,
    KeptRun,
    Remembered,
    Seen,
    StoreProblem,
    WholeFile,
    facts_of,
    observation_of,
)

#: Results kept of each test, and the states of its code of which observations are kept.
KEPT_RESULTS = 30
KEPT_CODES = 3
#: A test that none of this many latest runs had is forgotten.
KEPT_RUNS = 500
#: What is kept beyond that is deleted in every so manieth run.
_TIDY_EVERY = 10

_UNTIMED = (Outcome.NOT_RUN.value, Outcome.ERROR.value)


class HistoryStore:
    """One history file, or one in memory where there can be no file.

    Args:
        path: the file; None for one in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.problems: list[StoreProblem] = []
        self._connection = self._opened()

    def remembered(self) -> Remembered:
        """All that earlier runs say about the tests."""
        try:
            return Remembered(self._timings(), self._seen(), self._dependencies(), self._whole())
        except sqlite3.Error as error:
            self._start_over(error)
            return Remembered()

    def add(self, run: KeptRun, results: Iterable[KeptResult], whole: Iterable[WholeFile] = ()) -> None:
        """Keep a run, all of it or nothing. What goes wrong is added to `problems`."""
        kept, files = list(results), list(whole)
        try:
            self._add(run, kept, files)
        except sqlite3.Error as error:
            if self._start_over(error):
                self._add(run, kept, files)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- opening -----------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self.path is None:
            return in_memory()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = connect(str(self.path))
        except OSError as error:
            return self._unusable(error)
        except sqlite3.Error as error:
            return self._failed(error)
        try:
            found = identity(connection)
            if found == (APPLICATION, VERSION):
                return connection
            if found is None:
                return create(connection)
            if found == (APPLICATION, 1):
                return upgrade(connection)
            connection.close()
            return self._not_ours(found)
        except sqlite3.Error as error:
            connection.close()
            return self._failed(error)

    def _failed(self, error: sqlite3.Error) -> sqlite3.Connection:
        return self._damaged(error) if is_damage(error) else self._unusable(error)

    def _not_ours(self, found: tuple[int, int]) -> sqlite3.Connection:
        application, version = found
        if application != APPLICATION:
            self._problem(
                "history-not-ours",
                f"{self.path} is a SQLite database of something else; it was left as it is, and nothing"
                " of this run is kept.",
                "Set `history` under [run] to another file.",
            )
            return in_memory()
        return self._set_aside(f"version-{version}", f"was written by a newer dbsafe (format {version})")

    def _damaged(self, error: sqlite3.Error) -> sqlite3.Connection:
        return self._set_aside("damaged", f"is damaged ({error})")

    def _set_aside(self, suffix: str, why: str) -> sqlite3.Connection:
        """Move the file out of the way and begin a new one."""
        assert self.path is not None
        target = _free_name(self.path, suffix)
        try:
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{tail}").rename(f"{target}{tail}")
            connection = connect(str(self.path))
            if identity(connection) is None:
                create(connection)
        except (OSError, sqlite3.Error) as error:
            return self._unusable(error)
        self._problem(
            "history-set-aside",
            f"The history {why}; it is now {target.name}, and a new one was begun.",
            "Durations and levels are learned again in this run.",
        )
        return connection

    def _unusable(self, error: Exception) -> sqlite3.Connection:
        reason = getattr(error, "strerror", None) or str(error)
        self._problem(
            "history-not-kept",
            f"The history {self.path} cannot be used, so this run is not remembered: {reason}.",
            "Set `history` under [run] to a file in a directory that can be written to.",
        )
        return self._read_only() or in_memory()

    def _read_only(self) -> sqlite3.Connection | None:
        """The file for reading alone, with what the last run that could write left in it."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            connection = connect(f"{self.path.resolve().as_uri()}?mode=ro&immutable=1")
            if identity(connection) == (APPLICATION, VERSION):
                return connection
            connection.close()
        except sqlite3.Error:
            pass
        return None

    def _start_over(self, error: sqlite3.Error) -> bool:
        """After a failure in the middle: whether there is a new file to go on with."""
        if self.path is None or not is_damage(error):
            if not any(problem.code == "history-not-kept" for problem in self.problems):
                self._unusable(error)
            return False
        self._connection.close()
        self._connection = self._damaged(error)
        return True

    def _problem(self, code: str, message: str, hint: str) -> None:
        self.problems.append(StoreProblem(code, message, hint))

    # --- reading -----------------------------------------------------------------------------------

    def _timings(self) -> dict[str, list[Timing]]:
        rows = self._connection.execute(
            """
            select nodeid, setup, call, teardown, built
              from (select *, row_number() over (partition by test order by run desc) as age
                      from result where outcome not in (?, ?)) as latest
              join test on test.id = latest.test
             where age <= ?
             order by latest.test, age
            """,
            (*_UNTIMED, RUNS),
        )
        found: dict[str, list[Timing]] = {}
        nothing: dict[str, float] = {}
        for nodeid, setup, call, teardown, built in rows:
            fixtures = json.loads(built) if built else nothing
            found.setdefault(nodeid, []).append(Timing(setup, call, teardown, fixtures))
        return found

    def _seen(self) -> dict[str, list[Seen]]:
        rows = self._connection.execute(
            """
            select nodeid, own_code, all_code, facts
              from observation join test on test.id = observation.test
             order by test.id, run desc
            """
        )
        # Most tests have been seen to do what others of their file do: equal values are kept once.
        known: dict[str, Observation] = {}
        kept: dict[tuple[str, str, str], Seen] = {}
        found: dict[str, list[Seen]] = {}
        for nodeid, own, everything, facts in rows:
            if facts not in known:
                known[facts] = observation_of(facts)
            key = own, everything, facts
            if key not in kept:
                kept[key] = Seen(Code(own, everything), known[facts])
            found.setdefault(nodeid, []).append(kept[key])
        return found

    def _dependencies(self) -> list[Dependency]:
        rows = self._connection.execute(
            """
            select test.nodeid, other.nodeid, verdict, own_code
              from dependency
              join test on test.id = dependency.test
              join test as other on other.id = dependency.other
             order by test.nodeid, other.nodeid
            """
        )
        return [Dependency(nodeid, other, Verdict(v), own) for nodeid, other, v, own in rows]

    def _whole(self) -> frozenset[WholeFile]:
        return frozenset(
            WholeFile(*row)
            for row in self._connection.execute("select file, tests, code from whole_file")
        )

    # --- writing -----------------------------------------------------------------------------------

    def _add(self, run: KeptRun, results: Sequence[KeptResult], whole: Sequence[WholeFile]) -> None:
        connection = self._connection
        connection.execute("begin immediate")
        try:
            columns = [field.name for field in dataclasses.fields(KeptRun)]
            number = connection.execute(
                f"insert into run ({', '.join(columns)}) values ({', '.join('?' * len(columns))})",  # noqa: S608
                [getattr(run, name) for name in columns],
            ).lastrowid
            assert number is not None
            ids = self._test_ids(results)
            connection.executemany(
                "insert or replace into result values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_result_row(ids[result.nodeid], number, result) for result in results],
            )
            self._add_observations(results, ids, number)
            self._add_dependencies(results, ids, number)
            connection.executemany(
                "insert or replace into whole_file values (?, ?, ?, ?)",
                [(one.file, one.tests, one.code, number) for one in whole],
            )
            if number % _TIDY_EVERY == 0:
                self._tidy(number)
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise

    def _test_ids(self, results: Sequence[KeptResult]) -> dict[str, int]:
        names = {result.nodeid for result in results}
        names |= {other for result in results for other in (result.other, *result.further)} - {""}
        self._connection.executemany(
            "insert or ignore into test (nodeid) values (?)", [(name,) for name in sorted(names)]
        )
        rows = self._connection.execute("select nodeid, id from test")
        return {nodeid: number for nodeid, number in rows if nodeid in names}

    def _add_observations(self, results: Sequence[KeptResult], ids: dict[str, int], number: int) -> None:
        kept = {
            (test, own, everything): facts
            for test, own, everything, facts in self._connection.execute(
                "select test, own_code, all_code, facts from observation"
            )
        }
        rows = []
        for result in results:
            if result.observation is None or not result.code.own:
                continue
            key = (ids[result.nodeid], result.code.own, result.code.all)
            earlier = [observation_of(kept[key])] if key in kept else []
            rows.append((*key, number, facts_of(merge([*earlier, result.observation]))))
        self._connection.executemany("insert or replace into observation values (?, ?, ?, ?, ?)", rows)

    def _add_dependencies(self, results: Sequence[KeptResult], ids: dict[str, int], number: int) -> None:
        self._connection.executemany(
            "insert or replace into dependency values (?, ?, ?, ?, ?)",
            [
                (ids[r.nodeid], ids[other], r.verdict.value, r.code.own, number)
                for r in results
                for other in (r.other, *r.further)
                if r.other and r.verdict in {Verdict.VICTIM, Verdict.BRITTLE}
            ],
        )

    def _tidy(self, number: int) -> None:
        """Delete what is beyond the bounds."""
        execute = self._connection.execute
        self._keep_newest("result", "test, run", KEPT_RESULTS, of="test")
        self._keep_newest("observation", "test, own_code, all_code", KEPT_CODES, of="test")
        self._keep_newest("whole_file", "file, tests, code", KEPT_CODES, of="file")
        execute("delete from run where id <= ? ", (number - KEPT_RUNS,))
        execute("delete from run where id < ? and id not in (select run from result)", (number,))
        execute(
            """
            delete from test where id not in (select test from result)
               and id not in (select other from dependency)
            """
        )

    def _keep_newest(self, table: str, key: str, kept: int, *, of: str) -> None:
        """Delete the older rows of each `of`, all but so many. The names are our own."""
        ranked = f"select *, row_number() over (partition by {of} order by run desc) as age from {table}"  # noqa: S608
        self._connection.execute(
            f"delete from {table} where ({key}) in (select {key} from ({ranked}) where age > ?)",  # noqa: S608
            (kept,),
        )


def _free_name(path: Path, suffix: str) -> Path:
    candidates = [f"{path.name}.{suffix}", *(f"{path.name}.{suffix}-{n}" for n in range(2, 1000))]
    return next(path.with_name(name) for name in candidates if not path.with_name(name).exists())


def _result_row(test: int, run: int, result: KeptResult) -> tuple[object, ...]:
    timing = result.timing
    built = json.dumps(dict(timing.built)) if timing.built else ""
    end = (result.outcome.value, result.verdict.value, result.worker, result.level)
    return (test, run, *end, timing.setup, timing.call, timing.teardown, built)
