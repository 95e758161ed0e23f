"""The reference of settings: all keys as a table, for options, variables and the documentation.

`python -m dbsafe_runner.config.reference` prints the part of docs/configuration.md that is made
from it.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbsafe_runner.config.keys import Key, TextForm
from dbsafe_runner.config.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One key with its section and its default."""

    section: str
    name: str
    key: Key
    default: object

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"DBSAFE_{self.section}_{self.name}".upper()


@functools.cache
def settings_by_name() -> Mapping[str, Setting]:
    """Every key by `section.name`, in the order of declaration."""
    found = {}
    for section, table in Settings.model_fields.items():
        model: Any = table.annotation
        for name, field in getattr(model, "model_fields", {}).items():
            key = next(entry for entry in field.metadata if isinstance(entry, Key))
            found[f"{section}.{name}"] = Setting(section, name, key, field.default)
    return found


def as_toml(value: object) -> str:
    """A default as it would stand in runner.toml."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(element) for element in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str | Path) else str(value)


def as_markdown() -> str:
    """The sections of docs/configuration.md that describe the keys."""
    lines: list[str] = []
    section = ""
    for setting in settings_by_name().values():
        if setting.section != section:
            section = setting.section
            lines += [f"## [{section}]", ""]
        key = setting.key
        options = f"{key.option} {key.metavar}".strip()
        if key.form is TextForm.SWITCH:
            options = f"{key.option}`, `--no-{key.option.removeprefix('--')}"
        lines += [
            f"### {setting.name}",
            "",
            key.help,
            "",
            f"- Value: {key.expects}",
            f"- Default: `{as_toml(setting.default)}`",
            f"- Option: `{options}`",
            f"- Variable: `{setting.variable}`",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
