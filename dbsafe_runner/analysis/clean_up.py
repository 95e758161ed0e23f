"""Clean-up: which of the changes that a test commits it takes back itself before it is over."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dbsafe_runner.analysis.actions import Action, Kind
from dbsafe_runner.analysis.transactions import Change

_MAKES = re.compile(
    r"^(CREATE|SELECT INTO)\b|\bcreate(_all|_model|_table|_tables)?\(|^creates\b", re.IGNORECASE
)
_GRANTS = re.compile(r"^(GRANT|REVOKE)\b")
_LEAVES_NOTHING = re.compile(
    r"^pg_(terminate|cancel|reload|rotate|switch|stat_reset)|^DROP OWNED|^REASSIGN OWNED"
)
_DROPS = re.compile(r"^DROP\b|\bdrop(_all)?\(|drops?_|delete_model", re.IGNORECASE)


def rows(changes: list[Change], wide: set[str]) -> tuple[list[Change], list[Change]]:
    """Split row changes into those that remain and those that the test's teardown deletes again.

    What is deleted only under a condition that is not known may remain.

    `wide` are the tables that wider fixtures write: emptying one of those takes away more than the
    test brought.
    """
    emptied = {
        table
        for one in changes
        if one.phase == "teardown" and one.action.kind is Kind.CLEAN and not one.action.maybe
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
        and one.action.kind is Kind.CLEAN
        and "?" not in one.action.tables
        and not one.action.tables & (written | wide)
    ]


def schema(changes: Iterable[Change], teardown: Iterable[Action]) -> tuple[list[Change], list[Change]]:
    """Split schema changes into those that remain and those whose objects are made and dropped again.

    Rights are taken back with the role that they were given to.
    """
    objects: dict[object, list[Change]] = {}
    for one in changes:
        objects.setdefault(_object(one.action), []).append(one)
    kept: list[Change] = []
    undone: list[Change] = []
    disowned = any(one.what.startswith("DROP OWNED") and not one.maybe for one in teardown)
    for history in objects.values():
        granted = disowned and all(_GRANTS.match(one.action.what) for one in history)
        (undone if granted or _comes_to_nothing(history) else kept).extend(history)
    return kept, undone


def gone_with(dropped: list[Change], changes: list[Change]) -> tuple[list[Change], list[Change]]:
    """Split changes into those that remain and row changes in tables that were `dropped` again."""
    tables = {table for one in dropped for table in one.action.tables} - {"?"}
    gone = [
        one
        for one in changes
        if one.action.kind is not Kind.DDL and one.action.tables and one.action.tables <= tables
    ]
    return [one for one in changes if one not in gone], gone


def _object(action: Action) -> object:
    if action.tables and "?" not in action.tables:
        return action.tables
    return re.sub(r"(create|drop)(_all)?", "", action.what.lower())


def _comes_to_nothing(history: list[Change]) -> bool:
    """Return whether an object is made after it was surely absent, and dropped at the end."""
    first, last = history[0].action, history[-1].action
    made = any(_MAKES.search(one.action.what) for one in history)
    absent = bool(_MAKES.search(first.what)) or first.flag
    return made and absent and bool(_DROPS.search(last.what)) and not last.maybe


def cluster(actions: Iterable[Action], teardown: Iterable[Action]) -> bool:
    """Return whether a test drops or resets in its teardown all that it makes or sets cluster-wide.

    What only ends sessions or reads the configuration again leaves nothing behind.
    """
    own = [
        one.what for one in actions if one.kind is Kind.CLUSTER and not _LEAVES_NOTHING.search(one.what)
    ]
    late = {one.what for one in teardown if one.kind is Kind.CLUSTER and not one.maybe}
    made = {what.removeprefix("CREATE ") for what in own if what.startswith("CREATE ")}
    return all(_taken_back(what, made, late) for what in own)


def _taken_back(what: str, made: set[str], late: set[str]) -> bool:
    verb, _, name = what.partition(" ")
    if verb == "CREATE":
        # A teardown that drops what a list holds drops "?".
        return f"DROP {name}" in late or f"DROP {name.split()[0]} ?" in late
    if verb == "DROP":
        return name in made or (name.endswith("?") and bool(made))
    if what == "ALTER SYSTEM":
        # RESET leaves a file behind that was not there before.
        return False
    return what in late or (name in made and f"DROP {name}" in late)
