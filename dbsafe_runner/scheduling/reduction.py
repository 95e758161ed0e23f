"""Reduction: delta debugging, the search for the smallest part of a list that still shows something.

Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002). What "shows" means,
and how it is tried, is up to the caller.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence

_Part = tuple[int, ...]


class Reduction:
    """One search. Ask for `trial`, try it, `enter` whether it shows; `found` is the smallest so far.

    When `trial` is None the search is over, and nothing in `found` can be left out by itself.

    Args:
        items: a list that shows what is searched for. Parts of it are tried in its order.
        guess: what may well be all that matters of it; tried first.
    """

    def __init__(self, items: Sequence[int], guess: Sequence[int] = ()) -> None:
        self.found: _Part = tuple(items)
        self._guess: _Part = tuple(item for item in items if item in guess)
        self._known: dict[_Part, bool] = {}
        self._walk = self._reduce()
        self.trial: _Part | None = None
        self._advance(None)

    def enter(self, *, shows: bool) -> None:
        """Note how the trial went, and go on to the next one."""
        assert self.trial is not None
        self._known[self.trial] = shows
        self._advance(shows)

    def _advance(self, answer: bool | None) -> None:
        while True:
            self.trial = self._walk.send(answer) if answer is not None else next(self._walk)
            if self.trial is None or self.trial not in self._known:
                return
            answer = self._known[self.trial]

    def _reduce(self) -> Generator[_Part | None, bool, None]:
        if self._guess and self._guess != self.found:
            yield from self._first_that_shows([self._guess])
        parts = 2
        while len(self.found) > 1:
            chunks = _split(self.found, parts)
            # What ran last is the likeliest to matter.
            smaller = yield from self._first_that_shows(list(reversed(chunks)))
            if smaller:
                parts = 2
                continue
            if parts > 2:
                rests = [tuple(x for c in chunks if c is not chunk for x in c) for chunk in chunks]
                smaller = yield from self._first_that_shows(rests)
                if smaller:
                    parts = max(parts - 1, 2)
                    continue
            if parts >= len(self.found):
                break
            parts = min(2 * parts, len(self.found))
        while True:
            yield None

    def _first_that_shows(self, candidates: Sequence[_Part]) -> Generator[_Part | None, bool, bool]:
        for candidate in candidates:
            if (yield candidate):
                self.found = candidate
                return True
        return False


def _split(items: _Part, parts: int) -> list[_Part]:
    """Cut into so many parts of nearly the same length, none of them empty."""
    bounds = [len(items) * i // parts for i in range(parts + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds) if b > a]
