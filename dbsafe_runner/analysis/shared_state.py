"""Shared state: module- and class-level variables by which tests of one file hang on each other."""

from __future__ import annotations

import ast
import dataclasses
import re

from dbsafe_runner.analysis.modules import ModuleSpace
from dbsafe_runner.domain.test import Test

_CHANGING = frozenset(
    [
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "pop",
        "popleft",
        "appendleft",
        "clear",
        "remove",
        "discard",
        "setdefault",
        "popitem",
    ]
)
_CHANGE = re.compile(
    rf"\b(\w+)\s*\.\s*(?:{'|'.join(sorted(_CHANGING))})\s*\("
    r"|\b(\w+)\s*\[[^\n]*\]\s*[-+*/|&^%]?=(?!=)"
    r"|\bdel\s+(\w+)\s*\["
    r"|\b(\w+)\s*\.\s*\w+\s*[-+*/|&^%]?=(?!=)"
    r"|\bglobal\s+([\w, ]+)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """One variable that a test shares with others; `what` says how, in words."""

    name: str
    what: str
    file: str
    line: int


@dataclasses.dataclass(slots=True)
class _Uses:
    reads: dict[str, int] = dataclasses.field(default_factory=dict)
    writes: dict[str, int] = dataclasses.field(default_factory=dict)


def shared(space: ModuleSpace, file: str, tests: list[Test]) -> dict[str, list[Share]]:
    """Return, by node id, the variables by which a test hangs on others of its file."""
    variables = _module_variables(space.tree)
    text = space.text
    if "global " in text or any(f"{name}." in text or f"{name}[" in text for name in variables):
        variables &= _changed_names(text)
    else:
        variables = set()
    if not variables:
        return {}
    uses: dict[tuple[str, str], _Uses] = {}
    for test in tests:
        key = (test.cls, test.function.partition("[")[0])
        if key not in uses:
            uses[key] = _uses(space, key, test.line, variables)
    found: dict[str, list[Share]] = {}
    for test in tests:
        key = (test.cls, test.function.partition("[")[0])
        shares = [
            share
            for name in sorted({*uses[key].reads, *uses[key].writes})
            if (share := _share(name, key, uses, file)) is not None
        ]
        if shares:
            found[test.nodeid] = shares
    return found


def _share(
    name: str, key: tuple[str, str], uses: dict[tuple[str, str], _Uses], file: str
) -> Share | None:
    """Return how a test shares a variable: one that shares it must change it, another read it."""
    own = uses[key]
    writers = [other for other, use in uses.items() if other != key and name in use.writes]
    readers = [other for other, use in uses.items() if other != key and name in use.reads]
    if name in own.reads and writers:
        what = f"reads the module's {name}, which {writers[0][1]} changes"
        return Share(name, what, file, own.reads[name])
    if name in own.writes and readers:
        what = f"changes the module's {name}, which {readers[0][1]} reads"
        return Share(name, what, file, own.writes[name])
    return None


def _changed_names(text: str) -> set[str]:
    """Return the names that something in a text may change: cheaper than walking its tree."""
    found: set[str] = set()
    for change in _CHANGE.finditer(text):
        found.update(name.strip() for group in change.groups() if group for name in group.split(","))
    return found


def _module_variables(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        found.update(target.id for target in targets if isinstance(target, ast.Name))
        if isinstance(statement, ast.ClassDef):
            found.add(statement.name)
    return found


def _uses(space: ModuleSpace, key: tuple[str, str], line: int, variables: set[str]) -> _Uses:
    uses = _Uses()
    nodes = space.definitions(key[1])
    node = min(nodes, key=lambda one: abs(one[0].lineno - line), default=None)
    if node is None:
        return uses
    declared = {
        name for part in ast.walk(node[0]) if isinstance(part, ast.Global) for name in part.names
    }
    local = {argument.arg for argument in node[0].args.args}
    for part in ast.walk(node[0]):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id not in declared:
            local.add(part.id)
    for part in ast.walk(node[0]):
        _use(part, uses, (variables | declared) - local, key[0])
    return uses


def _use(part: ast.AST, uses: _Uses, variables: set[str], cls: str) -> None:
    """Note how one node uses a variable."""
    if isinstance(part, ast.Name) and part.id in variables:
        if isinstance(part.ctx, ast.Store):
            uses.writes.setdefault(part.id, part.lineno)
        else:
            uses.reads.setdefault(part.id, part.lineno)
    elif (
        isinstance(part, ast.Call)
        and isinstance(part.func, ast.Attribute)
        and part.func.attr in _CHANGING
    ):
        holder = part.func.value
        if isinstance(holder, ast.Name) and holder.id in variables:
            uses.writes.setdefault(holder.id, part.lineno)
    elif isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
        if isinstance(part.value, ast.Name) and part.value.id in variables:
            uses.writes.setdefault(part.value.id, part.lineno)
    elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
        owner = part.value.id
        if owner in variables and (owner == cls or isinstance(part.ctx, ast.Store)):
            name = f"{owner}.{part.attr}"
            target = uses.writes if isinstance(part.ctx, ast.Store) else uses.reads
            target.setdefault(name, part.lineno)
