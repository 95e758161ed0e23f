"""The printer: writes styled text to a stream that may lack colours, and characters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from dbsafe_runner.reporting.formatting import without_colours

#: A line is a sequence of (style, text); a style is a key of `_ANSI` or "".
StyledLine = list[tuple[str, str]]

_ANSI: Final = {
    "good": "\x1b[32m",
    "bad": "\x1b[31m",
    "warn": "\x1b[33m",
    "dim": "\x1b[2m",
    "bold": "\x1b[1m",
}
_ASCII: Final = str.maketrans({"…": "...", "·": "-", "━": "=", "╸": "-", "─": "-"})


@dataclasses.dataclass(frozen=True, slots=True)
class ConsoleStyle:
    """How to print. `width` is the terminal's, in characters; `verbosity` as `RunRequest` has it."""

    width: int = 80
    colour: bool = False
    verbosity: int = 0
    #: Gives the names of files to point to at the end, once they have been written.
    reports: Callable[[], Iterable[Path]] = tuple


class Printer:
    """Gives text to `write`, fitted to what a stream of that encoding can show."""

    def __init__(self, write: Callable[[str], object], style: ConsoleStyle, encoding: str) -> None:
        self._write = write
        self.style = style
        self._encoding = encoding
        self.unicode = _can_encode("…·━", encoding)
        self.ellipsis = "…" if self.unicode else "..."

    def line(self, parts: StyledLine) -> None:
        """One line of styled parts."""
        self.text("".join(self.styled(style, text) for style, text in parts) + "\n")

    def styled(self, style: str, text: str) -> str:
        """`text` in a style, if there are colours."""
        if not self.style.colour or not style or not text:
            return text
        return f"{_ANSI[style]}{text}\x1b[0m"

    def text(self, text: str) -> None:
        """Text as it is, except for what the stream cannot show."""
        self._write(self.fitted(text if self.style.colour else without_colours(text)))

    def fitted(self, text: str) -> str:
        """`text` in characters that can be shown; others become escapes."""
        if not self.unicode:
            text = text.translate(_ASCII)
        if not _can_encode(text, self._encoding):
            text = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        return text


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
