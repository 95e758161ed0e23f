from __future__ import annotations

import io
from pathlib import Path

import pytest

from dbsafe_runner.cli.sinks import build_sinks, wants_live
from dbsafe_runner.config import RunRequest, load_config
from dbsafe_runner.errors import UserError
from dbsafe_runner.reporting.console import PlainConsole
from dbsafe_runner.reporting.files import ReportFiles
from dbsafe_runner.reporting.live import LiveConsole


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def a_plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "JENKINS_URL", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("stream", "verbosity", "console"),
    [
        (Terminal(), 0, LiveConsole),
        (Terminal(), 1, LiveConsole),
        (Terminal(), -1, PlainConsole),
        (io.StringIO(), 0, PlainConsole),
    ],
)
def test_the_console_suits_the_terminal(
    tmp_path: Path, stream: io.StringIO, verbosity: int, console: type
) -> None:
    config = load_config(tmp_path, environment={})
    request = RunRequest(tmp_path, verbosity=verbosity)
    sinks = build_sinks(config, request, stream)
    assert [type(sink) for sink in sinks] == [ReportFiles, console]
    for sink in sinks:
        sink.close()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"CI": "true"}, False),
        ({"CI": "false"}, True),
        ({"GITHUB_ACTIONS": "true"}, False),
    ],
)
def test_logs_get_no_live_display(environment: dict[str, str], wanted: bool) -> None:
    assert wants_live(environment, Terminal()) is wanted


def test_an_output_directory_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    config = load_config(tmp_path, environment={}, options={"run.output": "/proc/x"})
    with pytest.raises(UserError) as caught:
        build_sinks(config, RunRequest(tmp_path), io.StringIO())
    assert caught.value.code == "output-not-writable"
