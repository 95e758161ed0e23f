"""Configurations that tests load, and the refusals of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsafe_runner.config import Config, load_config
from dbsafe_runner.errors import ExitCode, UserError


def load(folder: Path, text: str = "", **more: object) -> Config:
    """What is in force in a folder whose runner.toml has this text."""
    if text:
        (folder / "runner.toml").write_text(text)
    return load_config(folder, **({"environment": {}} | more))  # type: ignore[arg-type]


def refusal(folder: Path, text: str = "", **more: object) -> UserError:
    """The error that loading it ends with."""
    with pytest.raises(UserError) as caught:
        load(folder, text, **more)
    assert caught.value.exit_code is ExitCode.USAGE, caught.value
    return caught.value
