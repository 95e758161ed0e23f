import dataclasses

from fakes.planned import Suite

from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test
from dbsafe_runner.planning.explanation import explain, level_rows, would_change
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import PlanRequest
from dbsafe_runner.planning.strategies import STRATEGIES


def a_request():
    tests, kinds, forecasts = [], {}, {}

    def add(file, name, level, source, seconds, **given):
        nodeid = f"{file}::{name}"
        tests.append(Test(len(tests), nodeid, file, 1, "", name))
        evidence = Evidence(source, "writes audit_log", "shop/audit.py", 41)
        kinds[nodeid] = Classification(nodeid, level, Footprint(), (evidence,), **given)
        forecasts[nodeid] = Forecast(seconds, known=name != "writes")

    add("test_a.py", "free", Level.NONE, Source.OBSERVED, 1.0)
    add("test_a.py", "writes", Level.SHARED_WRITES, Source.STATIC, 2.0)
    add("test_a.py", "reads", Level.READ_ONLY, Source.RULE, 1.0)
    add("test_b.py", "alone", Level.NONE, Source.MARKER, 4.0, exclusive=True)
    return PlanRequest(
        tests,
        kinds,
        STRATEGIES["balanced"],
        4,
        NamespaceKind.SERVER,
        forecasts=forecasts,
        whole={"test_a.py", "test_b.py"},
    )


def test_rows_by_level():
    request = a_request()
    none, read, shared = level_rows(make_plan(request), request)
    assert (none.level, none.tests, none.batches, none.share) == (Level.NONE, 2, 2, 5 / 8)
    assert none.isolation == ("none",)
    assert none.concurrency == "all 4, some alone"
    assert none.sources == {"marker": 1, "observed": 1}
    assert (read.tests, read.isolation, read.concurrency) == (1, ("server",), "all 4")
    assert shared.seconds == 2.0
    assert sum(row.share for row in (none, read, shared)) == 1.0


def test_rows_show_caps():
    request = a_request()
    conservative = PlanRequest(
        request.tests,
        request.classifications,
        STRATEGIES["conservative"],
        4,
        NamespaceKind.SERVER,
    )
    rows = level_rows(make_plan(conservative), conservative)
    assert [row.concurrency for row in rows] == ["all 4, some alone", "3 of 4", "2 of 4"]


def test_a_test_is_explained():
    request = a_request()
    plan = make_plan(request)
    found = explain("test_a.py::reads", plan, request)
    assert found.level is Level.READ_ONLY
    assert found.chain[0].line == 41
    assert found.together == ("test_a.py::writes", "test_a.py::reads")
    assert found.isolation == "server"
    assert found.reset == "after-batch"
    assert found.seconds_known
    assert found.why == "together: file test_a.py"
    assert found.would_change == (
        "the level is the rule in runner.toml's word; without it, observation and analysis decide",
        "its batch has a test of level SHARED_WRITES, and they stay together: file test_a.py",
    )


def test_what_would_change_an_unsure_level():
    request = a_request()
    found = explain("test_a.py::writes", make_plan(request), request)
    assert found.would_change == (
        "one run observes what the test really does, and the next plan uses that",
        "if it rolled back what it writes, it would be ISOLATED_WRITES",
        "once its file's tests are known not to need each other, the file may be split",
    )


def test_an_unknown_test_has_no_explanation():
    request = a_request()
    assert explain("test_z.py::z", make_plan(request), request) is None


def advice(chain, ran=True, **facts):
    """The first advice for a test whose level rests on this evidence."""
    request = a_request()
    plan = make_plan(request)
    kind = Classification("t", Level.SEQUENTIAL_ONLY, Footprint(**facts), chain)
    return would_change(kind, plan.batches[0], ran=ran)[0]


def test_a_batch_that_may_be_split_is_not_said_to_stay_together():
    batches = make_plan(a_request()).batches
    batch = next(one for one in batches if one.why.startswith("together: "))
    kind = Classification("t", Level.NONE, Footprint(), ())
    assert any("stay together" in one for one in would_change(kind, batch))
    loose = dataclasses.replace(batch, splittable=True)
    assert not any("stay" in one for one in would_change(kind, loose))


def test_what_the_sources_say_beside_an_observation_is_named():
    marked = Evidence(Source.STATIC, "is marked serial", "test_a.py", 3)
    reads = Evidence(Source.STATIC, "reads orders", "test_a.py", 4)
    moves = Evidence(Source.STATIC, "writes ids (setval())", "test_a.py", 5)
    seen = Evidence(Source.OBSERVED, "opens no connection")
    begins = "no observation takes back what the sources say: "
    assert advice((marked, seen), alone=True) == begins + "is marked serial (test_a.py:3)"
    assert advice((marked,), ran=False, alone=True) == begins + "is marked serial (test_a.py:3)"
    assert advice((reads, moves, seen)) == begins + "writes ids (setval()) (test_a.py:5)"


def test_what_would_let_a_test_run_beside_others_is_told():
    request = a_request()
    batch = make_plan(request).batches[0]
    for what, so in (
        ("writes the fixed file /tmp/a", "with a path below tmp_path"),
        ("listens on the fixed port 80", "with port 0, for which the system gives a free one,"),
        ("declares its place in the order: order(1)", "without the mark for its place"),
    ):
        chain = (Evidence(Source.STATIC, what, "test_a.py", 3),)
        kind = Classification("t", Level.SEQUENTIAL_ONLY, Footprint(alone=True), chain)
        assert f"{so} it could run beside other tests" in would_change(kind, batch)


def test_a_test_that_ran_without_being_observed_is_not_told_to_run_once():
    static = Evidence(Source.STATIC, "writes orders", "test_a.py", 3)
    assert "no run of the code as it is" in advice((static,))
    assert advice((static,), ran=False).startswith("one run observes")


def test_a_server_of_ones_own_is_advised_only_where_it_would_help():
    advised = "on a server of its own per worker it would not have to run alone"
    for kind, neighbour_alone, told in (
        (NamespaceKind.DATABASE, False, True),
        (NamespaceKind.DATABASE, True, False),
        (NamespaceKind.SERVER, True, False),
    ):
        suite = Suite()
        suite.add("test_a.py", "role", 5, cluster=frozenset({"role a created"}))
        suite.add("test_a.py", "port", 5 if neighbour_alone else 3, alone=neighbour_alone)
        request = suite.request(namespace_kind=kind)
        found = explain("test_a.py::role", make_plan(request), request)
        assert found.exclusive
        assert (advised in found.would_change) is told


def test_a_test_that_runs_alone_for_another_is_told_which():
    suite = Suite()
    suite.add("test_a.py", "role", 5, cluster=frozenset({"role a created"}))
    suite.add("test_a.py", "port", 5, alone=True)
    request = suite.request()
    found = explain("test_a.py::role", make_plan(request), request)
    assert found.would_change[-1] == (
        "it runs alone because of test_a.py::port, with which it stays together: file test_a.py"
    )
