"""Whether a suite looks at the server's sessions, among which it should not meet ours.

Only what was imported from the suite's own directories is read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

#: Views and columns that show sessions, or count them.
_WORDS: Final = (b"pg_stat_activity", b"numbackends", b"pg_stat_database", b"pg_stat_get_backend")
_INSTALLED: Final = ("site-packages", "dist-packages")


def counts_sessions(root: Path) -> bool:
    """Whether a module that was imported from below `root` names what shows the server's sessions."""
    start = f"{root}/"
    for module in list(sys.modules.values()):
        place = getattr(module, "__file__", None)
        if not isinstance(place, str) or not place.startswith(start):
            continue
        if not any(part in place for part in _INSTALLED) and _names_sessions(Path(place)):
            return True
    return False


def _names_sessions(path: Path) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return any(word in text for word in _WORDS)
