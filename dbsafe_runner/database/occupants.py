"""Who has a server of a living run: what `dbsafe db psql WORKER` asks from another process.

It stands in a file beside the server's data, and goes with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Final

_FILE: Final = "occupant.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Occupant:
    """The worker that has a server, and what its tests connect to there."""

    worker: str = ""
    user: str = "postgres"
    database: str = "postgres"


def write_occupant(home: Path, occupant: Occupant) -> None:
    """Say whose server this is; a server that cannot be told of serves all the same."""
    with contextlib.suppress(OSError):
        (home / _FILE).write_text(json.dumps(dataclasses.asdict(occupant)), encoding="utf-8")


def read_occupant(home: Path) -> Occupant:
    """Who has the server in this directory; nobody where nothing is said."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Occupant(**json.loads((home / _FILE).read_text(encoding="utf-8")))
    return Occupant()
