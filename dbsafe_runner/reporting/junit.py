"""junit.xml, as pytest itself writes it, with the worker and the isolation of each test as properties.

Jenkins, GitLab and GitHub's report actions read it.
"""

from __future__ import annotations

import datetime
import platform
import re
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from dbsafe_runner.reporting.results import CollectionErrorInfo, NoticeInfo, RunReport, TestInfo

#: Characters that XML 1.0 cannot carry, not even as references.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_xml(report: RunReport) -> str:
    """The text of junit.xml."""
    return "".join(_lines(report))


def _lines(report: RunReport) -> Iterator[str]:
    totals = report.totals
    started = datetime.datetime.fromtimestamp(report.run.started, datetime.UTC).astimezone()
    # A count of what says nothing is as harmful as one of what was not run.
    broken = len(report.collection_errors) + (report.error is not None)
    not_run = sum(test.outcome == "not-run" for test in report.tests)
    errors = totals.error + totals.mocked + not_run + broken
    suite = {
        "name": "pytest",
        "errors": str(errors),
        "failures": str(totals.failed),
        "skipped": str(totals.skipped + totals.xfailed),
        "tests": str(len(report.tests) + broken),
        "time": f"{report.run.wall:.3f}",
        "timestamp": started.isoformat(),
        "hostname": platform.node(),
    }
    yield '<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="pytest tests">\n'
    yield f"<testsuite{_attributes(suite)}>\n"
    if report.error is not None:
        yield _ended_by(report.error)
    for error in report.collection_errors:
        yield _uncollected(error)
    for test in report.tests:
        yield _case(test)
    yield "</testsuite>\n</testsuites>\n"


def _ended_by(error: NoticeInfo) -> str:
    """A case for the error that ended the run: a file without any would pass for a success."""
    attributes = {"classname": "dbsafe", "name": error.code, "time": "0.000"}
    text = "\n\n".join(filter(None, (error.message, error.cause, error.hint)))
    return f"<testcase{_attributes(attributes)}>{_element('error', error.message, text)}</testcase>\n"


def _case(test: TestInfo) -> str:
    classname, name = _address(test.nodeid)
    place = {"file": test.file} | ({"line": str(test.line)} if test.line else {})
    attributes = {"classname": classname, "name": name, **place, "time": f"{test.seconds:.3f}"}
    properties = [*test.properties, ("worker", test.worker), ("isolation", test.isolation)]
    if test.verdict != "clear":
        properties.append(("verdict", test.verdict))
    inner = "".join(
        f"<property{_attributes({'name': key, 'value': value})}/>" for key, value in properties
    )
    body = f"<properties>{inner}</properties>{_result(test)}"
    return f"<testcase{_attributes(attributes)}>{body}</testcase>\n"


def _uncollected(error: CollectionErrorInfo) -> str:
    """A case for what could not be collected, as pytest writes it."""
    classname, name = _address(error.nodeid)
    attributes = {"classname": classname, "name": name, "time": "0.000"}
    body = _element("error", "collection failure", error.text)
    return f"<testcase{_attributes(attributes)}>{body}</testcase>\n"


def _address(nodeid: str) -> tuple[str, str]:
    """The class name, with dots, and the name, as pytest makes them from a node id."""
    path, bracket, parameters = nodeid.partition("[")
    names = path.split("::")
    names[0] = names[0].replace("/", ".").removesuffix(".py")
    names[-1] += bracket + parameters
    return ".".join(names[:-1]), names[-1]


def _result(test: TestInfo) -> str:
    """The element that says how the test ended; none for one that passed."""
    match test.outcome:
        case "failed":
            return _element("failure", test.reason, test.text)
        case "error":
            # Of an error that comes when the test has long ended only the teardown is known.
            when = "setup" if "setup" in test.phases and "call" not in test.phases else "teardown"
            return _element("error", f'failed on {when} with "{test.reason}"', test.text)
        case "not-run":
            # Reported as an error: a test whose outcome is unknown must not look harmless.
            return _element("error", f"not run: {test.reason}" if test.reason else "not run", test.text)
        case "mocked":
            return _element("error", f"mocked: {test.reason}", test.text)
        case "skipped":
            return _element("skipped", test.reason, test.text or test.reason, "pytest.skip")
        case "xfailed":
            return _element("skipped", test.reason, test.text, "pytest.xfail")
    return ""


def _element(tag: str, message: str, text: str, kind: str = "") -> str:
    attributes = ({"type": kind} if kind else {}) | {"message": message}
    return f"<{tag}{_attributes(attributes)}>{escape(_valid(text))}</{tag}>"


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: str) -> str:
    # Readers turn bare line ends in attributes to spaces.
    return quoteattr(_valid(value), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _valid(text: str) -> str:
    """`text` with what XML cannot carry written out, as pytest does: #x1B."""
    return _NOT_XML.sub(lambda match: f"#x{ord(match[0]):02X}", text)
