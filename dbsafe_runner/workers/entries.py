"""Entries: what became of tests, packed for pytest's hooks in the zygote.

The dispatcher packs them and the zygote unpacks them; neither looks into a worker's pickled reports
before that. What an entry means is known to `dbsafe_runner.workers.replay`.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct(">I")


def pack_entry(kind: str, fields: dict[str, Any], blob: bytes) -> bytes:
    """One entry of a `replay` message."""
    body = pickle.dumps((kind, fields, blob), protocol=5)
    return _LENGTH.pack(len(body)) + body


def unpack_entries(blob: bytes) -> Iterator[tuple[str, dict[str, Any], bytes]]:
    """The entries of a `replay` message, in order."""
    position = 0
    while position < len(blob):
        (length,) = _LENGTH.unpack_from(blob, position)
        position += _LENGTH.size
        yield pickle.loads(blob[position : position + length])  # noqa: S301  # Our own parent made it.
        position += length
