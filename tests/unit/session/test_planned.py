"""How many workers a plan has when they must be spawned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dbsafe_runner.config import Config, load_config
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.test import Test
from dbsafe_runner.history.forecasts import Timing
from dbsafe_runner.history.records import Remembered
from dbsafe_runner.planning.request import Grouping
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.knowledge import gather
from dbsafe_runner.session.parts import usable_cores
from dbsafe_runner.session.planned import Planned, plan_of
from dbsafe_runner.session.sources import SourceFiles
from dbsafe_runner.workers.settings import CollectedSuite

WANTED = 4 + usable_cores()
FILES = [f"test_{letter}.py" for letter in "abcdef"]
TESTS = tuple(
    Test(10 * place + n, f"{file}::test_{n}", file, n + 1, "", f"test_{n}")
    for place, file in enumerate(FILES)
    for n in range(10)
)


def planned(
    root: Path, seconds: float, options: dict[str, object], maxfail: int = 0, **suite: object
) -> Planned:
    for file in FILES:
        (root / file).write_text("".join(f"def test_{n}(): pass\n" for n in range(10)))
    config: Config = load_config(root, environment={}, options=options)
    given = suite.pop("grouping", Grouping.DEPENDENCY)
    circumstances = Circumstances(STRATEGIES["balanced"], WANTED, NamespaceKind.SERVER, given)
    before = Remembered(timings={test.nodeid: [Timing(0.0, seconds, 0.0)] for test in TESTS})
    knowledge = gather(config, TESTS, SourceFiles(root), before, circumstances)
    collected = CollectedSuite(TESTS, root, maxfail=maxfail, **suite)
    return plan_of(config, knowledge, circumstances, collected)


@pytest.mark.parametrize(
    ("seconds", "start", "most", "least"),
    [(1.0, 0.5, usable_cores(), usable_cores()), (0.001, 9.0, 1, 1)],
)
def test_spawned_workers_are_as_many_as_gain_more_than_they_cost(tmp_path, seconds, start, most, least):
    found = planned(tmp_path, seconds, {}, unsafe=("a thread",), start_seconds=start)
    assert least <= found.plan.workers <= most
    assert found.circumstances.workers == found.request.workers == found.plan.workers
    assert found.plan.notes[0].startswith(f"{found.plan.workers} worker")
    assert f"instead of {WANTED}" in found.plan.notes[0]


@pytest.mark.parametrize(
    ("options", "suite"),
    [
        ({}, {}),
        ({"workers.start": "fork"}, {"unsafe": ("a thread",)}),
        ({"workers.count": WANTED}, {"unsafe": ("a thread",)}),
    ],
)
def test_forked_workers_and_those_that_were_asked_for_are_all_started(tmp_path, options, suite):
    found = planned(tmp_path, 0.001, options, start_seconds=9.0, **suite)
    assert found.plan.workers == WANTED
    assert found.plan.notes == ()


def test_spawning_may_be_asked_for(tmp_path):
    assert planned(tmp_path, 0.001, {"workers.start": "spawn"}, start_seconds=9.0).plan.workers == 1


def test_an_empty_suite_has_a_plan(tmp_path):
    config = load_config(tmp_path, environment={})
    circumstances = Circumstances(STRATEGIES["balanced"], WANTED, NamespaceKind.SERVER)
    knowledge = gather(config, (), SourceFiles(tmp_path), Remembered(), circumstances)
    empty = CollectedSuite((), tmp_path, maxfail=0, unsafe=("a thread",), start_seconds=1.0)
    found = plan_of(config, knowledge, circumstances, empty)
    assert dataclasses.replace(found.plan, limited_by="").batches == ()


@pytest.mark.parametrize(
    ("options", "maxfail", "grouping"),
    [
        ({}, 0, Grouping.DEPENDENCY),
        ({}, 1, Grouping.FILE),
        ({"run.confirm": False}, 0, Grouping.FILE),
        ({"run.confirm": False, "run.grouping": "test"}, 1, Grouping.TEST),
    ],
)
def test_files_stay_whole_where_failures_are_not_run_again(tmp_path, options, maxfail, grouping):
    given = Grouping(options.get("run.grouping", "dependency"))
    assert planned(tmp_path, 0.1, options, maxfail, grouping=given).request.grouping is grouping
