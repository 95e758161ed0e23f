"""`dbsafe plan`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fakes.projects import DBSAFE, Project

SUITE = """
    import os, pathlib, pytest

    pathlib.Path("imported").write_text("")

    @pytest.fixture(scope="module")
    def list_of_names(): return []

    @pytest.mark.parametrize("number", range(3))
    def test_pure(number): assert "never" not in os.environ

    def test_other(list_of_names): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path).write(test_shop=SUITE)


def plan(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DBSAFE, "plan", *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def planned(project: Project, *arguments: str):
    done = plan(project, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_plan_runs_no_test_and_leaves_no_history(project):
    project.file("test_shop.py", SUITE.replace('assert "never"', 'open("ran", "w"); assert "never"'))
    done = plan(project, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 tests in 1 file collected; strategy balanced, ")
    assert "No duration is known yet" in done.stdout
    assert (project.root / "imported").exists()
    assert not (project.root / "ran").exists()
    assert not (project.root / ".dbsafe" / "history.db").exists()


def test_a_static_plan_imports_nothing(project):
    found = planned(project, "--static", "-n", "3")
    assert not (project.root / "imported").exists()
    assert (found["static"], found["workers"]) == (True, 3)
    assert [test["nodeid"] for test in found["tests"]] == [
        "test_shop.py::test_pure",
        "test_shop.py::test_other",
    ]
    assert "a parametrised test counts as one" in plan(project, "--static").stdout
    assert "parametrised" not in plan(project).stdout


def test_json_has_every_test_in_exactly_one_batch(project):
    found = planned(project, "--workers", "2")
    nodeids = [nodeid for batch in found["batches"] for nodeid in batch["tests"]]
    assert sorted(nodeids) == sorted(test["nodeid"] for test in found["tests"])
    assert len(nodeids) == len(set(nodeids)) == 4
    assert [one["workers"] for one in found["alternatives"]] == [1, 2, 4, 8, 16]
    for one in found["alternatives"]:
        assert one["predicted"] >= one["lower_bound"] - 1e-9
        assert one["limited_by"]
        assert one["predicted"] == round(one["predicted"], 3)


def test_selections_are_pytests_own(project):
    found = planned(project, "-k", "other")
    assert [test["nodeid"] for test in found["tests"]] == ["test_shop.py::test_other"]


def test_after_a_run_durations_and_levels_are_known(project):
    ran = project.dbsafe()
    assert ran.code == 0, ran.out
    found = planned(project)
    assert found["known_durations"] == 4
    assert {test["source"] for test in found["tests"]} == {"observed"}
    assert {test["level"] for test in found["tests"]} == {0}
    project.file("test_shop.py", SUITE + "\n    # changed\n")
    again = planned(project)
    assert {test["source"] for test in again["tests"]} == {"static"}
    assert again["known_durations"] == 4


def test_errors_of_collection_are_shown_with_pytests_exit_code(project):
    project.write(test_broken="def test_broken(:\n", test_circle="import test_circle_b")
    project.write(test_circle_b="from test_circle import nothing")
    done = plan(project)
    assert done.returncode == 2
    assert "SyntaxError" in done.stderr
    assert "ImportError" in done.stderr
    static = plan(project, "--static")
    assert static.returncode == 0
    assert "test-file-unreadable: test_broken.py cannot be read as Python" in static.stdout


def test_binary_and_huge_test_files_are_named(project):
    (project.root / "test_binary.py").write_bytes(b"\x7fELF\0\1\2")
    (project.root / "test_huge.py").write_text("x = [\n" + "    1,\n" * 1_300_000 + "]\n")
    done = plan(project, "--static")
    assert done.returncode == 0, done.stderr
    assert "test_binary.py cannot be read as Python" in done.stdout
    assert "reads no source above 8,000,000" in done.stdout


def test_no_tests(project):
    (project.root / "test_shop.py").unlink()
    done = plan(project, "--static")
    assert done.returncode == 0
    assert done.stdout.startswith("0 tests in 0 files")
    assert plan(project).returncode == 5


def test_wrong_strategies_are_all_told_at_once(project):
    project.file(
        "runner.toml",
        """
        [run]
        isolation = "mine"
        [strategies.mine]
        based_on = "nothing"
        workers = [9, 3]
        [strategies.other]
        workers = "many"
        levels.TOO_MUCH.cap = "most"
        [strategies.other.levels.3]
        isolation = "cage"
        reset = "never"
        fresh = 1
        """,
    )
    done = plan(project)
    assert done.returncode == 64
    assert "error[bad-strategy]: The strategies in runner.toml have 8 problems." in done.stderr
    told = [line.split(": ")[:2] for line in done.stderr.splitlines() if "runner.toml:" in line]
    assert [tuple(words) for words in told] == [
        ("  runner.toml:5", "strategies.mine.based_on"),
        ("  runner.toml:6", "strategies.mine.workers"),
        ("  runner.toml:8", "strategies.other.workers"),
        ("  runner.toml:9", "strategies.other.levels.TOO_MUCH"),
        ("  runner.toml:9", "strategies.other.levels.TOO_MUCH.cap"),
        ("  runner.toml:11", "strategies.other.levels.3.isolation"),
        ("  runner.toml:12", "strategies.other.levels.3.reset"),
        ("  runner.toml:13", "strategies.other.levels.3.fresh"),
    ]


def test_a_strategy_of_ones_own(project):
    project.file(
        "runner.toml",
        """
        [run]
        isolation = "mine"
        [strategies.mine]
        workers = [3, 3]
        levels.NONE.isolation = "process"
        """,
    )
    found = planned(project)
    assert (found["strategy"], found["workers"]) == ("mine", 3)
    assert {batch["isolation"] for batch in found["batches"]} == {"process"}
    assert planned(project, "-n", "7")["workers"] == 7


def test_rules_that_match_nothing_or_contradict_are_told(project):
    project.file(
        "runner.toml",
        """
        [[rules]]
        nodeid = "*::test_pure*"
        level = "READ_ONLY"
        [[rules]]
        fixture = "list_of_names"
        level = 3
        [[rules]]
        nodeid = "*::test_other"
        level = 1
        [[rules]]
        mark = "nowhere"
        exclusive = true
        """,
    )
    found = planned(project)
    codes = [note["code"] for note in found["notes"]]
    assert codes.count("rule-matches-nothing") == 1
    assert codes.count("contradictory-rules") == 1
    assert {test["nodeid"]: test["level"] for test in found["tests"]}["test_shop.py::test_other"] == 3
    ran = project.dbsafe()
    assert ran.code == 0
    assert {"rule-matches-nothing", "contradictory-rules"} <= set(ran.notices())
    assert "rule-matches-nothing" not in project.dbsafe("test_shop.py").notices()


def test_a_rule_for_a_file_that_cannot_be_collected_is_not_called_useless(project):
    project.write(test_broken="def test_it(:\n")
    project.file("runner.toml", '[[rules]]\nnodeid = "test_broken.py::*"\nlevel = 3\n')
    for argument in ("--static", "--continue-on-collection-errors"):
        codes = [note["code"] for note in planned(project, argument)["notes"]]
        assert "rule-matches-nothing" not in codes


def test_what_a_failure_hung_on_is_in_the_next_plan_and_does_not_fail_again(project):
    project.write(
        test_shop="""
            def test_first(): pass
            def test_second(): pass
        """,
        shared="state = []",
        test_a="""
            import shared, time
            from pathlib import Path
            def test_helper():
                # Until another worker has had the other one; it is there when this is run again.
                deadline = time.monotonic() + 30
                while not Path("tried").exists() and time.monotonic() < deadline:
                    time.sleep(0.02)
                shared.state.append(1)
        """,
        test_b="""
            import shared
            from pathlib import Path
            def test_brittle():
                Path("tried").touch()
                assert shared.state
        """,
    )
    # A test that writes a file with a fixed name would run alone.
    project.file("runner.toml", '[[rules]]\nnodeid = "test_b.py*"\nlevel = "NONE"\n')
    first = project.dbsafe("--grouping", "test")
    assert "brittle-test" in first.notices(), first.out
    shown = plan(project)
    pair = "test_b.py::test_brittle needs test_a.py::test_helper"
    assert f"{pair}, as an earlier run found out: resolved by batching" in " ".join(shown.stdout.split())
    found = planned(project)
    (batch,) = [one for one in found["batches"] if "test_b.py::test_brittle" in one["tests"]]
    assert batch["tests"] == ["test_a.py::test_helper", "test_b.py::test_brittle"]
    assert pair in batch["why"]
    second = project.dbsafe("--grouping", "test")
    assert second.code == 0
    assert second.test("test_brittle")["verdict"] == "clear", second.out


@pytest.mark.long
def test_state_of_the_process_that_tests_share_keeps_them_together(project):
    project.write(
        test_shop="""
            basket = []
            def test_fills(): basket.append(1)
            def test_other(): pass
            def test_counts(): assert basket == [1]
        """
    )
    found = planned(project)
    (batch,) = [one for one in found["batches"] if "test_shop.py::test_fills" in one["tests"]]
    assert [one.rpartition("_")[2] for one in batch["tests"]] == ["fills", "other", "counts"]
    assert batch["why"] == "together: they share basket; file test_shop.py"
    ran = project.dbsafe("--grouping", "test", "--no-confirm")
    assert ran.code == 0, ran.out
    found = planned(project, "--grouping", "test")
    (batch,) = [one for one in found["batches"] if "test_shop.py::test_fills" in one["tests"]]
    assert batch["tests"] == ["test_shop.py::test_fills", "test_shop.py::test_counts"]
    assert batch["why"] == "together: they share basket"


def test_a_plan_says_what_each_test_is_expected_to_cost(project):
    project.file(
        "test_shop.py", "import psycopg\ndef test_a(): psycopg.connect('').execute('select 1')\n"
    )
    (test,) = planned(project, "--static")["tests"]
    cost = {"connections": 1, "processes": 0, "processor": "light", "memory": "light"}
    assert test["cost"] == cost
