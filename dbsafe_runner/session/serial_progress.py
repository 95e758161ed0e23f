"""What a serial run is at, told now and then while it goes on: a test may hang there, too."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from dbsafe_runner.reporting.formatting import counted, elided, seconds_text

#: Seconds between two lines.
EVERY: Final = 10.0
#: Seconds between two looks at the record.
_LOOK: Final = 1.0
_WIDTH: Final = 80

#: Takes a line of text.
Tell = Callable[[str], None]


class SerialProgress:
    """Follows a record line by line; knows no clock. Times are seconds since the run started."""

    def __init__(self) -> None:
        self._total = 0
        self._done = 0
        self._running = ""
        self._since = 0.0

    def take(self, line: str, now: float) -> None:
        """Take a line of the record, as `dbsafe_runner.workers.recorder` writes it."""
        said = json.loads(line)
        if isinstance(said, list):
            self._done += 1
            self._running = ""
        elif "started" in said:
            self._running, self._since = said["started"], now
        else:
            self._total = said["collected"]

    def words(self, now: float) -> str:
        """How far it is, and the test that runs, as the console says it of a run with dbsafe."""
        if not self._total:
            return f"collecting serially · {seconds_text(now)}"
        share = f"[{100 * self._done // self._total:3d}%]"
        text = f"{share} {self._done:,} of {counted(self._total, 'test')} serially · {seconds_text(now)}"
        if not self._running:
            return text
        took = seconds_text(now - self._since)
        room = max(20, _WIDTH - len(text) - len(took) - 4)
        return f"{text} · {elided(self._running, room)} {took}"


class Record:
    """The record of a serial run, read while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def new_lines(self) -> list[str]:
        """What was added since; a line that is not complete waits."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            complete = file.read().rpartition(b"\n")[0]
        if not complete:
            return []
        self._read += len(complete) + 1
        return complete.decode("utf-8").split("\n")


@contextlib.contextmanager
def progress_told(path: Path, tell: Tell | None) -> Iterator[None]:
    """Tell within the block what the run is at that writes the record at `path`.

    A thread does so: whoever waits for the run itself is to notice its end at once.
    """
    if tell is None:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(path, tell, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(path: Path, tell: Tell, over: threading.Event) -> None:
    record, progress = Record(path), SerialProgress()
    started = time.monotonic()
    told = 0.0
    while not over.wait(min(_LOOK, EVERY)):
        now = time.monotonic() - started
        for line in record.new_lines():
            progress.take(line, now)
        if now - told >= EVERY:
            told = now
            tell(progress.words(now))
