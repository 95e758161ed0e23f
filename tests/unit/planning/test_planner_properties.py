"""Any plan of any suite has each test once, keeps what it has to, and can be run."""

from __future__ import annotations

import dataclasses
import random

from fakes.planned import Suite, module_fixture, order
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsafe_runner.domain.evidence import Source
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.test import FixtureDef
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import Conflict, Found, Grouping
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.scheduling.simulation import simulate


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
