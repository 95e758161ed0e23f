"""Transactions: follows actions through commits and rollbacks, and tells what remains of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from dbsafe_runner.analysis.actions import Action, Kind
from dbsafe_runner.analysis.values import Link

#: `what` of a BEGIN that commits and rollbacks of the code inside cannot end.
GUARD = "guard"
_CHANGES = {Kind.WRITE, Kind.CLEAN, Kind.DDL}


@dataclasses.dataclass(slots=True, eq=False)
class Change:
    """An action that changes something, with the phase in which it happens."""

    phase: str
    action: Action


@dataclasses.dataclass(slots=True, eq=False)
class _Block:
    savepoint: bool = False
    guard: bool = False
    changes: list[Change] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True, eq=False)
class _State:
    link: Link
    blocks: list[_Block] = dataclasses.field(default_factory=lambda: [_Block()])
    temporary: set[str] = dataclasses.field(default_factory=set)


class Ledger:
    """What became of the changes of a sequence of actions."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        #: Changes that were committed.
        self.lasting: list[Change] = []
        #: Changes that were rolled back.
        self.undone: list[Change] = []

    def add(self, phase: str, actions: Iterable[Action]) -> None:
        """Follow some actions, all of one phase."""
        for action in actions:
            if action.kind is Kind.LASTING:
                self.lasting.append(Change(phase, action))
            elif action.link is not None:
                self._follow(phase, action, action.link)

    def pending(self) -> list[tuple[Link, Change]]:
        """Return changes that were neither committed nor rolled back, with their connection."""
        return [
            (state.link, change)
            for state in self._states.values()
            for block in state.blocks
            for change in block.changes
        ]

    def _state(self, link: Link) -> _State:
        state = self._states.get(link.name)
        if state is None:
            state = self._states[link.name] = _State(link)
        return state

    def _follow(self, phase: str, action: Action, link: Link) -> None:
        state = self._state(link)
        kind = action.kind
        if kind in _CHANGES:
            self._change(state, Change(phase, action))
        elif kind is Kind.TEMP:
            state.temporary.update(action.tables)
        elif kind is Kind.BEGIN:
            state.blocks.append(_Block(savepoint=action.flag, guard=action.what == GUARD))
        elif kind is Kind.END:
            self._end(state, undo=action.flag)
        elif kind is Kind.COMMIT:
            self._settle(state, self._take(state))
        elif kind in {Kind.ROLLBACK, Kind.CLOSE}:
            self.undone.extend(self._take(state))

    def _change(self, state: _State, change: Change) -> None:
        tables = change.action.tables
        if tables and tables <= state.temporary:
            return
        if len(state.blocks) == 1 and state.link.autocommit:
            self._settle(state, [change])
        else:
            state.blocks[-1].changes.append(change)

    def _end(self, state: _State, *, undo: bool) -> None:
        block = state.blocks.pop() if len(state.blocks) > 1 else state.blocks[0]
        changes, block.changes = block.changes, []
        if undo:
            self.undone.extend(changes)
        elif block.savepoint or len(state.blocks) > 1:
            state.blocks[-1].changes.extend(changes)
        else:
            self._settle(state, changes)

    def _take(self, state: _State) -> list[Change]:
        """Take the changes of all blocks down to a guard, and end those blocks."""
        taken: list[Change] = []
        while not state.blocks[-1].guard:
            taken.extend(state.blocks[-1].changes)
            state.blocks[-1].changes = []
            if len(state.blocks) == 1:
                break
            state.blocks.pop()
        return taken

    def _settle(self, state: _State, changes: list[Change]) -> None:
        """Commit changes: into the transaction around them, if there is one."""
        if not changes:
            return
        if state.blocks[-1].guard:
            state.blocks[-1].changes.extend(changes)
            return
        parent = self._state(state.link.parent) if state.link.parent is not None else None
        if parent is not None and len(parent.blocks) > 1:
            parent.blocks[-1].changes.extend(changes)
        else:
            self.lasting.extend(changes)
