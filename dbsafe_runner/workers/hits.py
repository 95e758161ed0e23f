"""Tells failures that something outside the test has caused: its server went away or was full, say.

Such a test is run again, once, like one whose namespace was lost. A test that brings it about itself
fails again, and then counts.
"""

from __future__ import annotations

import re
from typing import Final

#: As drivers report it, in the line that says how a test failed.
_FAULTS: Final = {
    "the disk was full": r"DiskFull|No space left on device",
    "its session was ended": r"AdminShutdown|terminating connection due to administrator command",
    "its server went down": r"CrashShutdown|terminating connection (because of|due to) (the )?crash"
    r"|due to unexpected postmaster exit|server closed the connection unexpectedly",
    "its server had no connection left": r"TooManyConnections|too many clients already"
    r"|too many connections for (role|database)|remaining connection slots are reserved",
    "its server was not ready": r"CannotConnectNow"
    r"|the database system is (shutting|starting|in recovery|not (yet )?accepting)",
}
_PATTERNS: Final = {what: re.compile(pattern) for what, pattern in _FAULTS.items()}


def hit_by(reason: str) -> str:
    """What hit the test, in words, by the line that says how it failed; "" where nothing says so."""
    return next((what for what, pattern in _PATTERNS.items() if pattern.search(reason)), "")
