"""The process list: blanks passwords of the command line, which every user of the machine can read.

Linux only. Whoever looks in the moment between the start and this still sees them: DATABASE_URL, or
DBSAFE_DATABASE_SERVER, is the better place for a URL with a password.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

#: Of /proc/self/stat, counted from the field behind the name of the program: where arguments begin.
_ARGUMENTS_BEGIN: Final = 45


def blank_passwords(urls: Iterable[str]) -> None:
    """Blank the passwords of these URLs wherever they stand in this process's arguments."""
    if sys.platform != "linux":
        return
    # Where it cannot be done, the run goes on: it was the user who put the password there.
    with contextlib.suppress(OSError, ValueError, IndexError):
        passwords = [urlsplit(url).password or "" for url in urls]
        line = Path("/proc/self/cmdline").read_bytes()
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start = int(fields[_ARGUMENTS_BEGIN])
        for password in filter(None, passwords):
            secret = b":" + password.encode() + b"@"
            place = line.find(secret)
            while place >= 0:
                ctypes.memset(start + place + 1, ord("*"), len(secret) - 2)
                place = line.find(secret, place + 1)
