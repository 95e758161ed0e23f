"""Plans: which tests stay together, what may be split, what runs alone, and what is noted."""

from __future__ import annotations

import pytest
from fakes.planned import Suite, grouped, module_fixture

from dbsafe_runner.domain.evidence import Source
from dbsafe_runner.domain.isolation import Isolation, NamespaceKind, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import FixtureDef
from dbsafe_runner.planning.request import Grouping


def test_a_file_of_which_nothing_is_known_stays_together():
    suite = Suite()
    for name in "abc":
        suite.add("test_a.py", name, source=Source.UNKNOWN, confidence=0.0)
    suite.add("test_b.py", "d", source=Source.UNKNOWN)
    plan = suite.plan()
    assert grouped(plan) == [(0, 1, 2), (3,)]
    assert plan.batches[0].reset is ResetPolicy.AFTER_BATCH
    assert not plan.batches[0].splittable
    assert plan.batches[0].why == "together: file test_a.py"


def test_an_unclassified_test_is_taken_for_shared_writes():
    suite = Suite()
    suite.add("test_a.py", "a", level=0)
    suite.kinds.clear()
    suite.forecasts.clear()
    plan = suite.plan()
    assert plan.batches[0].level is Level.SHARED_WRITES
    assert plan.batches[0].seconds == (0.05,)


def test_tests_that_leave_nothing_behind_may_be_split():
    suite = Suite()
    for level in (0, 1, 2, 1):
        suite.add("test_a.py", f"t{level}", level=level)
    (batch,) = suite.plan().batches
    assert batch.splittable
    assert batch.level is Level.ISOLATED_WRITES
    assert batch.isolation is Isolation.TRANSACTION
    assert batch.reset is ResetPolicy.EACH_TEST
    assert batch.durations_known
    assert batch.why == "may be split: its tests leave nothing behind"


def test_static_analysis_alone_takes_no_test_out_of_its_file():
    suite = Suite()
    for _ in range(2):
        suite.add("test_pure.py", f"a{_}", level=0, source=Source.STATIC, confidence=1.0)
        suite.add("test_reads.py", f"b{_}", level=1, source=Source.STATIC, confidence=1.0)
        suite.add("test_writes.py", f"c{_}", level=2, source=Source.STATIC, confidence=1.0)
    plan = suite.plan()
    assert [batch.splittable for batch in plan.batches] == [False, False, False]
    # It may leave something for the next test after all: a reset between them could take it away.
    assert [batch.reset for batch in plan.batches][1:] == [ResetPolicy.AFTER_BATCH] * 2


@pytest.mark.parametrize("source", [Source.OBSERVED, Source.MARKER, Source.RULE])
def test_an_observation_takes_tests_out_of_files_alone_that_have_run_as_a_whole(source):
    suite = Suite()
    for name in "abc":
        suite.add("test_a.py", name, level=0, source=source)
        suite.add("test_b.py", name, level=0, source=source)
    splittable = [batch.splittable for batch in suite.plan(whole={"test_b.py"}).batches]
    assert splittable == [source is not Source.OBSERVED, True]


def test_tests_that_are_written_elsewhere_belong_to_the_file_that_has_them():
    suite = Suite()
    for file in ("test_a.py", "test_b.py"):
        suite.add(file, "inherited", level=3, elsewhere="contract.py")
        suite.add(file, "own", level=3)
    assert grouped(suite.plan()) == [(0, 1), (2, 3)]


def test_a_reader_behind_a_writer_of_its_file_stays_with_it():
    suite = Suite()
    suite.add("test_a.py", "reads_before", level=1)
    suite.add("test_a.py", "writes", level=3)
    suite.add("test_a.py", "reads_after", level=1)
    suite.add("test_a.py", "no_database", level=0)
    plan = suite.plan()
    assert grouped(plan) == [(0, 3), (1, 2)]
    assert [batch.splittable for batch in plan.batches] == [True, False]


def test_a_file_known_to_be_independent_may_be_split_and_is_reset_after_each_test():
    suite = Suite()
    for name in "abc":
        suite.add("test_a.py", name, level=3)
    (batch,) = suite.plan(independent={"test_a.py"}).batches
    assert batch.splittable
    assert batch.reset is ResetPolicy.EACH_TEST
    assert batch.why == "may be split: its tests are known not to need each other"


@pytest.mark.parametrize(
    ("grouping", "expected"),
    [
        (Grouping.DEPENDENCY, [(0, 2), (1, 3), (4,)]),
        (Grouping.FILE, [(0, 1, 2, 3), (4,)]),
        (Grouping.TEST, [(0,), (1,), (2,), (3,), (4,)]),
        (Grouping.PERFORMANCE, [(0, 1, 2, 3), (4,)]),
    ],
)
def test_groupings(grouping, expected):
    suite = Suite()
    for number in range(4):
        suite.add("test_a.py", f"t{number}", level=0 if number % 2 == 0 else 3)
    suite.add("test_b.py", "t4")
    plan = suite.plan(grouping=grouping)
    assert grouped(plan) == expected
    assert plan.batches[0].splittable == (grouping in {Grouping.DEPENDENCY, Grouping.PERFORMANCE})


def test_groups_stay_together_across_files():
    suite = Suite()
    suite.add("test_a.py", "a", level=0, xdist_group="ports")
    suite.add("test_b.py", "b", level=0, xdist_group="ports")
    suite.add("test_b.py", "c", level=0, group="own")
    suite.add("test_c.py", "d", level=3, group="own")
    plan = suite.plan(grouping=Grouping.TEST)
    assert grouped(plan) == [(0, 1), (2, 3)]
    assert plan.batches[0].why == "together: group ports"
    assert not any(batch.splittable for batch in plan.batches)


def test_writers_that_share_a_package_fixture_stay_together():
    suite = Suite()
    shared = (FixtureDef("company", "package", "/p/shop/conftest.py", 3, "company"),)
    suite.add("shop/test_a.py", "a", level=3, fixtures=shared)
    suite.add("shop/test_b.py", "b", level=3, fixtures=shared)
    suite.add("shop/test_b.py", "c", level=1, fixtures=shared)
    suite.add("other/test_c.py", "d", level=3)
    plan = suite.plan()
    assert grouped(plan) == [(0, 1, 2), (3,)]
    assert "fixture company is shared by the package" in plan.batches[0].why


@pytest.mark.parametrize("grouping", Grouping)
def test_tests_that_share_state_in_the_process_stay_together_in_order(grouping):
    suite = Suite()
    basket = frozenset({"test_a.py::basket"})
    suite.add("test_a.py", "fills", level=0, shares=basket)
    suite.add("test_a.py", "else", level=0)
    suite.add("test_a.py", "counts", level=1, shares=basket)
    suite.add("test_b.py", "other", level=0, shares=frozenset({"test_b.py::basket"}))
    batches = suite.plan(grouping=grouping).batches
    (batch,) = [batch for batch in batches if 0 in batch.tests]
    assert [test for test in batch.tests if test in {0, 2}] == [0, 2]
    assert not batch.splittable
    assert "they share basket" in batch.why
    assert all(3 not in b.tests for b in batches if 0 in b.tests)
    assert (1 in batch.tests) is (grouping is Grouping.FILE)


def test_what_changes_the_cluster_runs_alone_unless_the_server_is_its_own():
    suite = Suite()
    suite.add("test_a.py", "role", level=5, cluster=frozenset({"role x"}))
    suite.add("test_b.py", "port", level=5, alone=True)
    suite.add("test_c.py", "said", level=5, source=Source.MARKER)
    suite.add("test_d.py", "marked", level=0, exclusive=True)

    def alone(**given):
        return [batch.exclusive for batch in suite.plan(**given).batches]

    assert alone() == [False, True, True, True]
    assert alone(namespace_kind=NamespaceKind.DATABASE) == [True] * 4
    assert alone(strategy="conservative") == [True] * 4


def test_what_takes_advisory_locks_runs_one_at_a_time_and_what_hears_notifications_alone():
    suite = Suite()
    locks, heard = frozenset({"advisory locks"}), frozenset({"notifications"})
    suite.add("test_a.py", "a", level=5, signals=locks)
    suite.add("test_b.py", "b", level=5, signals=locks)
    suite.add("test_c.py", "c", level=5, signals=locks, source=Source.MARKER)
    suite.add("test_d.py", "d", level=1)
    suite.add("test_e.py", "e", level=5, signals=heard)
    suite.add("test_f.py", "f", level=5, signals=heard | locks)
    plan = suite.plan(namespace_kind=NamespaceKind.SCHEMA)
    exclusive = {suite.tests[batch.tests[0]].file: batch.exclusive for batch in plan.batches}
    assert [exclusive[f"test_{name}.py"] for name in "abcdef"] == [False, False, True, False, True, True]
    assert plan.caps[Level.SEQUENTIAL_ONLY] == 1


def test_caps_hold_where_something_is_shared():
    suite = Suite()
    suite.add("test_a.py", "a")
    caps = {kind: dict(suite.plan(namespace_kind=kind).caps) for kind in NamespaceKind}
    assert caps[NamespaceKind.SERVER] == {}
    assert caps[NamespaceKind.DATABASE] == {Level.SEQUENTIAL_ONLY: 1}
    assert caps[NamespaceKind.SCHEMA] == {Level.SCHEMA_CHANGES: 1, Level.SEQUENTIAL_ONLY: 1}
    kept = suite.plan(strategy="conservative", workers=10).caps
    assert kept == {
        Level.READ_ONLY: 8,
        Level.ISOLATED_WRITES: 5,
        Level.SHARED_WRITES: 2,
        Level.SCHEMA_CHANGES: 1,
        Level.SEQUENTIAL_ONLY: 1,
    }


def test_that_workers_have_only_schemas_is_noted():
    suite = Suite()
    suite.add("test_a.py", "a", level=4)
    plan = suite.plan(namespace_kind=NamespaceKind.SCHEMA)
    assert plan.batches[0].isolation is Isolation.SCHEMA
    # Whether the server permits no more, or that was asked for, is not known here.
    assert "should have a database of their own, but every worker has only a schema" in plan.notes[0]


@pytest.mark.parametrize(("others", "splittable"), [(20.0, False), (0.1, True)])
def test_a_dear_fixture_keeps_its_tests_together_only_while_that_pays(others, splittable):
    suite = Suite()
    for number in range(4):
        fixtures = module_fixture("test_a.py")
        suite.add("test_a.py", f"t{number}", 0, seconds=1.0, fixtures=fixtures, setup={"engine": 0.5})
    suite.add("test_b.py", "other", seconds=others)
    batch = suite.plan(workers=2).batches[0]
    assert batch.splittable is splittable
    assert batch.setup_seconds == 0.5
    assert batch.affinity == {"test_a.py::engine"}
    if not splittable:
        assert batch.why == "together, because building engine again costs more than it gains"


def test_connections():
    suite = Suite()
    suite.add("test_a.py", "a", level=0)
    suite.add("test_b.py", "b", level=3)
    suite.add("test_c.py", "c", level=3, connections=5)
    plan = suite.plan(connections=7)
    assert [batch.connections for batch in plan.batches] == [0, 1, 5]
    assert plan.connections == 7


def test_many_tests_that_run_alone_are_noted():
    suite = Suite()
    for name in "abcd":
        suite.add("test_a.py", name, level=5, exclusive=True)
    suite.add("test_b.py", "e", level=0)
    noted = [note for note in suite.plan().notes if "nothing beside them" in note]
    (note,) = noted
    assert note.startswith("4 of 5 tests run with nothing beside them: `dbsafe explain test_a.py::a`")
    assert not [note for note in suite.plan(workers=1).notes if "nothing beside them" in note]
