"""Plans of tests that need each other or an order: found dependencies, marks and conflicts."""

from __future__ import annotations

from fakes.planned import Suite, grouped, order

from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.domain.test import Mark
from dbsafe_runner.planning.request import Conflict, Found
from dbsafe_runner.scheduling.simulation import simulate


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
