"""Evidence: one fact behind a footprint, with its source and its place."""

from __future__ import annotations

import dataclasses
import enum


class Source(enum.Enum):
    """Who says so, strongest first."""

    MARKER = "marker"
    RULE = "rule"
    OBSERVED = "observed"
    STATIC = "static"
    #: Nobody knows; the test is treated as SHARED_WRITES.
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """One fact. `file` is relative to the root directory; `line` counts from 1, 0 means no line."""

    source: Source
    what: str
    file: str = ""
    line: int = 0
