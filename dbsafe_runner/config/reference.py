"""The reference of settings: all keys as a table, for options, variables and the documentation."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbsafe_runner.config.keys import Key
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
