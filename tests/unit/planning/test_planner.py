from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.isolation import Isolation, NamespaceKind, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import FixtureDef, Mark, Test
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import Conflict, Found, Grouping, PlanRequest
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.scheduling.simulation import simulate


class Suite:
    """A made-up suite: `add` tests, then ask for the plan."""

    def __init__(self):
        self.tests, self.kinds, self.forecasts = [], {}, {}

    def add(self, file, name, level=3, source=Source.OBSERVED, seconds=0.1, **given):
        """A test; `given` are further fields of Test, Classification, Footprint or Forecast."""
        nodeid = f"{file}::{name}"
        index = len(self.tests)
        marks, fixtures = given.pop("marks", ()), given.pop("fixtures", ())
        group = given.pop("xdist_group", "")
        elsewhere = given.pop("elsewhere", "")
        self.tests.append(Test(index, nodeid, file, 1, "", name, fixtures, marks, group, elsewhere))
        self.forecasts[nodeid] = Forecast(seconds, given.pop("known", True), given.pop("setup", {}))
        footprint = Footprint(
            connects=level > 0,
            alone=given.pop("alone", False),
            connections=given.pop("connections", 0),
            confidence=given.pop("confidence", 1.0),
            cluster=given.pop("cluster", frozenset()),
            signals=given.pop("signals", frozenset()),
            shares=given.pop("shares", frozenset()),
        )
        self.kinds[nodeid] = Classification(
            nodeid, Level(level), footprint, (Evidence(source, "so it is"),), **given
        )
        return nodeid

    def request(self, **given):
        values = {"workers": 4, "namespace_kind": NamespaceKind.SERVER, "alternatives": ()}
        values |= {"whole": {test.file for test in self.tests}} | given
        strategy = STRATEGIES[values.pop("strategy", "balanced")]
        return PlanRequest(self.tests, self.kinds, strategy, forecasts=self.forecasts, **values)

    def plan(self, **given):
        return make_plan(self.request(**given))


def grouped(plan):
    return [batch.tests for batch in plan.batches]


def order(text):
    return (Mark("order", (text,)),)


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


def test_found_dependencies_stay_together_in_order():
    suite = Suite()
    first = suite.add("test_a.py", "creates", level=0)
    suite.add("test_a.py", "else", level=0)
    needs = suite.add("test_b.py", "uses", level=0)
    plan = suite.plan(
        dependencies={needs: [Found(first)], "gone": [Found(first)], first: [Found("gone")]}
    )
    assert grouped(plan) == [(0, 2), (1,)]
    assert plan.batches[0].why == "together: test_b.py::uses needs test_a.py::creates"
    assert plan.notes == (
        "test_a.py::creates needs gone, which is not selected",
        (
            "test_b.py::uses needs test_a.py::creates, as an earlier run found out: resolved by"
            " batching, they stay together in the order of collection"
        ),
    )
    # What the first leaves, if only a sequence that has moved, is what the second needs.
    assert plan.batches[0].reset is ResetPolicy.AFTER_BATCH


def test_a_victim_stays_with_its_polluter():
    suite = Suite()
    polluter = suite.add("test_a.py", "pollutes", level=0)
    victim = suite.add("test_a.py", "is_broken", level=0)
    suite.add("test_a.py", "else", level=0)
    plan = suite.plan(dependencies={victim: [Found(polluter, needs=False)]})
    assert grouped(plan) == [(0, 1), (2,)]
    assert plan.batches[0].why == "together: test_a.py::is_broken is broken by test_a.py::pollutes"


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


def test_a_circle_of_dependencies_and_a_test_that_needs_itself_are_named():
    suite = Suite()
    a, b, c = (suite.add(f"test_{name}.py", name, level=0) for name in "abc")
    plan = suite.plan(dependencies={a: [Found(b)], b: [Found(a)], c: [Found(c)]})
    assert grouped(plan) == [(0, 1), (2,)]
    assert tuple(note for note in plan.notes if "resolved by" not in note) == (
        "test_c.py::c needs itself; this is ignored (test_c.py:1)",
        (
            "these tests need each other in a circle, so the order of collection is kept:"
            " test_a.py::a (test_a.py:1), test_b.py::b (test_b.py:1);"
            " where marks say so, take one of them away"
        ),
    )


def test_pytest_dependency_marks():
    suite = Suite()

    def depends(*names, scope=None, name=None):
        given = [("depends", repr(list(names)))] if names else []
        given += [("scope", repr(scope))] if scope else []
        given += [("name", repr(name))] if name else []
        return (Mark("dependency", (), tuple(given)),)

    suite.add("test_a.py", "login", level=0, marks=depends(name="in"))
    suite.add("test_a.py", "buy", level=0, marks=depends("in"))
    suite.add("test_a.py", "free", level=0)
    suite.add("test_b.py", "pay", level=0, marks=depends("test_a.py::free", scope="session"))
    suite.add("test_b.py", "again", level=0, marks=depends("in"))
    suite.add("test_b.py", "session", level=0, marks=depends("in", scope="session"))
    plan = suite.plan()
    assert (0, 1, 5) in grouped(plan)
    advice = " (test_b.py:1): select it, too, or correct the name in the mark"
    assert [note for note in plan.notes if "depends" in note] == [
        "test_b.py::pay depends on 'test_a.py::free', which is not selected" + advice,
        "test_b.py::again depends on 'in', which is not selected" + advice,
    ]


def test_order_marks_within_a_file_keep_it_together():
    suite = Suite()
    for number in range(3):
        suite.add("test_a.py", f"t{number}", level=0, marks=order(str(number)))
        suite.add("test_b.py", f"t{number}", level=0, marks=order(str(number)))
    plan = suite.plan()
    assert grouped(plan) == [(0, 2, 4), (1, 3, 5)]
    assert not any(batch.after for batch in plan.batches)
    assert "order is kept within each file" in plan.notes[0]


def test_order_marks_across_files_make_batches_wait():
    suite = Suite()
    suite.add("test_a.py", "a", level=0, marks=order("1"))
    suite.add("test_b.py", "b", level=0, marks=order("2"))
    suite.add("test_c.py", "c", level=0)
    plan = suite.plan()
    assert [(b.tests, b.after) for b in plan.batches] == [((0,), ()), ((1,), (0,)), ((2,), ())]


def test_order_that_runs_to_and_fro_between_files_puts_them_in_one_batch():
    suite = Suite()
    suite.add("test_a.py", "a1", level=0, marks=order("1"))
    suite.add("test_b.py", "b", level=0, marks=order("2"))
    suite.add("test_a.py", "a2", level=0, marks=order("3"))
    assert grouped(suite.plan()) == [(0, 1, 2)]


def test_first_and_last():
    suite = Suite()
    suite.add("test_a.py", "a", level=0, marks=order("'first'"))
    suite.add("test_b.py", "b", level=3)
    suite.add("test_c.py", "c", level=3)
    suite.add("test_d.py", "d", level=0, marks=order("-1"))
    plan = suite.plan()
    assert [set(batch.after) for batch in plan.batches] == [set(), {0}, {0}, {0, 1, 2}]
    assert plan.limited_by.startswith("the longest chain of batches, which starts with batch 0")


def test_marks_against_the_order_of_collection_make_no_circle():
    suite = Suite()
    suite.add("test_a.py", "last", level=0, marks=order("-1"))
    first = suite.add("test_b.py", "first", level=0, marks=order("'first'"))
    later = suite.add("test_c.py", "later", level=0)
    plan = suite.plan(conflicts=[Conflict(first, later, "port 80", ordered=True)])
    assert "a test marked first has to wait for others; the mark is ignored" in plan.notes
    assert "other tests have to wait for one marked last; the mark is ignored" in plan.notes
    assert [batch.after for batch in plan.batches] == [(), (0,), (1,)]
    assert simulate(plan).wall > 0


def test_relative_order():
    suite = Suite()
    suite.add("test_a.py", "early", level=0)
    after = (Mark("order", (), (("after", "'test_a.py::early'"),)),)
    wrong = (Mark("order", (), (("before", "'early'"),)),)
    suite.add("test_b.py", "late", level=0, marks=after)
    suite.add("test_a.py", "wrong", level=0, marks=wrong)
    plan = suite.plan()
    late = next(batch for batch in plan.batches if 1 in batch.tests)
    assert [plan.batches[number].tests[0] for number in late.after] == [0]
    assert "is pytest-order installed?" in plan.notes[0]


def test_order_marks_in_a_circle_are_told_as_such():
    suite = Suite()
    for name, other in (("a", "b"), ("b", "a")):
        suite.add("test_a.py", name, level=0, marks=(Mark("order", (), (("after", repr(other)),)),))
    suite.add("test_a.py", "c", level=0, marks=(Mark("order", (), (("after", "'c'"),)),))
    suite.add("test_a.py", "d", level=0, marks=(Mark("order", (), (("after", "'gone'"),)),))
    itself, gone, circle = suite.plan().notes
    assert (
        itself == "test_a.py::c is ordered relative to itself (test_a.py:1): take that out of its mark"
    )
    assert gone.endswith("'gone', which is not selected (test_a.py:1): select it, or correct the mark")
    assert circle == (
        "order marks put tests behind each other in a circle, so the order of collection is kept:"
        " test_a.py::a (test_a.py:1), test_a.py::b (test_a.py:1); take one of the marks away"
    )


def test_dependency_marks_that_cannot_be_met_are_told_with_their_place():
    suite = Suite()
    for name, other in (("a", "a"), ("b", "c"), ("c", "b"), ("d", "gone")):
        marks = (Mark("dependency", (), (("depends", repr([other])),)),)
        suite.add("test_a.py", name, level=0, marks=marks)
    missing, itself, circle = suite.plan().notes
    assert missing == (
        "test_a.py::d depends on 'gone', which is not selected (test_a.py:1):"
        " select it, too, or correct the name in the mark"
    )
    assert itself == "test_a.py::a needs itself; this is ignored (test_a.py:1): correct its mark"
    assert circle.startswith("these tests need each other in a circle")
    assert "test_a.py::b (test_a.py:1), test_a.py::c (test_a.py:1); where marks say so" in circle


def test_unreadable_marks_are_no_obstacle():
    suite = Suite()
    marks = (Mark("order", ("<object>",)), Mark("dependency", (), (("depends", "f(x)"),)))
    suite.add("test_a.py", "a", level=0, marks=marks)
    assert grouped(suite.plan()) == [(0,)]


def test_conflicts_are_resolved_by_isolation_batching_or_order():
    suite = Suite()
    a, b = (suite.add("test_a.py", name, level=0) for name in "ab")
    suite.add("test_a.py", "c", level=0)
    d, e = (suite.add(f"test_{name}.py", name, level=0) for name in "de")
    conflicts = [Conflict(a, b, "port 8000"), Conflict(a, d), Conflict(d, e, "orders", private=True)]
    plan = suite.plan(conflicts=conflicts)
    assert [(x.tests, x.after) for x in plan.batches] == [
        ((0, 1), ()),
        ((2,), ()),
        ((3,), (0,)),
        ((4,), ()),
    ]
    assert [note.rpartition("resolved by ")[2] for note in plan.notes] == [
        "batching, they run one after the other",
        "order, the second waits for the first",
        "isolation, each worker has a server of its own",
    ]


def test_a_conflict_that_allows_one_order_only_gets_that_order():
    suite = Suite()
    suite.add("test_a.py", "a", level=3)
    suite.add("test_b.py", "b", level=3)
    victim = suite.add("test_b.py", "victim", level=3)
    polluter = suite.add("test_c.py", "polluter", level=3)
    plan = suite.plan(conflicts=[Conflict(victim, polluter, "what it leaves", ordered=True)])
    assert [(batch.tests, batch.after) for batch in plan.batches] == [
        ((0,), ()),
        ((1, 2), ()),
        ((3,), (1,)),
    ]
    assert "over what it leaves between test_b.py::victim and test_c.py::polluter" in plan.notes[0]


def test_a_conflict_pulls_only_its_own_test_out_of_a_file():
    suite = Suite()
    tests = [suite.add("test_a.py", f"t{n}", level=0) for n in range(4)]
    other = suite.add("test_b.py", "b", level=0)
    plan = suite.plan(conflicts=[Conflict(tests[1], other)])
    assert grouped(plan) == [(0, 2, 3), (1,), (4,)]


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


def test_a_server_that_permits_only_schemas_is_noted():
    suite = Suite()
    suite.add("test_a.py", "a", level=4)
    plan = suite.plan(namespace_kind=NamespaceKind.SCHEMA)
    assert plan.batches[0].isolation is Isolation.SCHEMA
    assert "should have a database of their own" in plan.notes[0]


def module_fixture(file, name="engine"):
    return (FixtureDef(name, "module", f"/p/{file}", 1, name),)


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
        assert batch.why == (
            "together, because building test_a.py::engine again costs more than it gains"
        )


def test_fixtures_of_the_session_are_counted_for_each_worker():
    suite = Suite()
    engine = (FixtureDef("engine", "session", "/p/conftest.py", 1, "engine"),)
    for number in range(8):
        suite.add(f"test_{number}.py", "t", 0, seconds=1.0, fixtures=engine, setup={"engine": 2.0})
    plan = make_plan(suite.request(alternatives=(1, 8)), lambda plan: simulate(plan).wall)
    assert plan.session_setup == {"engine": 2.0}
    assert {batch.setup_seconds for batch in plan.batches} == {0.0}
    assert (plan.alternatives[1], plan.predicted_wall, plan.alternatives[8]) == (10.0, 4.0, 3.0)


def test_connections():
    suite = Suite()
    suite.add("test_a.py", "a", level=0)
    suite.add("test_b.py", "b", level=3)
    suite.add("test_c.py", "c", level=3, connections=5)
    plan = suite.plan(connections=7)
    assert [batch.connections for batch in plan.batches] == [0, 1, 5]
    assert plan.connections == 7


@pytest.mark.parametrize(
    ("seconds", "given", "expected", "words"),
    [
        ([1.0] * 8, {}, 2.0, "the number of workers (4 for 8.0 s of tests)"),
        ([9.0, 1.0], {}, 9.0, "the longest batch that cannot be split (batch 0: a single test)"),
        ([2.0] * 5, {}, 4.0, "long batches that cannot be split evenly"),
        ([2.0] * 4, {"connections": 2}, 4.0, "the 2 connections that may be open"),
        (
            [1.0] * 6,
            {"strategy": "conservative"},
            3.0,
            "the cap of 2 SHARED_WRITES batches at a time",
        ),
    ],
)
def test_lower_bounds(seconds, given, expected, words):
    suite = Suite()
    for number, length in enumerate(seconds):
        suite.add(f"test_{number}.py", "t", seconds=length)
    plan = suite.plan(**given)
    assert plan.lower_bound == pytest.approx(expected)
    assert plan.limited_by == words


def test_a_prediction_is_not_less_than_the_lower_bound_for_the_order_of_a_sum():
    suite = Suite()
    suite.add("test_a.py", "a", seconds=3.2500001)
    request = suite.request(workers=2, alternatives=(1, 2, 4))
    plan = make_plan(request, lambda plan: 3.249999)
    assert plan.predicted_wall == plan.lower_bound
    assert set(plan.alternatives.values()) == {plan.lower_bound}


def test_exclusive_work_comes_on_top():
    suite = Suite()
    for number in range(4):
        suite.add(f"test_{number}.py", "t", seconds=1.0)
    suite.add("test_x.py", "alone", exclusive=True, seconds=3.0)
    plan = suite.plan()
    assert plan.lower_bound == pytest.approx(4.0)
    assert plan.limited_by == "1 exclusive batch that runs alone (3.0 s)"


def test_predictions_come_from_the_simulation_that_is_passed_in():
    suite = Suite()
    for number in range(16):
        suite.add(f"test_{number}.py", "t", seconds=1.0)
    plan = make_plan(suite.request(alternatives=(1, 4, 16)), lambda plan: simulate(plan).wall)
    assert plan.predicted_wall == 4.0
    assert plan.alternatives == {1: 16.0, 4: 4.0, 16: 1.0}


def test_exclusive_batches_go_first_when_that_is_predicted_to_be_shorter():
    suite = Suite()
    suite.add("test_a.py", "alone", level=0, exclusive=True, marks=order("1"), seconds=1.0)
    suite.add("test_b.py", "long", level=0, marks=order("2"), seconds=5.0)
    for number in range(6):
        suite.add(f"test_c{number}.py", "t", seconds=2.5)
    plan = make_plan(suite.request(), lambda plan: simulate(plan).wall)
    assert plan.exclusive_first
    assert plan.predicted_wall < 1 + 5 + 2.5
    suite.tests[0] = dataclasses.replace(suite.tests[0], marks=())
    assert not make_plan(suite.request(), lambda plan: simulate(plan).wall).exclusive_first


@st.composite
def suites(draw):
    suite = Suite()
    for number in range(draw(st.integers(1, 25))):
        file = draw(st.sampled_from(["a/test_a.py", "a/test_b.py", "test_c.py"]))
        marks = draw(
            st.sampled_from([(), (), (), order("1"), order("2"), order("'first'"), order("-1")])
        )
        fixtures = draw(st.sampled_from([(), module_fixture("f.py"), _package()]))
        suite.add(
            file,
            f"t{number}",
            draw(st.integers(0, 5)),
            draw(st.sampled_from(Source)),
            draw(st.sampled_from([0.001, 0.1, 3.0])),
            marks=marks,
            fixtures=fixtures,
            setup={"engine": 0.3},
            known=draw(st.booleans()),
            confidence=draw(st.sampled_from([0.2, 0.9])),
            xdist_group=draw(st.sampled_from(["", "", "", "g"])),
            exclusive=draw(st.integers(0, 9)) == 0,
            shares=draw(st.sampled_from([frozenset(), frozenset(), frozenset({f"{file}::basket"})])),
        )
    return suite


def _package():
    return (FixtureDef("company", "package", "/p/a/conftest.py", 3, "company"),)


@settings(max_examples=150, deadline=None)
@given(suites(), st.data())
def test_any_plan_has_each_test_once_and_can_be_run(suite, data):
    names = st.sampled_from([test.nodeid for test in suite.tests])
    request = suite.request(
        grouping=data.draw(st.sampled_from(Grouping)),
        strategy=data.draw(st.sampled_from(sorted(STRATEGIES))),
        namespace_kind=data.draw(st.sampled_from(NamespaceKind)),
        workers=data.draw(st.integers(1, 6)),
        connections=data.draw(st.sampled_from([0, 3])),
        independent=data.draw(st.sets(st.sampled_from(["test_c.py", "a/test_a.py"]))),
        dependencies=data.draw(
            st.dictionaries(names, st.lists(st.builds(Found, names), max_size=2), max_size=4)
        ),
        conflicts=data.draw(st.lists(conflicts(suite), max_size=4)),
    )
    plan = make_plan(request, lambda plan: simulate(plan).wall)
    assert sorted(test for batch in plan.batches for test in batch.tests) == list(
        range(len(suite.tests))
    )
    assert [batch.id for batch in plan.batches] == list(range(len(plan.batches)))
    assert all(list(batch.tests) == sorted(batch.tests) for batch in plan.batches)
    assert plan.predicted_wall >= plan.lower_bound - 1e-9
    owner = {suite.tests[test].nodeid: b.id for b in plan.batches for test in b.tests}
    for test, needed in request.dependencies.items():
        assert all(owner[test] == owner[found.other] for found in needed)
    for one in suite.tests:
        for name in suite.kinds[one.nodeid].footprint.shares:
            sharing = [k.nodeid for k in suite.kinds.values() if name in k.footprint.shares]
            assert {owner[nodeid] for nodeid in sharing} == {owner[one.nodeid]}
    together = {owner[test.nodeid] for test in suite.tests if test.xdist_group}
    assert len(together) <= 1
    alone = {owner[nodeid] for nodeid, kind in suite.kinds.items() if kind.exclusive}
    assert all(plan.batches[number].exclusive for number in alone)
    for conflict in request.conflicts:
        first, second = owner[conflict.first], owner[conflict.second]
        back = not conflict.ordered and comes_after(plan, first, second)
        assert first == second or comes_after(plan, second, first) or back
    shuffled = list(suite.tests)
    random.Random(3).shuffle(shuffled)
    again = dataclasses.replace(request, tests=shuffled)
    assert make_plan(again, lambda plan: simulate(plan).wall) == plan


@st.composite
def conflicts(draw, suite):
    first, second = sorted(draw(st.tuples(*[st.sampled_from(range(len(suite.tests)))] * 2)))
    return Conflict(suite.tests[first].nodeid, suite.tests[second].nodeid, ordered=draw(st.booleans()))


def comes_after(plan, later, earlier):
    waiting, seen = [later], set()
    while waiting:
        number = waiting.pop()
        if number == earlier:
            return True
        waiting.extend(n for n in plan.batches[number].after if n not in seen)
        seen.update(plan.batches[number].after)
    return False


def test_many_tests_that_run_alone_are_noted():
    suite = Suite()
    for name in "abcd":
        suite.add("test_a.py", name, level=5, exclusive=True)
    suite.add("test_b.py", "e", level=0)
    noted = [note for note in suite.plan().notes if "nothing beside them" in note]
    (note,) = noted
    assert note.startswith("4 of 5 tests run with nothing beside them: `dbsafe explain test_a.py::a`")
    assert not [note for note in suite.plan(workers=1).notes if "nothing beside them" in note]
