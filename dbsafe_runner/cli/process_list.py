"""The process list: blanks passwords of the command line, which every user of the machine can read.

Linux only. Whoever looks in the moment between the start and this still sees them: DATABASE_URL, or
DBSAFE_DATABASE_SERVER, is the better place for a URL with a password.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dbsafe_runner.workers.redirect.urls import split_url

#: Of /proc/self/stat, counted from the field behind the name of the program: where arguments begin.
_ARGUMENTS_BEGIN: Final = 45

#: A password among the parameters of a URL, which libpq takes as well.
_IN_QUERY: Final = re.compile(r"((?:^|&)(?:ssl)?password=)([^&]*)")


def blank_passwords(urls: Iterable[str]) -> None:
    """Blank the passwords of these URLs wherever they stand in this process's arguments."""
    if sys.platform != "linux":
        return
    # Where it cannot be done, the run goes on: it was the user who put the password there.
    with contextlib.suppress(OSError, ValueError, IndexError):
        secrets = [secret for url in urls for secret in _secrets(url)]
        line = Path("/proc/self/cmdline").read_bytes()
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start = int(fields[_ARGUMENTS_BEGIN])
        for before, secret, after in secrets:
            for found in re.finditer(re.escape((before + secret + after).encode()), line):
                place = start + found.start() + len(before)
                ctypes.memset(place, ord("*"), len(secret.encode()))


def _secrets(url: str) -> list[tuple[str, str, str]]:
    """What is before, in and behind each password of a URL, as it is written there."""
    if "://" not in url:
        return []
    parts = split_url(url)
    found = [(name, value, "") for name, value in _IN_QUERY.findall(parts.query or "") if value]
    return [(":", parts.password, "@"), *found] if parts.password else found
