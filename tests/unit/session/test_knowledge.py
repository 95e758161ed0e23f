"""What is known of tests before a plan, and what a run teaches about them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dbsafe_runner.config import Config, Rule, load_config
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.domain.test import FixtureDef, Mark, Test
from dbsafe_runner.history.forecasts import Timing
from dbsafe_runner.history.observed import Observation
from dbsafe_runner.history.records import Code, Dependency, Remembered, Seen
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import Conflict, Found
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.session import knowledge as module
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.code_state import code_of
from dbsafe_runner.session.knowledge import gather, observed_footprints
from dbsafe_runner.session.learning import lesson_of
from dbsafe_runner.session.sources import SourceFiles
from dbsafe_runner.session.whole_files import whole_files

HERE = Circumstances(STRATEGIES["balanced"], 4, NamespaceKind.SERVER)
ROWS = frozenset({"shop/public.orders"})
CALM = Observation(connections=1, complete=1)
WRITES = Observation(written=ROWS, connections=1, complete=1)
LEAVES = Observation(written=ROWS, remaining=ROWS, connections=1, complete=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text("def add(a, b): return a + b\n")
    (tmp_path / "test_a.py").write_text(
        "import shop\n\ndef test_one(): shop.add(1, 2)\n\ndef test_two(): pass\n"
    )
    return tmp_path


TESTS = (
    Test(0, "test_a.py::test_one", "test_a.py", 3, "", "test_one"),
    Test(1, "test_a.py::test_two", "test_a.py", 5, "", "test_two"),
)


def config(root: Path, **changes: object) -> Config:
    return dataclasses.replace(load_config(root, environment={}), **changes)


def remembered(root: Path, observations: dict[str, Observation], code: Code | None = None) -> Remembered:
    codes = code_of(TESTS, SourceFiles(root))
    seen = {nodeid: [Seen(code or codes[nodeid], one)] for nodeid, one in observations.items()}
    return Remembered(seen=seen, whole=frozenset(whole_files(TESTS, codes)))


def known(root: Path, before: Remembered, tests=TESTS, **changes: object):
    return gather(config(root, **changes), tests, SourceFiles(root), before, HERE)


def levels(found) -> list[Level]:
    return [found.classifications[test.nodeid].level for test in found.tests]


def test_without_a_history_static_analysis_decides(root):
    assert levels(known(root, Remembered())) == [Level.NONE, Level.NONE]


def test_what_was_observed_decides(root):
    found = known(root, remembered(root, {TESTS[0].nodeid: LEAVES, TESTS[1].nodeid: CALM}))
    assert levels(found) == [Level.SHARED_WRITES, Level.READ_ONLY]


def test_observations_of_other_code_of_the_test_do_not_count(root):
    before = remembered(root, {TESTS[0].nodeid: LEAVES})
    (root / "test_a.py").write_text((root / "test_a.py").read_text() + "# changed\n")
    assert levels(known(root, before)) == [Level.NONE, Level.NONE]


def test_an_observation_ends_with_the_sql_that_it_was_made_of(root):
    (root / "test_a.py").write_text(
        "import pathlib, psycopg\n\ndef test_one():\n"
        "    with psycopg.connect() as c: c.execute(pathlib.Path('q.sql').read_text())\n"
        "\ndef test_two(): pass\n"
    )
    (root / "q.sql").write_text("select 1")
    codes = known(root, Remembered()).codes
    before = Remembered(seen={TESTS[0].nodeid: [Seen(codes[TESTS[0].nodeid], CALM)]})
    assert TESTS[0].nodeid in known(root, before).observed
    (root / "q.sql").write_text("insert into audit values (1)")
    now = known(root, before)
    assert TESTS[0].nodeid not in now.observed
    assert levels(now)[0] is Level.SHARED_WRITES


def test_a_test_that_never_got_to_its_end_was_not_observed(root):
    cut = dataclasses.replace(CALM, complete=0)
    assert levels(known(root, remembered(root, {TESTS[0].nodeid: cut})))[0] is Level.NONE


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (Footprint(connects=True, outlives=True, confidence=0.9), False),
        (Footprint(connects=True, outlives=True, confidence=0.2), True),
        (Footprint(connects=True, confidence=1.0), True),
    ],
)
def test_when_only_called_code_changed_the_observation_stands_unless_analysis_is_sure_of_more(
    said, counts
):
    code = Code("own", "new")
    before = Remembered(seen={"t": [Seen(Code("own", "old"), WRITES)]})
    found = observed_footprints(before, {"t": code}, {"t": said})
    assert ("t" in found) == counts


def test_server_changes_that_were_taken_back_unseen_stay_known():
    said = Footprint(connects=True, cluster=frozenset({"database archive"}), confidence=0.9)
    before = Remembered(seen={"t": [Seen(Code("own", "all"), CALM)]})
    found = observed_footprints(before, {"t": Code("own", "all")}, {"t": said})
    assert found["t"].cluster == said.cluster
    assert found["t"].cluster_undone


def test_a_file_is_independent_when_all_its_tests_were_seen_to_leave_nothing(root):
    both = {TESTS[0].nodeid: WRITES, TESTS[1].nodeid: CALM}
    assert known(root, remembered(root, both)).independent == {"test_a.py"}
    assert known(root, remembered(root, {TESTS[0].nodeid: WRITES})).independent == frozenset()
    assert known(root, remembered(root, {**both, TESTS[1].nodeid: LEAVES})).independent == frozenset()


def test_a_file_is_whole_while_its_tests_their_order_and_their_code_are_those_of_a_run_in_order(root):
    before = remembered(root, {})
    assert known(root, before).whole == {"test_a.py"}
    assert known(root, Remembered()).whole == frozenset()
    assert known(root, before, tests=TESTS[:1]).whole == frozenset()
    assert known(root, before, tests=TESTS[::-1]).whole == frozenset()
    with (root / "test_a.py").open("a") as file:
        file.write("# changed")
    assert known(root, before).once_whole == frozenset()


def test_behind_a_change_of_the_application_a_file_is_taken_apart_only_where_it_is_long(root):
    (root / "test_a.py").write_text("import shop\n")
    (root / "shop.py").write_text("")
    before = remembered(root, {})
    assert known(root, before).whole == {"test_a.py"}
    (root / "shop.py").write_text("# changed")
    found = known(root, before)
    assert (found.whole, found.once_whole) == (frozenset(), {"test_a.py"})
    assert found.request(dataclasses.replace(HERE, workers=1)).whole == frozenset()
    assert found.request(dataclasses.replace(HERE, workers=2)).whole == {"test_a.py"}


def test_a_package_fixture_may_be_what_tests_need_each_other_for(root):
    fixture = FixtureDef("till", "package", str(root / "test_a.py"), 1, "till")
    tests = tuple(dataclasses.replace(test, fixtures=(fixture,)) for test in TESTS)
    both = {TESTS[0].nodeid: WRITES, TESTS[1].nodeid: CALM}
    assert known(root, remembered(root, both), tests).independent == frozenset()


def test_durations_come_from_earlier_runs(root):
    before = Remembered(timings={TESTS[0].nodeid: [Timing(0.5, 1.0, 0.5)]})
    forecasts = known(root, before).forecasts
    assert forecasts[TESTS[0].nodeid].known
    assert forecasts[TESTS[0].nodeid].seconds == pytest.approx(2.0)
    assert not forecasts[TESTS[1].nodeid].known


def test_found_dependencies_hold_while_the_test_is_the_same(root):
    own = code_of(TESTS, SourceFiles(root))[TESTS[1].nodeid].own
    found = [Dependency(TESTS[1].nodeid, TESTS[0].nodeid, Verdict.BRITTLE, own)]
    now = known(root, Remembered(dependencies=found))
    assert now.dependencies == {TESTS[1].nodeid: [Found(TESTS[0].nodeid)]}
    plan = make_plan(now.request(HERE))
    assert [batch.tests for batch in plan.batches] == [(0, 1)]
    (root / "test_a.py").write_text("# changed\n")
    assert known(root, Remembered(dependencies=found)).dependencies == {}


@pytest.mark.parametrize(("victim", "polluter"), [(1, 0), (0, 1)])
def test_a_victim_comes_behind_its_polluter_as_it_does_in_a_serial_run(root, victim, polluter):
    own = code_of(TESTS, SourceFiles(root))[TESTS[victim].nodeid].own
    found = [Dependency(TESTS[victim].nodeid, TESTS[polluter].nodeid, Verdict.VICTIM, own)]
    now = known(root, Remembered(dependencies=found))
    together = {TESTS[1].nodeid: [Found(TESTS[0].nodeid, needs=False)]}
    before = [Conflict(TESTS[0].nodeid, TESTS[1].nodeid, "what the second leaves", ordered=True)]
    assert now.dependencies == (together if polluter < victim else {})
    assert now.conflicts == ([] if polluter < victim else before)


def test_a_circle_of_dependencies_keeps_the_order_of_collection_and_is_told(root):
    codes = code_of(TESTS, SourceFiles(root))
    one, two = (test.nodeid for test in TESTS)
    circle = [
        Dependency(one, two, Verdict.BRITTLE, codes[one].own),
        Dependency(two, one, Verdict.BRITTLE, codes[two].own),
    ]
    plan = make_plan(known(root, Remembered(dependencies=circle)).request(HERE))
    assert [batch.tests for batch in plan.batches] == [(0, 1)]
    assert any("in a circle" in note for note in plan.notes)


def test_a_test_that_needs_itself_is_planned(root):
    own = code_of(TESTS, SourceFiles(root))[TESTS[0].nodeid].own
    itself = [Dependency(TESTS[0].nodeid, TESTS[0].nodeid, Verdict.VICTIM, own)]
    plan = make_plan(known(root, Remembered(dependencies=itself)).request(HERE))
    assert sorted(test for batch in plan.batches for test in batch.tests) == [0, 1]


def test_rules_outrank_observations_and_wrong_ones_are_told(root):
    rules = (
        Rule(nodeid="test_a.py::test_one", level=Level.SCHEMA_CHANGES),
        Rule(nodeid="*::test_one", level=Level.READ_ONLY),
        Rule(mark="nowhere", level=Level.NONE),
    )
    found = known(root, remembered(root, {TESTS[0].nodeid: CALM}), rules=rules)
    assert levels(found)[0] is Level.SCHEMA_CHANGES
    codes = {note.code for note in found.notes}
    assert {"contradictory-rules", "rule-matches-nothing", "level-too-high"} <= codes


def test_a_wrong_marker_is_told(root):
    marked = dataclasses.replace(TESTS[0], marks=(Mark("dbsafe", kwargs=(("level", "'HUGE'"),)),))
    assert "bad-marker" in {note.code for note in known(root, Remembered(), (marked, TESTS[1])).notes}


def test_an_analysis_that_breaks_down_costs_one_file(root, monkeypatch):
    (root / "test_b.py").write_text("def test_three(): pass\n")
    three = Test(2, "test_b.py::test_three", "test_b.py", 1, "", "test_three")
    usual = module.analyse

    def analyse(tests, *rest):
        if any(test.file == "test_a.py" for test in tests):
            raise RecursionError("too deep")
        return usual(tests, *rest)

    monkeypatch.setattr(module, "analyse", analyse)
    found = known(root, Remembered(), (*TESTS, three))
    assert levels(found) == [Level.SHARED_WRITES, Level.SHARED_WRITES, Level.NONE]
    (note,) = [note for note in found.notes if note.code == "analysis-failed"]
    assert "test_a.py" in note.message
    assert "RecursionError: too deep" in note.message


def test_a_run_corrects_what_was_believed(root):
    before = known(root, Remembered())
    lesson = lesson_of(
        config(root), before, {TESTS[0].nodeid: LEAVES, TESTS[1].nodeid: Observation(complete=1)}, HERE
    )
    assert lesson.corrected == 1
    (note,) = lesson.notes
    assert note.code == "level-too-low"
    assert note.nodeid == TESTS[0].nodeid
    assert "static said NONE, observed SHARED_WRITES" in note.message


def test_a_test_that_does_more_than_in_earlier_runs_is_told(root):
    (root / "test_a.py").write_text(
        "import os\nimport psycopg\n\ndef test_one():\n    connection = psycopg.connect()\n"
        "    connection.execute('insert into orders values (1)')\n"
        "    if os.environ.get('KEEP'):\n        connection.commit()\n\ndef test_two(): pass\n"
    )
    before = known(root, remembered(root, {TESTS[0].nodeid: WRITES, TESTS[1].nodeid: CALM}))
    assert levels(before) == [Level.ISOLATED_WRITES, Level.READ_ONLY]
    lesson = lesson_of(config(root), before, {TESTS[0].nodeid: LEAVES, TESTS[1].nodeid: CALM}, HERE)
    (note,) = lesson.notes
    assert (lesson.corrected, note.code, note.nodeid) == (1, "level-too-low", TESTS[0].nodeid)
    assert note.message.startswith(
        "earlier runs observed ISOLATED_WRITES, this one SHARED_WRITES: leaves"
    )


def test_a_run_that_sees_what_was_known_teaches_nothing(root):
    before = known(root, remembered(root, {TESTS[0].nodeid: LEAVES, TESTS[1].nodeid: CALM}))
    lesson = lesson_of(config(root), before, {TESTS[0].nodeid: LEAVES, TESTS[1].nodeid: CALM}, HERE)
    assert (lesson.corrected, list(lesson.notes)) == (0, [])


def test_less_than_was_once_observed_corrects_nothing(root):
    before = known(root, remembered(root, {TESTS[0].nodeid: LEAVES}))
    assert lesson_of(config(root), before, {TESTS[0].nodeid: CALM}, HERE).corrected == 0


def test_what_failed_half_way_corrects_nothing(root):
    before = known(root, Remembered())
    cut = dataclasses.replace(LEAVES, complete=0)
    assert lesson_of(config(root), before, {TESTS[0].nodeid: cut}, HERE).corrected == 0
