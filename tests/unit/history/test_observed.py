from __future__ import annotations

import json

import pytest

from dbsafe_runner.analysis.levels import Privacy, derive_level
from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.domain.evidence import Source
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Outcome
from dbsafe_runner.history.observed import Observation, footprint, in_words, merge, observe
from dbsafe_runner.history.records import facts_of, observation_of

ROWS = frozenset({"shop/public.orders"})
SEQUENCE = frozenset({"shop/public.orders_id_seq"})


def level(changes: Changes | None, connections: int = 0) -> Level:
    seen = observe(Outcome.PASSED, changes, connections)
    assert seen is not None
    return derive_level(footprint(seen), Privacy.SERVER)


@pytest.mark.parametrize(
    ("changes", "connections", "expected"),
    [
        (None, 0, Level.NONE),
        (Changes(), 0, Level.NONE),
        (Changes(sessions=3), 0, Level.NONE),
        (Changes(sessions=3, used=True), 0, Level.READ_ONLY),
        (Changes(), 1, Level.READ_ONLY),
        (Changes(written=ROWS), 1, Level.ISOLATED_WRITES),
        (Changes(ddl_undone=True), 1, Level.ISOLATED_WRITES),
        (Changes(written=ROWS, remaining=ROWS), 1, Level.SHARED_WRITES),
        (Changes(written=ROWS, pending=ROWS), 1, Level.SHARED_WRITES),
        (Changes(ddl=("shop/public.extra created",)), 1, Level.SCHEMA_CHANGES),
        (Changes(cluster=("role reporting created",)), 1, Level.SCHEMA_CHANGES),
    ],
)
def test_levels_of_what_was_seen(changes, connections, expected):
    assert level(changes, connections) is expected


def test_a_sequence_alone_is_what_rolling_back_leaves():
    rolled_back = Changes(written=ROWS | SEQUENCE, remaining=SEQUENCE, sequences=SEQUENCE)
    assert level(rolled_back, 1) is Level.ISOLATED_WRITES
    committed = Changes(written=ROWS | SEQUENCE, remaining=ROWS | SEQUENCE, sequences=SEQUENCE)
    assert level(committed, 1) is Level.SHARED_WRITES


def test_cluster_changes_need_to_be_alone_on_a_shared_server():
    seen = observe(Outcome.PASSED, Changes(cluster=("role reporting created",)), 1)
    assert seen is not None
    assert derive_level(footprint(seen)) is Level.SEQUENTIAL_ONLY


def test_what_could_not_be_looked_at_says_nothing():
    assert observe(Outcome.PASSED, None, 0, seen=False) is None
    assert observe(Outcome.NOT_RUN, None, 0) is None


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED, Outcome.XFAILED])
def test_a_test_that_may_have_stopped_early_is_not_complete(outcome):
    seen = observe(outcome, Changes(written=ROWS), 1)
    assert seen is not None
    assert seen.complete == 0
    assert seen.written == ROWS


def test_observations_merge_upward():
    calm = observe(Outcome.PASSED, Changes(), 1)
    wild = observe(Outcome.FAILED, Changes(written=ROWS, remaining=ROWS), 2)
    assert calm is not None
    assert wild is not None
    merged = merge([calm, wild])
    assert merged.remaining == ROWS
    assert merged.connections == 2
    assert merged.complete == 1
    assert derive_level(footprint(merged)) is Level.SHARED_WRITES
    assert merge([merged, calm]).remaining == ROWS


def test_a_process_that_may_have_connected_counts_as_one_that_has():
    seen = observe(Outcome.PASSED, Changes(), 0, processes=1)
    assert seen is not None
    assert derive_level(footprint(seen), Privacy.SERVER) is Level.READ_ONLY
    assert (footprint(seen).connections, footprint(seen).processes) == (0, 1)
    assert merge([seen, Observation(processes=3)]).processes == 3
    assert observation_of(facts_of(seen)) == seen


def test_merging_nothing_is_an_empty_observation():
    assert merge([]) == Observation()


def test_evidence_says_what_was_observed_the_gravest_first():
    tables = frozenset(f"shop/public.t{number}" for number in range(6))
    seen = Observation(
        written=tables,
        remaining=tables,
        ddl=frozenset({"shop/public.extra created"}),
        open_transactions=1,
        complete=1,
    )
    words = in_words(seen)
    assert words[0] == "leaves the schema changed: shop/public.extra created"
    assert words[1].endswith("shop/public.t3 and 2 more")
    assert words[-1] == "ends with 1 transaction open"
    evidence = footprint(seen).evidence
    assert {one.source for one in evidence} == {Source.OBSERVED}
    assert [one.what for one in evidence] == words


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Observation(), ["opens no connection"]),
        (Observation(connections=2), ["opens 2 connections and writes nothing"]),
        (Observation(connections=1, processes=1), ["opens 1 connection and writes nothing"]),
        (Observation(processes=1), ["starts 1 process, which may have connected"]),
        (Observation(processes=2), ["starts 2 processes, which may have connected"]),
        (Observation(used=True), ["uses an open session and writes nothing"]),
        (
            Observation(sequences=SEQUENCE),
            [f"advances sequences, which nothing takes back: {min(SEQUENCE)}"],
        ),
    ],
)
def test_words_for_what_leaves_nothing(seen, words):
    assert in_words(seen) == words


def test_what_another_version_noted_besides_is_left_out() -> None:
    observation = Observation(written=frozenset({"shop/public.orders"}))
    facts = json.loads(facts_of(observation))
    assert observation_of(json.dumps({**facts, "moons": 3})) == observation


def test_what_stays_pending_over_two_looks_is_that_of_transactions_which_are_open_still() -> None:
    first = Changes(written=ROWS, pending=ROWS, held=ROWS)
    assert first.then(Changes(held=ROWS)).pending == ROWS
    assert first.then(Changes(written=ROWS)).pending == frozenset()
