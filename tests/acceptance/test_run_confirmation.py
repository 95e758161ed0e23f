"""What a failure hangs on: what always fails, flaky tests, crashes, and no time to look into them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes.projects import Project, Run, project_with_table, verdict


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_with_table(tmp_path)


def test_a_test_that_always_fails(project: Project) -> None:
    project.write(
        test_one="""
            from dbhelp import run
            def test_a(): pass
            def test_fails(): run("insert into item values (1)"); assert run("select n from item") == []
            def test_z(): pass
        """
    )
    run = project.dbsafe()
    assert verdict(run, "test_fails") == ("failed", "failed", "")
    assert run.code == 1
    assert not any(code.endswith("-test") for code in run.notices())


FLAKY = """
    from pathlib import Path
    def test_a(): pass
    def test_flaky():
        first = not Path("seen").exists()
        Path("seen").touch()
        assert not first, "the first time"
"""


@pytest.mark.parametrize(
    ("option", "outcome", "code"),
    [((), "passed", 0), pytest.param(("--flaky", "fail"), "failed", 1, marks=pytest.mark.long)],
)
def test_a_flaky_test(project: Project, option: tuple[str, ...], outcome: str, code: int) -> None:
    project.write(test_one=FLAKY)
    run = project.dbsafe(*option)
    assert verdict(run, "test_flaky") == (outcome, "flaky", ""), run.out
    assert run.code == code
    assert "flaky-test" in run.notices()
    assert "the first time" in run.test("test_flaky")["text"]
    assert "it is flaky" in run.out
    assert "1 flaky" in run.out


def test_nothing_is_tried_again_without_confirmation(project: Project) -> None:
    project.write(test_one=FLAKY)
    run = project.dbsafe("--no-confirm")
    assert verdict(run, "test_flaky") == ("failed", "clear", "")
    assert run.code == 1


@pytest.mark.long
def test_retries_without_confirmation(project: Project) -> None:
    project.write(test_one=FLAKY)
    run = project.dbsafe("--no-confirm", "--retries", "2")
    assert verdict(run, "test_flaky") == ("passed", "flaky", "")


@pytest.mark.long
def test_retries_run_a_test_that_fails_alone_again(project: Project) -> None:
    counted = 'Path("seen").write_text("x" * (len(Path("seen").read_text()) + 1))'
    project.write(
        test_one=f"""
            from pathlib import Path
            def test_third_time():
                {counted}
                assert len(Path("seen").read_text()) >= 3
        """
    )
    (project.root / "seen").write_text("")
    assert verdict(project.dbsafe("--retries", "1"), "third_time") == ("passed", "flaky", "")
    (project.root / "seen").write_text("")
    assert verdict(project.dbsafe(), "third_time") == ("failed", "failed", "")


def test_a_test_that_crashes_once_is_flaky_and_one_that_always_does_fails(project: Project) -> None:
    project.write(
        test_one="""
            import os
            from pathlib import Path
            def test_once():
                if not Path("seen").exists():
                    Path("seen").touch()
                    os.kill(os.getpid(), 9)
            def test_always(): os._exit(3)
            def test_behind_it(): assert 0
        """
    )
    run = project.dbsafe()
    assert verdict(run, "test_once") == ("passed", "flaky", ""), run.out
    assert verdict(run, "test_always") == ("failed", "failed", "")
    assert verdict(run, "test_behind_it") == ("failed", "failed", "")
    assert "was killed by SIGKILL" in run.test("test_once")["text"]
    assert run.results["totals"]["not_run"] == 0


def test_nothing_runs_beside_the_trial_of_a_test_that_wants_to_be_alone(project: Project) -> None:
    watched = """
        with open("log", "a") as log:
            log.write("+\\n"); log.flush(); time.sleep(0.3); log.write("-\\n")
        assert 0
    """.strip()
    project.write(
        test_one=f"""
    import pytest, time
    @pytest.mark.dbsafe(exclusive=True)
    def test_alone():
        {watched}
    @pytest.mark.dbsafe(exclusive=True)
    def test_alone_too():
        {watched}
        """,
        test_two="def test_fails(): assert 0\ndef test_passes(): pass",
    )
    run = project.dbsafe("--grouping", "test")
    assert {name: verdict(run, name)[1] for name in ("alone", "alone_too", "fails", "passes")} == {
        "alone": "failed",
        "alone_too": "failed",
        "fails": "failed",
        "passes": "clear",
    }, run.out
    lines = (project.root / "log").read_text().split()
    assert len(lines) >= 8
    assert lines == ["+", "-"] * (len(lines) // 2)


def test_what_passes_only_with_nothing_beside_it_is_flaky(project: Project) -> None:
    """Two tests that each fail while the other one runs, as those do that give a program a second."""
    project.write(
        test_one="""
            import os, pathlib, subprocess, time
            import pytest

            @pytest.mark.parametrize("number", range(2))
            def test_it(number):
                mine = f"running-{number}"
                other = pathlib.Path(f"running-{1 - number}")
                # The analysis would take files that they make themselves for state that they share.
                subprocess.run(["touch", mine], check=True)
                try:
                    for _ in range(11):
                        time.sleep(0.1)
                        assert not other.exists() or time.sleep(1.0)
                finally:
                    subprocess.run(["rm", mine], check=True)
        """
    )
    project.file("runner.toml", '[[rules]]\nnodeid = "*"\nlevel = "NONE"\n')
    run = project.dbsafe("--grouping", "test")
    assert set(run.outcomes.values()) == {"passed"}, run.out
    assert {verdict(run, f"test_it[{number}]")[1] for number in range(2)} <= {"flaky", "clear"}
    assert "flaky" in run.out
    assert run.code == 0


IN_ORDER = """
    import os
    import pytest
    from dbhelp import run

    def count():
        return run("select count(*) from item")[0][0]

    @pytest.mark.dbsafe(level="NONE")
    @pytest.mark.parametrize("number", range(4))
    def test_behind_the_others(number):
        assert count() == number
        run("insert into item values (1)")

    @pytest.mark.dbsafe(level="NONE")
    def test_wrong():
        assert count() == 17
    @pytest.mark.dbsafe(level="NONE")
    def test_last():
        assert count() == 4
"""


def outcomes(run: Run) -> dict[str, tuple[str, str]]:
    """Outcome and verdict by the last part of the node id."""
    return {
        test["nodeid"].split("::")[1]: (test["outcome"], test["verdict"])
        for test in run.results["tests"]
    }


def test_without_time_to_look_into_failures_they_still_end_as_serially(project: Project) -> None:
    # What the mark says is wrong: each test gets a namespace that has been reset, and needs the others.
    project.write(test_one=IN_ORDER, test_two=IN_ORDER)
    run = project.dbsafe("--confirm-budget", "0", "--grouping", "test", "-n", "2")
    assert run.code == 1
    ended = outcomes(run)
    assert {name for name, (outcome, _) in ended.items() if outcome == "failed"} == {"test_wrong"}
    assert ended["test_last"] == ("passed", "brittle")
    assert run.results["totals"]["failed"] == 2
    assert run.results["totals"]["passed"] == 10
    assert "What further failures hang on is not looked for" in run.out
    assert "passes in the order of a serial run, which it did not have here" in run.out


def test_without_time_what_needs_another_file_stays_failed_and_is_named(project: Project) -> None:
    project.write(
        state="MADE = []",
        # Until the other worker has begun, as one worker would run both.
        test_one="import state, time\ndef test_makes():\n    time.sleep(2)\n    state.MADE.append(1)",
        test_two="import state\ndef test_needs(): assert state.MADE",
    )
    run = project.dbsafe("--confirm-budget", "0", "-n", "2")
    assert outcomes(run)["test_needs"] == ("failed", "clear"), run.out
    assert "unexamined  a serial run might pass test_two.py::test_needs" in run.out


@pytest.mark.long
def test_a_crash_in_the_run_that_settles_others_costs_only_itself(project: Project) -> None:
    crash = IN_ORDER.replace("assert count() == 17", "os.abort()")
    project.write(test_one=crash)
    run = project.dbsafe("--confirm-budget", "0", "--grouping", "test", "-n", "2")
    ended = outcomes(run)
    assert {name for name, (outcome, _) in ended.items() if outcome != "passed"} == {"test_wrong"}
    assert ended["test_last"] == ("passed", "brittle")


@pytest.mark.long
def test_a_test_that_is_run_again_is_named_while_that_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path).write(
        test_one="""
            import pathlib, time
            def test_fails():
                first = not pathlib.Path("ran").exists()
                pathlib.Path("ran").write_text("x")
                if not first:
                    time.sleep(1.5)
                assert not "always"
        """
    )
    often = "from dbsafe_runner.reporting import console; console.QUIET_FOR = 0.3; "
    command = project.command()
    place = command.index("-c") + 1
    command[place] = often + command[place]
    done = subprocess.run(
        command,
        cwd=project.root,
        env={**project.environment(), "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "1 being run again" in line]
    assert any("test_one.py::test_fails" in line for line in lines), done.stdout
    # Nobody knows how long that takes.
    assert not any(" left" in line for line in lines)


def test_nothing_is_tried_time_and_again_behind_what_ends_its_process(project: Project) -> None:
    project.write(
        test_one="def test_before(): pass",
        test_two="""
            import os
            def test_exits():
                with open("exits", "a") as file: file.write("x")
                os._exit(3)
            def test_between(): pass
            def test_fails(): raise ValueError
        """,
    )
    run = project.dbsafe()
    assert verdict(run, "test_exits") == ("failed", "failed", "")
    assert verdict(run, "test_fails") == ("failed", "failed", "")
    # In the run, alone, behind the other file, and at most once before the test that fails behind it.
    assert len((project.root / "exits").read_text()) <= 4
