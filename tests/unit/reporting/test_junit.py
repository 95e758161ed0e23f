from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from _pytest.junitxml import mangle_test_address
from fakes.event_stream import Scenario, make_run
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Outcome, Result
from dbsafe_runner.reporting.junit import as_xml
from dbsafe_runner.reporting.recorder import Recorder
from dbsafe_runner.reporting.results import RunReport

#: What may stand where, and with which attributes: Jenkins' schema for its xUnit plugin, with `error`
#: as its readers know it, and the `file`, `line` and `properties` that pytest's xunit1 and GitLab add.
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"properties", "skipped", "error", "failure"},
    "properties": {"property"},
    "property": set(),
    "skipped": set(),
    "error": set(),
    "failure": set(),
}
ATTRIBUTES = {
    "testsuites": ({"name"}, set()),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"skipped", "time", "timestamp", "hostname"}),
    "testcase": ({"name", "classname"}, {"time", "file", "line"}),
    "property": ({"name", "value"}, set()),
    "skipped": (set(), {"type", "message"}),
    "error": (set(), {"type", "message"}),
    "failure": (set(), {"type", "message"}),
    "properties": (set(), set()),
}
TIME = re.compile(r"\d+\.\d{3}")


def check(element: ET.Element) -> None:
    required, optional = ATTRIBUTES[element.tag]
    assert required <= set(element.attrib) <= required | optional
    if "time" in element.attrib:
        assert TIME.fullmatch(element.attrib["time"])
    assert not (element.text or "").strip() or element.tag in {"skipped", "error", "failure"}
    for child in element:
        assert child.tag in CHILDREN[element.tag]
        check(child)


def one(result: Result) -> ET.Element:
    recorder = Recorder()
    recorder.on(events.TestFinished(1.0, result, "server", 0))
    root = ET.fromstring(as_xml(recorder.report()))
    check(root)
    case = root.find(".//testcase")
    assert case is not None
    return case


def test_a_whole_run_has_the_shape_that_readers_expect(report: RunReport) -> None:
    root = ET.fromstring(as_xml(report))
    check(root)
    suite = root[0]
    kinds = Counter(child.tag for case in suite for child in case if child.tag != "properties")
    assert suite.attrib["tests"] == str(len(suite)) == "300"
    assert suite.attrib["failures"] == str(kinds["failure"])
    assert suite.attrib["skipped"] == str(kinds["skipped"])
    assert suite.attrib["errors"] == str(kinds["error"]) == "0"
    assert suite.attrib["timestamp"].startswith(("2025-01-01T", "2025-01-02T"))


def test_an_interrupted_run_can_be_read_too() -> None:
    recorder = Recorder()
    for event in make_run(Scenario(interrupted=True)):
        recorder.on(event)
    check(ET.fromstring(as_xml(recorder.report())))


@pytest.mark.parametrize(
    "nodeid",
    [
        "tests/a/test_x.py::test_y",
        "test_x.py::TestA::TestB::test_y[a::b/c.py]",
        "tests/test_x.py::test[1]",
    ],
)
def test_names_are_those_that_pytest_gives(nodeid: str) -> None:
    *classname, name = mangle_test_address(nodeid)
    case = one(Result(nodeid, Outcome.PASSED, {}, "gw0", 0.0, line=7))
    assert (case.attrib["classname"], case.attrib["name"]) == (".".join(classname), name)
    assert case.attrib["file"] == nodeid.split("::", maxsplit=1)[0]
    assert case.attrib["line"] == "7"


@pytest.mark.parametrize(
    ("outcome", "phases", "tag", "kind", "message"),
    [
        (Outcome.FAILED, ("setup", "call"), "failure", None, "why"),
        (Outcome.ERROR, ("setup",), "error", None, 'failed on setup with "why"'),
        (Outcome.ERROR, ("setup", "call", "teardown"), "error", None, 'failed on teardown with "why"'),
        (Outcome.ERROR, ("teardown",), "error", None, 'failed on teardown with "why"'),
        (Outcome.SKIPPED, ("setup",), "skipped", "pytest.skip", "why"),
        (Outcome.XFAILED, ("setup", "call"), "skipped", "pytest.xfail", "why"),
        (Outcome.NOT_RUN, (), "error", None, "not run: why"),
    ],
)
def test_each_outcome_has_its_element(
    outcome: Outcome, phases: tuple[str, ...], tag: str, kind: str | None, message: str
) -> None:
    durations = dict.fromkeys(phases, 0.1)
    case = one(Result("a.py::b", outcome, durations, "gw0", 0.0, reason="why", text="all of it"))
    element = case.find(tag)
    assert element is not None
    assert (element.get("type"), element.get("message")) == (kind, message)
    assert element.text == "all of it"


def test_what_could_not_be_collected_is_an_error_as_pytest_writes_it() -> None:
    recorder = Recorder()
    recorder.on(
        events.CollectionFailed(1.0, "tests/a/test_x.py", "ImportError: y", "E   ImportError: y")
    )
    recorder.on(events.TestFinished(2.0, Result("a.py::b", Outcome.PASSED, {}, "gw0", 1.0), "none", 0))
    root = ET.fromstring(as_xml(recorder.report()))
    check(root)
    assert (root[0].attrib["tests"], root[0].attrib["errors"]) == ("2", "1")
    case = root[0][0]
    assert (case.attrib["classname"], case.attrib["name"]) == ("", "tests.a.test_x")
    error = case.find("error")
    assert error is not None
    assert (error.get("message"), error.text) == ("collection failure", "E   ImportError: y")


def test_an_error_that_ended_the_run_is_a_case_of_its_own() -> None:
    recorder = Recorder()
    recorder.on(events.Collected(0.0, 3, 1, 0, 0.1, "9.0"))
    recorder.on(events.RunFailed(1.0, 2.0, "setup-failed", "It exited with 3.", "no <x>", "Do.", 66))
    root = ET.fromstring(as_xml(recorder.report()))
    check(root)
    assert (root[0].attrib["tests"], root[0].attrib["errors"]) == ("1", "1")
    (case,) = root[0]
    assert (case.attrib["classname"], case.attrib["name"]) == ("dbsafe", "setup-failed")
    error = case.find("error")
    assert error is not None
    assert error.get("message") == "It exited with 3."
    assert error.text == "It exited with 3.\n\nno <x>\n\nDo."


def test_an_error_that_ended_the_run_in_order_is_one_too() -> None:
    recorder = Recorder()
    recorder.on(events.Collected(0.0, 3, 1, 0, 0.1, "9.0"))
    recorder.on(events.Notice(1.0, "error", "run-timeout", "It took longer than 1 s.", "See."))
    recorder.on(events.RunFinished(2.0, 71, True, {}, 0.0, {}))
    report = recorder.report()
    assert report.error is not None
    assert report.notices == [report.error]
    assert (report.run.exit_code, report.run.interrupted) == (71, False)
    root = ET.fromstring(as_xml(report))
    check(root)
    assert root[0].attrib["errors"] == "1"
    assert (root[0][0].attrib["classname"], root[0][0].attrib["name"]) == ("dbsafe", "run-timeout")


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.XPASSED])
def test_a_passed_test_has_nothing_but_properties(outcome: Outcome) -> None:
    case = one(Result("a.py::b", outcome, {}, "gw3", 0.0, properties=(("ticket", "7 & 8"),)))
    assert [child.tag for child in case] == ["properties"]
    values = {item.attrib["name"]: item.attrib["value"] for item in case[0]}
    assert values == {"ticket": "7 & 8", "worker": "gw3", "isolation": "server"}


@given(st.text(st.characters(codec=None, exclude_categories=[])), st.text())
def test_any_text_can_be_carried(text: str, reason: str) -> None:
    case = one(Result("a.py::b", Outcome.FAILED, {}, "gw0", 0.0, reason=reason, text=text))
    assert case.find("failure") is not None


def test_control_characters_are_written_as_pytest_writes_them() -> None:
    case = one(Result("a.py::b", Outcome.FAILED, {}, "gw0", 0.0, reason="a\nb", text="\x1b[1m \x00"))
    failure = case.find("failure")
    assert failure is not None
    assert failure.text == "#x1B[1m #x00"
    assert failure.attrib["message"] == "a\nb"
