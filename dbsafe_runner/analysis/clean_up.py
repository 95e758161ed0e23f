"""Clean-up: which of the changes that a test commits it takes back itself before it is over."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dbsafe_runner.analysis.actions import Action, Kind
from dbsafe_runner.analysis.transactions import Change

_MAKES = re.compile(
    r"^(CREATE|SELECT INTO)\b|\bcreate(_all|_model|_table|_tables)?\(|^creates\b", re.IGNORECASE
)
_DROPS = re.compile(r"^DROP\b|\bdrop(_all)?\(|drops?_|delete_model", re.IGNORECASE)


def rows(changes: list[Change], wide: set[str]) -> tuple[list[Change], list[Change]]:
    """Split row changes into those that remain and those that the test's teardown deletes again.

    `wide` are the tables that wider fixtures write: emptying one of those takes away more than the
    test brought.
    """
    emptied = {
        table
        for one in changes
        if one.phase == "teardown" and one.action.kind is Kind.CLEAN
        for table in one.action.tables
    }
    written = {table for one in changes for table in one.action.tables}
    lasting = any(one.action.kind is Kind.LASTING for one in changes)
    if emptied and written <= emptied and "?" not in written and not lasting and not emptied & wide:
        return [], changes
    return changes, []


def needless(changes: list[Change], wide: set[str]) -> list[Change]:
    """Return deletions in a set-up that empty what is empty at the baseline anyway."""
    written = {
        table for one in changes if one.action.kind is not Kind.CLEAN for table in one.action.tables
    }
    return [
        one
        for one in changes
        if one.phase == "setup"
        and one.action.what.startswith("DELETE")
        and "?" not in one.action.tables
        and not one.action.tables & (written | wide)
    ]


def schema(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """Split schema changes into those that remain and those whose objects are made and dropped again."""
    objects: dict[object, list[Change]] = {}
    for one in changes:
        objects.setdefault(_object(one.action), []).append(one)
    kept: list[Change] = []
    undone: list[Change] = []
    for history in objects.values():
        (undone if _comes_to_nothing(history) else kept).extend(history)
    return kept, undone


def _object(action: Action) -> object:
    if action.tables and "?" not in action.tables:
        return action.tables
    return re.sub(r"(create|drop)(_all)?", "", action.what.lower())


def _comes_to_nothing(history: list[Change]) -> bool:
    """Return whether an object is made after it was surely absent, and dropped at the end."""
    first, last = history[0].action, history[-1].action
    made = any(_MAKES.search(one.action.what) for one in history)
    absent = bool(_MAKES.search(first.what)) or first.flag
    return made and absent and bool(_DROPS.search(last.what))


def cluster(actions: Iterable[Action], teardown: Iterable[Action]) -> bool:
    """Return whether every database and role that a test creates is dropped again in its teardown."""
    made = [one for one in actions if one.kind is Kind.CLUSTER and not one.what.startswith("DROP")]
    dropped = {one.what.removeprefix("DROP ") for one in teardown if one.kind is Kind.CLUSTER}
    names = {one.what.removeprefix("CREATE ") for one in made if one.what.startswith("CREATE")}
    return bool(made) and len(names) == len({one.what for one in made}) and names <= dropped
