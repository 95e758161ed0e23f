"""Formatting: seconds, counts and long names as short texts for people."""

from __future__ import annotations

import re

#: A space that no line is broken at, nor shown differently.
_ELLIPSIS = "…"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def seconds_text(seconds: float) -> str:
    """A duration: `850 ms`, `4.2 s`, `1 min 05 s`, `2 h 03 min`."""
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock_text(seconds: float) -> str:
    """A running time: `0:07`, `12:40`, `1:02:03`."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def size_text(size: int) -> str:
    """A number of bytes: `850 KiB`, `42 MiB`, `1.5 GiB`."""
    if size < 2**20:
        return f"{size / 2**10:.0f} KiB"
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 test`, `2 tests`."""
    return f"{number:,} {noun(number, singular, plural)}"


def noun(number: int, singular: str, plural: str = "") -> str:
    """The noun that goes with a number which is shown elsewhere."""
    return singular if number == 1 else plural or singular + "s"


def elided(text: str, width: int, ellipsis: str = _ELLIPSIS) -> str:
    """`text` in at most `width` characters, its middle left out: both ends of a node id tell most."""
    if len(text) <= width:
        return text
    if width <= len(ellipsis):
        return ellipsis[:width] if width > 0 else ""
    kept = width - len(ellipsis)
    head = kept // 3
    return text[:head] + ellipsis + text[len(text) - (kept - head) :]


def shortened(text: str, width: int, ellipsis: str = _ELLIPSIS) -> str:
    """`text` in at most `width` characters, its end left out: a reason tells most at its beginning."""
    return text if len(text) <= width else text[: width - len(ellipsis)].rstrip() + ellipsis


def without_colours(text: str) -> str:
    """`text` without ANSI colours."""
    return _ANSI.sub("", text)
