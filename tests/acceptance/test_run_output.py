"""What a run prints and writes: reports, capture, logging and warnings as plain pytest has them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fakes.projects import Project, Run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


CAPTURED = """
    import logging, os, sys, warnings, pytest

    @pytest.fixture
    def noisy():
        print("in set-up")
        yield
        print("in teardown", file=sys.stderr)

    def test_passes_loudly(noisy):
        print("a line on stdout")
        os.write(1, b"straight to descriptor 1\\n")
        logging.getLogger("shop").warning("a log line")

    def test_fails_loudly(noisy):
        print("another line")
        logging.getLogger("shop").error("another log line")
        warnings.warn("a user warning", UserWarning)
        assert {"a": 1} == {"a": 2}

    def test_capsys(capsys):
        print("seen"); assert capsys.readouterr().out == "seen\\n"

    def test_capfd(capfd):
        os.system("echo from a program"); assert capfd.readouterr().out == "from a program\\n"

    def test_caplog(caplog):
        logging.getLogger().warning("kept"); assert caplog.messages == ["kept"]

    @pytest.mark.xfail(reason="known")
    def test_expected(): assert 0

    @pytest.mark.xfail(strict=True, reason="gone")
    def test_unexpected(): pass

    @pytest.mark.skip(reason="not today")
    def test_skipped(): pass

    def test_error(noisy, request):
        request.addfinalizer(lambda: 1 / 0)
"""


def summary(run: Run) -> list[str]:
    lines = run.out.split("short test summary info", 1)[-1].splitlines()[1:]
    kept = []
    for line in lines:
        if line.startswith("=="):
            break
        kept.append(line)
    return sorted(line for line in kept if not re.match(r"\d", line))


def counts(run: Run) -> str:
    found = re.findall(r"^=+ (.* in )[\d.]+s.*=+$", run.out, re.MULTILINE)
    assert found, run.out
    return str(found[-1])


@pytest.mark.parametrize(
    "arguments",
    [
        ["-rA"],
        pytest.param(["-rfEX", "--tb=short"], marks=pytest.mark.long),
        pytest.param(["-rsx", "--tb=line"], marks=pytest.mark.long),
        ["-q"],
    ],
)
def test_summaries_are_those_of_pytest(project: Project, arguments: list[str]) -> None:
    project.write(test_one=CAPTURED)
    serial, parallel = project.same(*arguments)
    assert summary(parallel) == summary(serial)
    if "-q" not in arguments:
        assert counts(parallel) == counts(serial)
    if "-rA" in arguments:
        for text in (
            "= PASSES =",
            "Captured stdout call",
            "a line on stdout\nstraight to descriptor 1",
            "Captured log call",
            "a log line",
            "= warnings summary =",
            "UserWarning: a user warning",
        ):
            assert text in parallel.out, text


def test_without_pytests_terminal_plugin(project: Project) -> None:
    project.write(
        test_one="""
            import pytest

            @pytest.fixture
            def broken():
                raise RuntimeError("no such thing")

            def test_broken(broken): pass
            def test_bad(): assert 1 == 2
            def test_good(): pass
        """
    )
    _, parallel = project.same("-p", "no:terminal")
    assert "RuntimeError: no such thing" in parallel.out
    assert "Traceback" not in parallel.out


@pytest.mark.parametrize(
    "style",
    [
        *(pytest.param(style, marks=pytest.mark.long) for style in ("long", "short", "native", "line")),
        "no",
        "auto",
    ],
)
def test_failures_look_as_in_pytest(project: Project, style: str) -> None:
    project.write(test_one="def test_bad():\n    x = {'a': 1}\n    assert x == {'a': 2}\n")
    serial = project.pytest(f"--tb={style}", "-p", "no:terminal-progress")
    parallel = project.dbsafe(f"--tb={style}", "--no-confirm")
    section = serial.out.split("= FAILURES =", 1)[-1] if style != "no" else ""
    for line in section.split("short test summary", 1)[0].splitlines()[1:]:
        assert line.strip("= ") in parallel.out, parallel.out


def test_sections_go_with_the_failure(project: Project) -> None:
    project.write(test_one=CAPTURED)
    run = project.dbsafe("--no-confirm")
    titles = {section["title"] for section in run.test("test_fails_loudly")["sections"]}
    assert titles == {
        "Captured stdout setup",
        "Captured log call",
        "Captured stdout call",
        "Captured stderr teardown",
    }
    assert "another log line" in run.out


def test_without_capture_prints_come_through(project: Project) -> None:
    project.write(test_one="def test_one(): print('for all to see')")
    assert "for all to see" in project.dbsafe("-s").out
    assert "for all to see" not in project.dbsafe().out


def test_prints_during_collection_come_once(project: Project) -> None:
    project.write(
        conftest="print('conftest is here')",
        **{f"test_{n}": "print('module is here')\ndef test_one(): pass" for n in range(4)},
    )
    run = project.dbsafe("-s", workers=3)
    assert run.out.count("conftest is here") == 1
    assert run.out.count("module is here") == 4


def test_live_logs_and_log_file(project: Project) -> None:
    text = "import logging\ndef test_one(): logging.getLogger('shop').warning('log line of {n}')"
    project.write(**{f"test_{n}": text.replace("{n}", str(n)) for n in range(4)})
    run = project.dbsafe("-o", "log_cli=true", "--log-cli-level=INFO", "--log-file=all.log")
    for number in range(4):
        assert f"log line of {number}" in run.out
    written = (project.root / "all.log").read_text()
    assert sorted(re.findall(r"log line of \d", written)) == [f"log line of {n}" for n in range(4)]


def test_durations(project: Project) -> None:
    project.write(test_one="import time\ndef test_slow(): time.sleep(0.3)\ndef test_fast(): pass")
    run = project.dbsafe("--durations=2", "--durations-min=0.1")
    assert re.search(r"0\.3\ds call     test_one.py::test_slow", run.out)


def cases(path: Path) -> list[tuple[str | None, ...]]:
    found = []
    for case in ET.parse(path).iter("testcase"):
        inner = sorted(child.tag for child in case)
        found.append((case.get("classname"), case.get("name"), *inner))
    return sorted(found)


def test_junitxml_holds_what_pytest_writes(project: Project) -> None:
    project.write(
        test_one=CAPTURED,
        test_two="""
            def test_property(record_property): record_property("key", 7)
            def test_suite(record_testsuite_property): record_testsuite_property("all", "x")
        """,
    )
    project.pytest("--junitxml=serial.xml")
    project.dbsafe("--junitxml=parallel.xml", "--no-confirm")
    serial, parallel = project.root / "serial.xml", project.root / "parallel.xml"
    assert cases(parallel) == cases(serial)
    assert "another log line" in parallel.read_text()
    assert 'name="key" value="7"' in parallel.read_text()


OF_THE_SUITE = """
    def test_suite(record_testsuite_property, of_the_session):
        record_testsuite_property("of the test", 7)
"""


def test_properties_of_the_suite_are_in_pytests_junitxml_once(project: Project) -> None:
    project.write(
        conftest="""
            import pytest
            @pytest.fixture(scope="session")
            def of_the_session(record_testsuite_property):
                record_testsuite_property("of the session", "<x>")
        """,
        test_one=OF_THE_SUITE,
        test_two=OF_THE_SUITE.replace("of the test", "of another"),
    )
    run = project.dbsafe("--junitxml=junit.xml")
    recorded = ET.parse(project.root / "junit.xml").findall("testsuite/properties/property")
    found = sorted((entry.get("name"), entry.get("value")) for entry in recorded)
    assert found == [("of another", "7"), ("of the session", "<x>"), ("of the test", "7")], run.out


def test_warnings_are_errors_where_asked(project: Project) -> None:
    project.write(test_one="import warnings\ndef test_one(): warnings.warn('w')\ndef test_two(): pass")
    serial, _ = project.same("-W", "error")
    assert serial.outcomes["test_one.py::test_one"] == "failed"


def test_warnings_are_summed_up_once(project: Project) -> None:
    text = "import warnings\nfrom lib import f\nwarnings.warn('at import')\ndef test_one(): f()"
    project.write(
        lib="import warnings\nclass Own(UserWarning): pass\ndef f(): warnings.warn(Own('own'))",
        **{f"test_{n}": text for n in range(3)},
    )
    serial, parallel = project.same()
    assert counts(parallel) == counts(serial)
    assert "lib.Own: own" in parallel.out or "Own: own" in parallel.out


def test_hooks_of_the_suite_get_every_report_once_in_one_place(project: Project) -> None:
    project.write(
        conftest="""
            import os
            seen, finished, home = [], [], os.getpid()
            def pytest_runtest_logreport(report):
                seen.append((report.nodeid, report.when, report.outcome))
            def pytest_runtest_logfinish(nodeid): finished.append(nodeid)
            def pytest_sessionfinish(session, exitstatus):
                with open("finish.log", "a") as log:
                    print(home == os.getpid(), int(exitstatus), len(seen), len(finished), file=log)
                    print(session.testsfailed, session.testscollected, file=log)
            def pytest_terminal_summary(terminalreporter):
                terminalreporter.write_line(f"own summary: {len(terminalreporter.stats['passed'])}")
            def pytest_unconfigure():
                with open("finish.log", "a") as log: print("unconfigured", file=log)
        """,
        **{f"test_{n}": "def test_1(): pass\ndef test_2(): assert 0" for n in range(3)},
    )
    serial = project.pytest()
    expected = (project.root / "finish.log").read_text()
    (project.root / "finish.log").unlink()
    run = project.dbsafe("--no-confirm")
    assert (project.root / "finish.log").read_text() == expected
    assert "own summary: 3" in run.out
    assert run.code == serial.code


def test_subtests_and_doctests_are_summed_up_as_by_pytest(project: Project) -> None:
    project.write(
        test_sub="""
            import unittest
            def added():
                '''
                >>> 1 + 1
                3
                '''
            def test_sub(subtests):
                for i in (1, 2):
                    with subtests.test("part", i=i, name="x"): assert i != 2
            class TestOne(unittest.TestCase):
                def test_sub(self):
                    with self.subTest(i=1): self.fail("no")
        """
    )
    serial, parallel = project.pytest("--doctest-modules"), project.dbsafe("--doctest-modules")
    assert summary(parallel) == summary(serial)
    assert "FAILED test_sub.py::test_sub.added" in summary(parallel)
    assert counts(parallel) == counts(serial)
    assert "contains 1 failed subtest\n" in parallel.out.split("short test summary")[0]
    assert parallel.test("test_sub.added")["reason"] == "DocTestFailure"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        pytest.param(["-s"], marks=pytest.mark.long),
        pytest.param(["--start", "spawn"], marks=pytest.mark.long),
        pytest.param(["--capture=sys"], marks=pytest.mark.long),
    ],
    ids=["fd", "s", "spawn", "sys"],
)
def test_nothing_of_a_trial_is_printed_or_logged(project: Project, arguments: list[str]) -> None:
    project.write(
        test_one="""
            import logging, os, sys
            def test_passes(capsys):
                logging.getLogger().warning("logged by one that passes")
                with capsys.disabled(): print("shown by one that passes", flush=True)
                print("written by one that passes", file=sys.__stdout__, flush=True)
            def test_fails():
                logging.getLogger().warning("logged by one that fails")
                os.write(2, b"written by one that fails\\n")
                assert 0
        """
    )
    serial = project.pytest(
        "--log-file=all.log", *(a for a in arguments if a not in {"--start", "spawn"})
    )
    logged = (project.root / "all.log").read_text()
    run = project.dbsafe("--log-file=all.log", *arguments)
    assert run.code == 1
    assert "FAILED test_one.py::test_fails: alone, too" in run.out
    assert run.out.count("shown by one that passes") == 1
    written = serial.out.count("\nwritten by one that passes")
    assert run.out.count("written by one that passes") == written
    kept = re.sub(r"worker.*", "", (project.root / "all.log").read_text())
    assert sorted(kept.splitlines()) == sorted(logged.splitlines())
    assert "logged by one that fails" in run.test("test_fails")["text"]


def test_errors_in_teardowns_show_nothing_of_dbsafe(project: Project) -> None:
    project.write(
        conftest="""
            import pytest
            @pytest.fixture(scope="session", autouse=True)
            def whole():
                yield
                raise ValueError("of the session")
            @pytest.fixture(scope="module", autouse=True)
            def part():
                yield
                raise ValueError("of the module")
        """,
        test_a="def test_1(): pass\ndef test_2(): pass",
        test_b="def test_1(): pass\ndef test_2(): pass",
    )
    run = project.dbsafe("--no-confirm")
    assert "of the session" in run.out
    assert "of the module" in run.out
    assert "dbsafe_runner" not in run.out


def test_what_is_refused_is_told_once_however_often_the_test_is_run_again(project: Project) -> None:
    project.file("runner.toml", '[database]\nsource = "postgresql://shop@localhost/shop"\n')
    project.write(
        test_one="""
            import psycopg

            def test_elsewhere():
                for _ in range(2):
                    try:
                        psycopg.connect("postgresql://shop@db.example.com/shop")
                    except psycopg.OperationalError as error:
                        caught = error
                raise caught
        """
    )
    run = project.dbsafe()
    assert run.outcomes == {"test_one.py::test_elsewhere": "failed"}
    assert run.out.count("warning[connection-refused-by-guard]") == 1


def test_only_reports_that_could_be_written_are_listed(project: Project) -> None:
    project.write(test_one="def test_passes(): pass")
    (project.root / "out" / "results.json").mkdir(parents=True)
    run = project.dbsafe("--output", "out")
    assert run.code == 64
    assert "error[report-not-written]" in run.out
    listed = re.findall(r"^  (?:reports)? +(out/\S+)$", run.out, re.MULTILINE)
    assert listed == ["out/report.html", "out/junit.xml"]
