"""pytest's ini file, read without pytest: only what finding tests in the sources needs."""

from __future__ import annotations

import configparser
import dataclasses
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: File -> the table that pytest reads in it, in pytest's order.
_FILES = {
    "pytest.ini": "pytest",
    ".pytest.ini": "pytest",
    "pyproject.toml": "tool.pytest.ini_options",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}


@dataclasses.dataclass(frozen=True, slots=True)
class IniOptions:
    """The options that say where tests are and what they are called."""

    rootdir: Path
    testpaths: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ("test_*.py", "*_test.py")
    python_classes: tuple[str, ...] = ("Test",)
    python_functions: tuple[str, ...] = ("test",)
    norecursedirs: tuple[str, ...] = (
        *("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"),
    )
    pythonpath: tuple[str, ...] = ()
    django_settings: str = ""


def read_ini(start: Path) -> IniOptions:
    """The options for a suite that is started in `start`; defaults where nothing is said."""
    for directory in (start, *start.parents):
        for name, table in _FILES.items():
            values = _table(directory / name, table)
            if values is not None:
                return _options(directory, values)
        if (directory / ".git").exists():
            break
    return IniOptions(start)


def _table(file: Path, name: str) -> Mapping[str, Any] | None:
    """The table in a file; None when there is none, or the file cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            values: Any = tomllib.loads(text)
            for part in name.split("."):
                values = values.get(part)
                if not isinstance(values, dict):
                    return None
            return dict(values)
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, configparser.Error):
        return None
    if parser.has_section(name):
        return dict(parser[name])
    # pytest takes an empty pytest.ini for one that says nothing.
    return {} if file.name.endswith("pytest.ini") else None


def _options(rootdir: Path, values: Mapping[str, Any]) -> IniOptions:
    listed = (
        *("testpaths", "python_files", "python_classes", "python_functions"),
        *("norecursedirs", "pythonpath"),
    )
    given: dict[str, Any] = {name: _words(values[name]) for name in listed if name in values}
    settings = str(values.get("DJANGO_SETTINGS_MODULE", values.get("django_settings_module", "")))
    return IniOptions(rootdir, **given, django_settings=settings)


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    try:
        return tuple(shlex.split(str(value), comments=True))
    except ValueError:
        return tuple(str(value).split())
