"""The history file: what is kept, what is bounded, and what becomes of files that cannot be used."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from dbsafe_runner.domain.outcome import Outcome, Verdict
from dbsafe_runner.history.forecasts import Timing
from dbsafe_runner.history.observed import Observation
from dbsafe_runner.history.records import Code, KeptResult, KeptRun, WholeFile
from dbsafe_runner.history.store import KEPT_CODES, KEPT_RESULTS, HistoryStore

RUN = KeptRun(1735787045.0, 4, "balanced", "0.1.0", exit_code=0, span=1.5)
WRITES = Observation(written=frozenset({"shop/public.orders"}), connections=1, complete=1)
LEAVES = Observation(remaining=frozenset({"shop/public.orders"}), connections=2, complete=1)


def result(nodeid="t.py::test_a", *, call=0.1, outcome=Outcome.PASSED, seen=WRITES, code="c1", **more):
    timing = Timing(0.01, call, 0.02, more.pop("built", {}))
    return KeptResult(nodeid, outcome, timing, code=Code(code, code + "-all"), observation=seen, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "history.db"


def kept(path: Path, *results: KeptResult) -> HistoryStore:
    store = HistoryStore(path)
    store.add(RUN, results)
    store.close()
    return store


def codes(store: HistoryStore) -> list[str]:
    return [problem.code for problem in store.problems]


def test_what_is_kept_comes_back_latest_first(path):
    kept(path, result(call=0.1, built={"engine": 0.5}))
    kept(path, result(call=0.2))
    remembered = HistoryStore(path).remembered()
    timings = remembered.timings["t.py::test_a"]
    assert [timing.call for timing in timings] == [0.2, 0.1]
    assert timings[1].built == {"engine": 0.5}
    (seen,) = remembered.seen["t.py::test_a"]
    assert seen.code == Code("c1", "c1-all")
    assert seen.observation.written == WRITES.written
    assert seen.observation.complete == 2


def test_observations_of_the_same_code_merge_and_of_other_code_do_not(path):
    kept(path, result(seen=WRITES))
    kept(path, result(seen=LEAVES))
    kept(path, result(seen=WRITES, code="c2"))
    latest, earlier = HistoryStore(path).remembered().seen["t.py::test_a"]
    assert latest.code.own == "c2"
    assert not latest.observation.remaining
    assert earlier.observation.remaining == LEAVES.remaining
    assert earlier.observation.written == WRITES.written


def test_a_test_without_a_code_is_not_remembered_as_observed(path):
    kept(path, result(code=""), result("t.py::test_b", seen=None))
    assert HistoryStore(path).remembered().seen == {}


def test_errors_and_tests_that_did_not_run_have_no_duration(path):
    kept(path, result(outcome=Outcome.ERROR), result("t.py::test_b", outcome=Outcome.NOT_RUN))
    assert HistoryStore(path).remembered().timings == {}


def test_dependencies_that_were_found(path):
    found = result("t.py::test_b", outcome=Outcome.FAILED, verdict=Verdict.BRITTLE, other="t.py::test_a")
    kept(path, found, result())
    (one,) = HistoryStore(path).remembered().dependencies
    assert (one.nodeid, one.other, one.verdict) == ("t.py::test_b", "t.py::test_a", Verdict.BRITTLE)
    assert one.own_code == "c1"


def test_the_size_is_bounded(path):
    for number in range(KEPT_RESULTS + 20):
        kept(path, result(code=f"c{number}"))
    with sqlite3.connect(path) as connection:
        (results,) = connection.execute("select count(*) from result").fetchone()
        (runs,) = connection.execute("select count(*) from run").fetchone()
        (observations,) = connection.execute("select count(*) from observation").fetchone()
    connection.close()
    assert results == runs == KEPT_RESULTS
    assert observations == KEPT_CODES


def test_runs_at_the_same_time_are_all_kept(path):
    stores: list[HistoryStore] = []

    def one(number: int) -> None:
        stores.append(kept(path, *(result(f"t.py::test_{number}_{n}") for n in range(200))))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [codes(store) for store in stores] == [[]] * 6
    assert len(HistoryStore(path).remembered().timings) == 1200


def test_a_write_that_fails_keeps_nothing_of_the_run(path):
    kept(path, result())
    # What SQLite cannot store makes the transaction fail after its first statements.
    store = kept(path, result("t.py::test_b"), result("t.py::test_c", worker=object()))
    assert codes(store) == ["history-not-kept"]
    assert list(HistoryStore(path).remembered().timings) == ["t.py::test_a"]


@pytest.mark.parametrize(
    "content",
    [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "torn"],
)
def test_a_damaged_file_is_set_aside(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    store = kept(path, result())
    assert codes(store) == ["history-set-aside"]
    assert path.with_name("history.db.damaged").read_bytes() == content
    assert list(HistoryStore(path).remembered().timings) == ["t.py::test_a"]


def test_a_second_damaged_file_does_not_replace_the_first(path):
    for content in (b"first" * 300, b"second" * 300):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        HistoryStore(path).close()
    assert path.with_name("history.db.damaged").read_bytes() == b"first" * 300
    assert path.with_name("history.db.damaged-2").read_bytes() == b"second" * 300


def test_damage_that_shows_late_is_set_aside_too(path):
    kept(path, *(result(f"t.py::test_{number}") for number in range(2000)))
    data = bytearray(path.read_bytes())
    for place in range(8192, len(data), 4096):
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(data)
    store = HistoryStore(path)
    assert store.remembered().timings == {}
    store.add(RUN, [result()])
    assert codes(store) == ["history-set-aside"]
    assert list(HistoryStore(path).remembered().timings) == ["t.py::test_a"]


def test_whole_files_are_kept_and_bounded(path):
    for number in range(12):
        store = HistoryStore(path)
        store.add(
            RUN, [result()], [WholeFile("t.py", f"order {number}", "x"), WholeFile("u.py", "same", "y")]
        )
        store.close()
    whole = HistoryStore(path).remembered().whole
    assert {WholeFile("t.py", "order 11", "x"), WholeFile("u.py", "same", "y")} <= whole
    assert len(whole) <= KEPT_CODES + 3


def test_a_file_of_the_first_format_goes_on(path):
    kept(path, result(call=0.1))
    with sqlite3.connect(path) as connection:
        connection.execute("drop table whole_file")
        connection.execute("pragma user_version = 1")
    connection.close()
    store = HistoryStore(path)
    store.add(RUN, [result(call=0.2)], [WholeFile("t.py", "order")])
    assert codes(store) == []
    store.close()
    remembered = HistoryStore(path).remembered()
    assert [timing.call for timing in remembered.timings["t.py::test_a"]] == [0.2, 0.1]
    assert remembered.whole == {WholeFile("t.py", "order")}


def test_a_file_of_a_newer_dbsafe_is_set_aside(path):
    kept(path, result())
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    store = HistoryStore(path)
    assert codes(store) == ["history-set-aside"]
    assert "format 99" in store.problems[0].message
    assert path.with_name("history.db.version-99").exists()


def test_a_database_of_something_else_is_left_as_it_is(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("create table customers (name text)")
    connection.close()
    before = path.read_bytes()
    store = kept(path, result())
    assert codes(store) == ["history-not-ours"]
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["history.db"]


def test_a_place_that_cannot_be_written_to_costs_only_the_memory(tmp_path):
    (tmp_path / "file").write_text("")
    store = kept(tmp_path / "file" / "history.db", result())
    assert codes(store) == ["history-not-kept"]


def test_a_directory_in_the_place_of_the_file_costs_only_the_memory(path):
    path.mkdir(parents=True)
    store = kept(path, result())
    assert codes(store) == ["history-not-kept"]


def test_an_empty_file_is_a_new_history(path):
    path.parent.mkdir()
    path.write_bytes(b"")
    assert codes(kept(path, result())) == []
    assert list(HistoryStore(path).remembered().timings) == ["t.py::test_a"]


def test_no_file_at_all_is_a_history_in_memory():
    store = HistoryStore(None)
    store.add(RUN, [result()])
    assert list(store.remembered().timings) == ["t.py::test_a"]
