from __future__ import annotations

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.domain.outcome import Outcome, Result, Verdict
from dbsafe_runner.history.recording import HistorySink
from dbsafe_runner.history.records import Code, WholeFile
from dbsafe_runner.history.store import HistoryStore

STARTED = events.RunStarted(0.0, 1735787045.0, (), "/shop", "balanced", 2, "0.1.0", "3.12.1")
ROWS = frozenset({"shop/public.orders"})
NODEID = "t.py::test_a"


def finished(outcome=Outcome.PASSED, verdict=Verdict.CLEAR, changes=None, **more) -> events.TestFinished:
    result = Result(NODEID, outcome, {"setup": 0.5, "call": 1.0}, "gw0", 0.0, verdict=verdict)
    return events.TestFinished(1.0, result, "none", 3, changes=changes, **more)


@pytest.fixture
def store():
    return HistoryStore(None)


def record(store: HistoryStore, *stream: events.RunEvent) -> HistorySink:
    sink = HistorySink(store)
    sink.knows({NODEID: Code("own", "all")})
    for event in (STARTED, *stream):
        sink.on(event)
    sink.close()
    return sink


def test_a_whole_run_is_kept(store):
    stream = make_run(Scenario(tests=60))
    ended = {one.result.nodeid for one in stream if isinstance(one, events.TestFinished)}
    sink = HistorySink(store)
    for event in stream:
        sink.on(event)
    sink.close()
    assert set(store.remembered().timings) <= ended
    assert len(store.remembered().timings) > 40


WHOLE = WholeFile("t.py", "order", "code", (NODEID,))


@pytest.mark.parametrize(
    ("ended", "kept"),
    [
        ({}, True),
        ({"outcome": Outcome.FAILED, "verdict": Verdict.CONFIRMED}, True),
        ({"verdict": Verdict.FLAKY}, True),
        # Nobody has found out what these hang on.
        ({"outcome": Outcome.FAILED}, False),
        ({"outcome": Outcome.XFAILED}, False),
        ({"outcome": Outcome.XPASSED}, False),
        ({"outcome": Outcome.SKIPPED}, False),
        ({"in_place": False}, False),
    ],
)
def test_a_file_is_kept_as_whole_when_all_its_tests_ended_as_in_a_serial_run(store, ended, kept):
    sink = HistorySink(store)
    sink.knows(
        {NODEID: Code("own", "all")}, [WHOLE, WholeFile("u.py", "order", "code", (NODEID, "u.py::t"))]
    )
    sink.on(STARTED)
    sink.on(finished(**{"in_place": True, **ended}))
    sink.close()
    assert store.remembered().whole == (frozenset({WHOLE}) if kept else frozenset())


@pytest.mark.parametrize(
    ("verdict", "before", "needed"),
    [
        (Verdict.BRITTLE, ("t.py::x", "t.py::y"), {"t.py::x", "t.py::y"}),
        (Verdict.VICTIM, ("t.py::x",), {"t.py::x"}),
        (Verdict.BRITTLE, (), set()),
        (Verdict.FLAKY, ("t.py::x",), set()),
    ],
)
def test_what_hangs_on_tests_that_were_not_found_out_is_kept_behind_its_file(
    store, verdict, before, needed
):
    sink = HistorySink(store)
    sink.knows({}, [WholeFile("t.py", "order", "code", (*before, NODEID, "t.py::later"))])
    sink.on(STARTED)
    sink.on(finished(verdict=verdict))
    sink.close()
    found = store.remembered().dependencies
    assert {(one.nodeid, one.other, one.verdict) for one in found} == {
        (NODEID, other, verdict) for other in needed
    }


def test_a_test_that_is_skipped_before_it_begins_leaves_its_file_whole(store):
    sink = HistorySink(store)
    sink.knows({}, [WHOLE])
    sink.on(STARTED)
    result = Result(NODEID, Outcome.SKIPPED, {"setup": 0.5}, "gw0", 0.0)
    sink.on(events.TestFinished(1.0, result, "none", 3, in_place=True))
    sink.close()
    assert store.remembered().whole == {WHOLE}


def test_nothing_is_kept_of_a_run_without_a_test(store):
    record(store)
    record(store, finished())
    (timing,) = store.remembered().timings[NODEID]
    assert (timing.setup, timing.call, timing.teardown) == (0.5, 1.0, 0.0)


def test_closing_twice_keeps_the_run_once(store):
    record(store, finished()).close()
    assert len(store.remembered().timings[NODEID]) == 1


def test_an_error_at_the_end_of_the_session_outweighs_but_hides_nothing(store):
    late = finished(Outcome.ERROR, observed=False)
    sink = record(store, finished(changes=Changes(written=ROWS)), late)
    assert sink.observations[NODEID].written == ROWS
    assert sink.observations[NODEID].complete == 1
    # Its durations are those of an error, which predict nothing.
    assert store.remembered().timings == {}


@pytest.mark.parametrize("verdict", [Verdict.FLAKY, Verdict.VICTIM, Verdict.BRITTLE, Verdict.CONFIRMED])
def test_what_a_trial_shows_is_never_the_only_evidence(store, verdict):
    sink = record(store, finished(verdict=verdict, changes=Changes(written=ROWS)))
    assert sink.observations[NODEID].complete == 0


def test_a_test_that_could_not_be_looked_at_is_not_observed(store):
    assert record(store, finished(observed=False)).observations == {}
