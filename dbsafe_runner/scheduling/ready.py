"""Ready: the pieces that wait for a worker, longest first, in O(log n) per question.

Pieces that the same limits apply to (level and connections) share a heap, so that one question looks
at a handful of heap tops, however many pieces wait. A second set of heaps finds pieces by the
fixtures that are dear to build. Entries are deleted lazily: a piece that was taken stays in the other
heap until it comes up there. Which limits apply now is the caller's knowledge (`permits`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from dbsafe_runner.domain.level import Level
from dbsafe_runner.scheduling.pieces import Piece

Permits = Callable[[Level, int], bool]
_Entry = tuple[float, float, int, Piece]


def affinity_names(piece: Piece) -> tuple[str, ...]:
    """What makes the worker that ran this piece the better one for another."""
    names = sorted(piece.batch.affinity)
    if piece.batch.splittable and piece.batch.setup_seconds:
        names.append(f"batch {piece.batch.id}")
    return tuple(names)


class Ready:
    """The queue of pieces. `seconds` is the predicted work in it."""

    def __init__(self) -> None:
        self._heaps: dict[tuple[Level, int], list[_Entry]] = {}
        self._by_name: dict[str, list[_Entry]] = {}
        self._serial = 0
        self._count = 0
        self.seconds = 0.0

    def __len__(self) -> int:
        return self._count

    def add(self, piece: Piece) -> None:
        """Queue a piece."""
        self._serial += 1
        entry = (-piece.priority, -piece.total, self._serial, piece)
        key = (piece.batch.level, piece.batch.connections)
        heapq.heappush(self._heaps.setdefault(key, []), entry)
        for name in affinity_names(piece):
            heapq.heappush(self._by_name.setdefault(name, []), entry)
        self._count += 1
        self.seconds += piece.total

    def remove(self, piece: Piece) -> None:
        """Take a piece that `best` or `related` returned."""
        piece.taken = True
        self._count -= 1
        self.seconds = max(self.seconds - piece.total, 0.0) if self._count else 0.0

    def best(self, permits: Permits) -> Piece | None:
        """The piece with the highest priority that may run now."""
        found: _Entry | None = None
        for (level, connections), heap in self._heaps.items():
            top = _top(heap)
            if top is not None and (found is None or top < found) and permits(level, connections):
                found = top
        return found[3] if found else None

    def related(self, names: Iterable[str], permits: Permits) -> Piece | None:
        """The best piece that shares one of these names and may run now, if it tops its heap."""
        found: _Entry | None = None
        for name in names:
            top = _top(self._by_name.get(name, []))
            if top is None or (found is not None and found <= top):
                continue
            if permits(top[3].batch.level, top[3].batch.connections):
                found = top
        return found[3] if found else None

    def levels(self) -> list[tuple[Level, int]]:
        """Level and connections of what waits, each combination once."""
        return sorted(key for key, heap in self._heaps.items() if _top(heap) is not None)


def _top(heap: list[_Entry]) -> _Entry | None:
    while heap and heap[0][3].taken:
        heapq.heappop(heap)
    return heap[0] if heap else None
