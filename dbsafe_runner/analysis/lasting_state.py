"""Lasting state: by what in the process, or in files, the tests of a file hang on each other.

Who reads what another changes cannot be told: a variable of the environment is read by libraries, too.
So what one test of a file changes and does not surely set back is shared by all tests of the file,
unless each of them sets it before anything else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from dbsafe_runner.analysis.actions import Action, Kind
from dbsafe_runner.analysis.shared_state import Share
from dbsafe_runner.domain.test import Test

#: Pieces of evidence that each test of a file is given.
_MOST_SHARES = 8


@dataclasses.dataclass(slots=True)
class Changes:
    """What one test changes that outlives it, by name, with the place; and what it sets first."""

    changed: dict[str, Action] = dataclasses.field(default_factory=dict)
    renewed: set[str] = dataclasses.field(default_factory=set)


def changes(phases: Mapping[str, Iterable[Action]], *, moved: bool) -> Changes:
    """Return what a test changes, by its actions in each phase; not by relative paths once it moved."""
    found = Changes()
    for phase, actions in phases.items():
        for action in actions:
            moved = moved or action.kind is Kind.MOVE
            if action.kind is Kind.STATE and not (action.weight and moved):
                _add(found, phase, action)
    return found


def _add(found: Changes, phase: str, action: Action) -> None:
    sure = action.flag and not action.maybe
    for name in action.tables:
        if phase == "setup" and sure and name not in found.changed:
            found.renewed.add(name)
        if phase == "teardown" and sure:
            found.changed.pop(name, None)
        else:
            found.changed[name] = action


def shared(tests: list[Test], of: Mapping[str, Changes], file: str) -> dict[str, list[Share]]:
    """Return, by node id, what a test shares with all tests of its file."""
    first: dict[str, Test] = {}
    for test in tests:
        for name in of[test.nodeid].changed:
            first.setdefault(name, test)
    renewed = set(first).intersection(*(of[test.nodeid].renewed for test in tests)) if tests else set()
    names = [name for name in first if name not in renewed][:_MOST_SHARES]
    return {
        test.nodeid: [_share(name, test, first[name], of, file) for name in names]
        for test in tests
        if names
    }


def _share(name: str, test: Test, first: Test, of: Mapping[str, Changes], file: str) -> Share:
    own = of[test.nodeid].changed.get(name)
    if own is not None:
        return Share(name, own.what, file, own.line, own.file)
    return Share(name, f"may see {name}, which {first.function} changes", file, test.line)
