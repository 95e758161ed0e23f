from __future__ import annotations

import io
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from dbsafe_runner.cli import error_rendering
from dbsafe_runner.errors import ExitCode, UserError

ERROR = UserError(
    "setup-failed",
    "The set-up command failed with exit code 1.",
    cause="alembic upgrade head\n\x1b[31mFAILED: Can't locate revision\x1b[0m 'a1b2'\r\n  é\x07\n\n",
    hint="Run it by hand: alembic upgrade head",
    exit_code=ExitCode.SETUP,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM", raising=False)


def test_plain(snapshot: SnapshotAssertion) -> None:
    stream = io.StringIO()
    assert error_rendering.show(ERROR, stream) == ExitCode.SETUP
    assert stream.getvalue() == snapshot


def test_on_a_terminal(snapshot: SnapshotAssertion) -> None:
    stream = Terminal()
    error_rendering.show(ERROR, stream)
    assert stream.getvalue() == snapshot


def test_without_cause_and_hint(snapshot: SnapshotAssertion) -> None:
    stream = io.StringIO()
    error_rendering.show(UserError("x", "It is so.", exit_code=ExitCode.USAGE), stream)
    assert stream.getvalue() == snapshot


def test_a_terminal_that_cannot_show_a_character() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    error_rendering.show(ERROR, stream)
    assert b"\\xe9" in raw.getvalue()


def test_the_traceback_of_a_defect_goes_to_a_file(tmp_path: Path) -> None:
    stream = io.StringIO()
    with pytest.raises(error_rendering.Defect) as caught, error_rendering.defects_to(tmp_path / "out"):
        raise KeyError("lost")
    assert error_rendering.show_defect(caught.value, stream) == ExitCode.INTERNAL
    (file,) = (tmp_path / "out").iterdir()
    assert str(file) in stream.getvalue()
    assert "KeyError: 'lost'" in stream.getvalue()
    assert "Traceback" not in stream.getvalue()
    assert "Traceback" in file.read_text()


def test_a_defect_is_told_even_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    stream = io.StringIO()
    defect = error_rendering.Defect(Path("/proc/out"))
    assert error_rendering.show_defect(defect, stream) == ExitCode.INTERNAL
    assert "Please report it." in stream.getvalue()


def test_errors_of_the_users_are_no_defects(tmp_path: Path) -> None:
    with pytest.raises(UserError), error_rendering.defects_to(tmp_path):
        raise ERROR
