from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from dbsafe_runner import __version__
from dbsafe_runner.cli.main import COMMANDS, app, exit_code_of
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.config.reference import settings_by_name
from dbsafe_runner.session import running


class Caught:
    """Stands where the session would run, and keeps what it was asked for."""

    config: Config
    request: RunRequest

    def run(self, config: Config, request: RunRequest, sinks: Any) -> int:
        self.config, self.request = config, request
        for sink in sinks:
            sink.close()
        return 3


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Caught:
    caught = Caught()
    monkeypatch.setattr(running, "run", caught.run)
    monkeypatch.chdir(tmp_path)
    for setting in settings_by_name().values():
        monkeypatch.delenv(setting.variable, raising=False)
    return caught


def test_the_exit_code_is_the_sessions(caught: Caught) -> None:
    assert exit_code_of(["run"]) == 3


def test_options_become_the_configuration_and_the_rest_goes_to_pytest(caught: Caught) -> None:
    ours = "-n 3 --timeout=2.5 --no-guard --inputs a --inputs b --fresh-template"
    assert exit_code_of(f"run tests -k a {ours} -vx -- --source".split()) == 3
    assert caught.config.workers.count == 3
    assert caught.config.run.timeout == 2.5
    assert caught.config.database.guard is False
    assert caught.config.database.inputs == ("a", "b")
    assert caught.request.pytest_arguments == ("tests", "-k", "a", "-vx", "--source")
    assert caught.request.verbosity == 1
    assert caught.request.fresh_template is True
    assert caught.request.invocation_dir == Path.cwd()


def test_pytest_arguments_of_the_configuration_come_first(caught: Caught) -> None:
    Path("runner.toml").write_text('[run]\npytest = ["-q", "-p", "no:x"]\n')
    assert exit_code_of(["run", "tests"]) == 3
    assert caught.request.pytest_arguments == ("-q", "-p", "no:x", "tests")
    assert caught.request.verbosity == -1
    assert caught.request.fresh_template is False


def test_another_configuration_may_be_named(caught: Caught) -> None:
    Path("other.toml").write_text("[workers]\ncount = 9\n")
    assert exit_code_of(["run", "--config", "other.toml"]) == 3
    assert caught.config.workers.count == 9


@pytest.mark.parametrize("name", list(settings_by_name()))
def test_every_setting_has_its_option(caught: Caught, name: str) -> None:
    key = settings_by_name()[name].key
    given = {
        "--guard": (["--no-guard"], False),
        "--confirm": (["--no-confirm"], False),
        "--keep-failed": (["--keep-failed"], True),
        "--tcp": (["--tcp"], True),
        "--workers": (["7"], 7),
        "--confirm-budget": (["7"], 7),
        "--retries": (["7"], 7),
        "--timeout": (["7"], 7.0),
        "--setup-timeout": (["7"], 7.0),
        "--patience": (["7"], 7.0),
        "--fallback": (["mock"], ("mock",)),
        "--slow-timeout": (["7"], 7.0),
        "--run-timeout": (["7"], 7.0),
        "--max-memory": (["2GiB"], 2 * 1024**3),
        "--isolation": (["aggressive"], "aggressive"),
        "--grouping": (["file"], "file"),
        "--namespace": (["schema"], "schema"),
        "--start": (["spawn"], "spawn"),
        "--flaky": (["fail"], "fail"),
        "--database": (["embedded"], "embedded"),
        "--direct": (["postgresql://h/d"], "postgresql://h/d"),
        "--source": (["postgresql://h/d"], ("postgresql://h/d",)),
        "--output": (["there"], Path.cwd() / "there"),
        "--history": (["there"], Path.cwd() / "there"),
    }
    arguments, value = given.get(key.option, (["word"], None))
    if not arguments[0].startswith("--"):
        arguments = [key.option, *arguments]
    assert exit_code_of(["run", *arguments]) == 3
    section, _, field = name.partition(".")
    found = getattr(getattr(caught.config, section), field)
    assert found == value if value is not None else found in {"word", ("word",)}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of([command, "--help"]) == 0
    assert f"dbsafe {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(["--version"]) == 0
    assert capsys.readouterr().out == f"dbsafe {__version__}\n"


def test_help_describes_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(["--help"]) == 0
    words = [line.strip(" │|").split() for line in capsys.readouterr().out.splitlines()]
    described = {line[0] for line in words if len(line) > 1}
    assert set(COMMANDS) <= described


def test_without_arguments_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of([]) == 0
    assert "run" in capsys.readouterr().out


def test_an_unexpected_exception_is_told_without_its_traceback(
    caught: Caught, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise ZeroDivisionError("nobody expected this")

    monkeypatch.setattr(running, "run", fail)
    assert exit_code_of(["run"]) == 70
    shown = capsys.readouterr().err
    assert "defect" in shown
    assert "Traceback" not in shown
    (file,) = Path(".dbsafe/results").glob("defect-*.txt")
    assert "ZeroDivisionError" in file.read_text()


def test_a_keyboard_interrupt_has_pytests_exit_code(
    caught: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", interrupted)
    assert exit_code_of(["run"]) == 2


def test_starting_imports_nothing_heavy() -> None:
    code = "import sys, dbsafe_runner.cli.main; print(*sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"rich", "pydantic", "psycopg", "pytest", "sqlglot", "jinja2", "psutil", "asyncio"}
    assert heavy.isdisjoint(imported.stdout.split())


def _texts_of_help(command: Any) -> Iterator[str]:
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", "") or ""
    for inner in getattr(command, "commands", {}).values():
        yield from _texts_of_help(inner)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_has_what_is_taken_for_markup(name: str) -> None:
    group = typer.main.get_command(app)
    command = group.get_command(None, name)  # type: ignore[attr-defined]
    for text in _texts_of_help(command):
        # rich takes such brackets for a style, and shows nothing of them.
        assert not re.search(r"\[[a-z#/@][^\[\]]*\]", text), text
