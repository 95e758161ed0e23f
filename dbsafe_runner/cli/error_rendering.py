"""Error rendering: draws an error on standard error, in colour on a terminal and plain otherwise.

Decides nothing about what is an error. Texts of others (a path, a command's output) are shown without
their control sequences, so that they cannot disturb the terminal.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from dbsafe_runner.cli.arguments import colour_wanted
from dbsafe_runner.errors import ExitCode, UserError, defect

_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)", re.DOTALL
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

#: A line is a sequence of (style, text).
_Line = list[tuple[str, str]]


class Defect(Exception):  # noqa: N818 - it is a defect of ours, told apart from errors of the user's.
    """An exception that nobody expected; its traceback goes to a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


@contextlib.contextmanager
def defects_to(folder: Path) -> Iterator[None]:
    """Within the block, the traceback of an unexpected exception is to be written below `folder`.

    Raises:
        Defect: from that exception.
    """
    try:
        yield
    except (UserError, Defect, BrokenPipeError):
        raise
    except Exception as error:
        raise Defect(folder) from error


def show(error: UserError, stream: TextIO | None = None) -> int:
    """Draw `error` and return the exit code that goes with it."""
    _write(_lines(error), stream or sys.stderr)
    return int(error.exit_code)


def of_usage(problem: Any, commands: Iterable[str]) -> UserError:
    """The error for a command line that could not be parsed."""
    message = clean(str(problem.format_message()))
    unknown = re.search(r"No such command '(.*)'", message)
    hint = "`dbsafe --help` lists the commands, `dbsafe COMMAND --help` their options."
    if unknown:
        close = difflib.get_close_matches(unknown[1], list(commands), n=1)
        if close:
            hint = f"Did you mean `dbsafe {close[0]}`? {hint}"
        elif re.search(r"[./:]|^test", unknown[1]):
            hint = f"To run these tests: dbsafe run {unknown[1]}"
        message = f"There is no command {unknown[1]}."
    return UserError("bad-command-line", message, hint=hint, exit_code=ExitCode.USAGE)


def show_defect(error: Exception, stream: TextIO | None = None) -> int:
    """Draw what there is to say about an exception that nobody expected; the rest goes to a file."""
    folder = error.folder if isinstance(error, Defect) else Path(".dbsafe")
    cause = error.__cause__ if isinstance(error, Defect) and error.__cause__ else error
    file = _write_traceback(cause, folder)
    hint = f"Please report it, with what is in {file}" if file else "Please report it."
    return show(defect(cause, hint), stream)


def _write_traceback(error: BaseException, folder: Path) -> Path | None:
    """Write it below `folder`, or among the temporary files where that is not possible."""
    text = "".join(traceback.format_exception(error))
    name = f"defect-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return place / name
    return None


def leave_broken_pipe() -> int:
    """Whoever read our output has gone: end quietly, as other programs do."""
    # Python flushes standard output once more on exit, which would fail and complain again.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13


def _lines(error: UserError) -> list[_Line]:
    lines: list[_Line] = [[("bold red", f"error[{error.code}]"), ("bold", f": {clean(error.message)}")]]
    if error.cause:
        lines.append([])
        lines += [[("", f"  {line}".rstrip())] for line in clean(error.cause).rstrip().split("\n")]
        lines.append([])
    if error.hint:
        lines.append([("bold cyan", "hint"), ("", f": {clean(error.hint)}")])
    lines.append([("dim", f"docs: docs/errors.md#{error.code}")])
    return lines


def clean(text: str) -> str:
    """`text` without escape sequences and other control characters, except line ends and tabs."""
    without = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", without)


def _write(lines: list[_Line], stream: TextIO) -> None:
    terminal = stream.isatty()
    if colour_wanted((), os.environ, terminal=terminal):
        from rich.console import Console
        from rich.text import Text

        console = Console(file=stream, force_terminal=True, soft_wrap=True, highlight=False)
        for line in lines:
            console.print(Text.assemble(*[(text, style) for style, text in line]))
        return
    encoding = stream.encoding or "utf-8"
    plain = "".join("".join(text for _, text in line) + "\n" for line in lines)
    # A character that the terminal cannot show is no reason to show nothing.
    stream.write(plain.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
