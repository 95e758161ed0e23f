"""Snapshot: the rows of one table as they were at the baseline, held outside the server.

Small tables are kept in memory, large ones in a file of the scratch directory. Rows are in COPY's text
format, in the order in which they lay in the table, in the database's own encoding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

_FILE_FROM = 1 << 20
_CHUNK = 1 << 18
_numbers = itertools.count()


class Snapshot:
    """Rows of one table; filled by `add` while COPY sends them, read as often as needed by `chunks`.

    Args:
        scratch: a directory for large tables; "" keeps everything in memory.
    """

    def __init__(self, scratch: str) -> None:
        self.rows = 0
        self._scratch = scratch
        self._parts: list[bytes] = []
        self._size = 0
        self._file: Path | None = None

    def add(self, row: bytes) -> None:
        """Take one more row; b"" ends the table."""
        if not row:
            self._parts = [b"".join(self._parts)]
            if self._file is not None:
                self._spill()
            return
        self.rows += 1
        self._parts.append(row)
        self._size += len(row)
        if self._size > _FILE_FROM and self._scratch:
            self._spill()

    def chunks(self) -> Iterator[bytes]:
        """Yield the rows in pieces that COPY accepts."""
        if self._file is None:
            yield from filter(None, self._parts)
            return
        with self._file.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def discard(self) -> None:
        """Forget the rows, and remove the file if there is one."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        self._parts = []

    def _spill(self) -> None:
        if self._file is None:
            self._file = Path(self._scratch) / f"snapshot-{id(self):x}-{next(_numbers)}"
        with self._file.open("ab") as file:
            file.write(b"".join(self._parts))
        self._parts = []
        self._size = 0
