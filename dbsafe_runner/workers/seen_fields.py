"""What a look at the database saw, as fields of a message, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from dbsafe_runner.domain.changes import Changes

_SETS: Final = frozenset({"written", "remaining", "pending", "held", "sequences"})


def change_fields(changes: Changes) -> dict[str, Any]:
    """The parts of an observation that are not empty."""
    return {
        field.name: sorted(value) if isinstance(value, frozenset) else value
        for field in dataclasses.fields(changes)
        if (value := getattr(changes, field.name))
    }


def changes_of(fields: Mapping[str, Any]) -> Changes | None:
    """The observation in the fields of a worker's message; None when there is none."""
    packed = fields.get("changes")
    if packed is None:
        return None
    values: dict[str, Any] = {}
    for name, value in packed.items():
        if isinstance(value, list):
            values[name] = frozenset(value) if name in _SETS else tuple(value)
        else:
            values[name] = value
    return Changes(**values)
