"""The analysis cache: one file of named values, read when asked for and replaced as a whole.

What is damaged or cannot be written is as if it were not there: the analysis then does its work again.
So is what another analysis found, one whose own code is not the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import dbsafe_runner.analysis

_MAGIC = b"dbsafe analysis cache 2 "
_LENGTH = 8


class AnalysisCache(MutableMapping[str, bytes]):
    """Values by name. `save` writes what has changed since it was opened.

    Args:
        path: the file.
        found_by: tells the code that found the values from any other; by default the analysis as it is.
    """

    def __init__(self, path: Path, found_by: bytes | None = None) -> None:
        self._path = path
        self._magic = _MAGIC + (analysis_state() if found_by is None else found_by) + b"\n"
        self._data = b""
        #: Name -> place and length in `_data`.
        self._index: dict[str, tuple[int, int]] = {}
        self._new: dict[str, bytes] = {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            self._load(path.read_bytes())

    def _load(self, data: bytes) -> None:
        if not data.startswith(self._magic):
            return
        start = len(self._magic) + _LENGTH
        length = int.from_bytes(data[len(self._magic) : start], "big")
        index = json.loads(data[start : start + length])
        places = {str(name): (int(place), int(size)) for name, (place, size) in index.items()}
        body = data[start + length :]
        if all(place + size <= len(body) for place, size in places.values()):
            self._data, self._index = body, places

    def __getitem__(self, name: str) -> bytes:
        if name in self._new:
            return self._new[name]
        place, size = self._index[name]
        return self._data[place : place + size]

    def __setitem__(self, name: str, value: bytes) -> None:
        self._new[name] = value

    def __delitem__(self, name: str) -> None:
        found = name in self
        self._new.pop(name, None)
        self._index.pop(name, None)
        if not found:
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from self._index.keys() | self._new.keys()

    def __len__(self) -> int:
        return len(self._index.keys() | self._new.keys())

    def save(self) -> None:
        """Write everything, if anything has changed. What cannot be written is let go."""
        if not self._new:
            return
        index: dict[str, tuple[int, int]] = {}
        body = bytearray()
        for name in sorted(self):
            value = self[name]
            index[name] = (len(body), len(value))
            body += value
        header = json.dumps(index, separators=(",", ":")).encode()
        data = self._magic + len(header).to_bytes(_LENGTH, "big") + header + body
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Under another name first: a run at the same time reads the old one or the new one.
            descriptor, name = tempfile.mkstemp(dir=self._path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)
        self._new.clear()


def analysis_state() -> bytes:
    """What changes with every change of the analysis's own code, wherever it is installed."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in dbsafe_runner.analysis.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest().encode()
