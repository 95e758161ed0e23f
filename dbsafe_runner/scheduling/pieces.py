"""Piece: a run of tests of one batch that is queued or handed out as one.

A batch that may not be split is one piece. One that may be split is cut here: a test that is long
beside the whole run gets a piece of its own, so that it starts when its length demands, and the short
ones between are handed out in chunks. Order within a piece is always the order of the batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator

from dbsafe_runner.domain.batch import Batch

#: A chunk of a batch with known durations is not shorter than this: handing out costs a message.
SHORTEST_CHUNK_SECONDS = 0.1


@dataclasses.dataclass(slots=True, eq=False)
class Piece:
    """Tests `start` to `stop` of `tests`; `total` and `longest` are predicted seconds."""

    batch: Batch
    tests: tuple[int, ...]
    seconds: tuple[float, ...]
    start: int
    stop: int
    total: float
    longest: float
    #: Seconds of the longest chain of batches that wait for this one.
    tail: float = 0.0
    #: It has left the queue; entries in its heaps that still name it are stale.
    taken: bool = False

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def priority(self) -> float:
        """Seconds that cannot be divided from its start to the end of the run: longest goes first."""
        if self.batch.splittable:
            return self.longest + self.batch.setup_seconds + self.tail
        return self.total + self.tail

    def contents(self) -> tuple[int, ...]:
        """The tests in it."""
        return self.tests[self.start : self.stop]


def piece_of(batch: Batch, tests: tuple[int, ...], seconds: tuple[float, ...], tail: float) -> Piece:
    """One piece with exactly these tests."""
    total = sum(seconds) + (0.0 if batch.splittable else batch.setup_seconds)
    return Piece(batch, tests, seconds, 0, len(tests), total, max(seconds), tail)


def rest_of(piece: Piece, start: int, stop: int) -> Piece:
    """The part of a piece from `start` to `stop` (positions in `piece.tests`), as a new piece."""
    seconds = piece.seconds[start:stop]
    total = sum(seconds) + (0.0 if piece.batch.splittable else piece.batch.setup_seconds)
    return Piece(piece.batch, piece.tests, piece.seconds, start, stop, total, max(seconds), piece.tail)


def cut(batch: Batch, grain: float, tail: float) -> Iterator[Piece]:
    """The pieces of a batch; tests longer than `grain` seconds get their own if it may be split."""
    tests, seconds = batch.tests, batch.seconds
    if not tests:
        return
    if not batch.splittable:
        yield piece_of(batch, tests, seconds, tail)
        return
    grain = max(grain, batch.setup_seconds)
    begin, total, longest = 0, 0.0, 0.0
    for position, length in enumerate(seconds):
        if length > grain:
            if begin < position:
                yield Piece(batch, tests, seconds, begin, position, total, longest, tail)
            yield Piece(batch, tests, seconds, position, position + 1, length, length, tail)
            begin, total, longest = position + 1, 0.0, 0.0
        else:
            total += length
            longest = max(longest, length)
    if begin < len(tests):
        yield Piece(batch, tests, seconds, begin, len(tests), total, longest, tail)


def take_chunk(piece: Piece, target: float) -> Piece | None:
    """Split about `target` seconds off the front of a splittable piece; what is left, or None.

    The piece itself shrinks to the chunk. A remainder of less than half a chunk stays with it.
    """
    if piece.batch.durations_known:
        target = max(target, SHORTEST_CHUNK_SECONDS, 2 * piece.batch.setup_seconds)
    if piece.total <= target * 1.5 or len(piece) == 1:
        return None
    chunk, position = 0.0, piece.start
    while position < piece.stop - 1 and (position == piece.start or chunk < target):
        chunk += piece.seconds[position]
        position += 1
    rest = Piece(
        piece.batch,
        piece.tests,
        piece.seconds,
        position,
        piece.stop,
        max(piece.total - chunk, 0.0),
        piece.longest,
        piece.tail,
    )
    piece.stop, piece.total = position, chunk
    return rest


def chance(seed: int, batch: int) -> float:
    """A number from 0 to 1 that looks like chance and is always the same for the same batch."""
    digest = hashlib.sha256(f"{seed}:{batch}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
