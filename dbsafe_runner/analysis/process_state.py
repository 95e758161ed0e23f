"""Process state: notes what followed code changes that outlives the test in its process, or in files.

That is what modules, classes, wide fixtures and the interpreter hold, wherever the code stands. What
the tests of a file do to the variables of that file is told more exactly by `shared_state`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import lookup
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.state_methods import CHANGING, RESETTING
from dbsafe_runner.analysis.values import Env, External, Lib, Mock, Value, keep, outlives, text_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine


def note(
    machine: Machine, name: str, node: ast.AST | None, *, resets: bool = False, relative: bool = False
) -> None:
    """Record that something is changed which outlives the test; an import changes nothing."""
    if machine.frames and machine.frames[0].node is not None:
        machine.act(Kind.STATE, None, node, frozenset({name}), f"changes {name}", flag=resets)
        if relative:
            machine.trace[-1] = machine.trace[-1]._replace(weight=1.0)


def changed(machine: Machine, holder: Value, part: ast.expr, env: Env, *, resets: bool = False) -> None:
    """Record a change of a part of `holder`, as `part` spells it, if that outlives the test."""
    place = _place(part)
    if isinstance(holder, Lib) and holder.kind in {"environ", "process list"}:
        of_process(machine, holder, text_of(_key(machine, part, env)), part, resets=resets)
        return
    lasting = outlives(holder)
    if isinstance(holder, Lib) and holder.link is not None:
        # Rows and sessions belong to a database, and what is done to them is judged there.
        return
    if isinstance(holder, Mock) and (machine.patches or _makes(getattr(part, "value", part))):
        # What a test puts in place of something is gone with it.
        return
    if lasting is None:
        lasting = _is_global(machine, place, env)
    if lasting and not _is_told(machine, part, env):
        note(machine, spelled(part), part, resets=resets)


def of_process(
    machine: Machine, holder: Lib, key: str | None, node: ast.AST, *, resets: bool = False
) -> None:
    """Record a change of the environment or of a list of the interpreter, unless it is patched."""
    name = text_of(holder.attrs.get("name")) or "os.environ"
    if machine.patched("", name) is None:
        note(machine, f"{name}[{key}]" if key else name, node, resets=resets and bool(key))


def method_called(machine: Machine, receiver: Value, name: str, node: ast.AST, env: Env) -> None:
    """Record what a method changes that is known to change its object."""
    if (
        name in CHANGING
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and not _makes(node.func.value)
    ):
        changed(machine, receiver, node.func.value, env, resets=name in RESETTING)


def bound_globally(machine: Machine, name: str, value: Value, env: Env) -> None:
    """Record that a function gives a variable of its module another value."""
    part = ast.Name(name, ast.Store())
    keep(value)
    if not _is_told(machine, part, Env(env.module)):
        note(
            machine,
            f"{env.module.path.rpartition('/')[2]}: {name}",
            machine.frames[-1].node,
            resets=True,
        )


def stored(holder: Value, value: Value) -> None:
    """Note that a holder refers to a value: what outlives the test makes it outlive the test, too."""
    if outlives(holder):
        keep(value)


def spelled(part: ast.expr) -> str:
    """Return a name for what an expression names."""
    return ast.unparse(part)[:80]


def _key(machine: Machine, part: ast.expr, env: Env) -> Value:
    return machine.evaluate(part.slice if isinstance(part, ast.Subscript) else None, env)


def _place(part: ast.expr) -> ast.expr:
    """Return the name, call or literal that an expression of attributes and items begins with."""
    while isinstance(part, ast.Attribute | ast.Subscript | ast.Call | ast.Await):
        part = part.func if isinstance(part, ast.Call) else part.value
    return part


def _makes(part: ast.expr) -> bool:
    """Return whether an expression is a call of something that is spelled like a class."""
    called = part.func if isinstance(part, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    return name.lstrip("_")[:1].isupper()


def _is_global(machine: Machine, root: ast.expr, env: Env) -> bool:
    """Return whether an expression begins with a name that no function has for itself."""
    if not isinstance(root, ast.Name):
        return False
    scope: Env | None = env
    while scope is not None and scope is not env.module.env:
        if root.id in scope.names:
            return outlives(scope.names[root.id]) is True
        scope = scope.outer
    found = lookup.global_name(machine, env.module, root.id)
    return not (isinstance(found, External) and found.name == root.id and lookup.is_builtin(root.id))


def _is_told(machine: Machine, part: ast.expr, env: Env) -> bool:
    """Return whether `shared_state` sees the same change in a file of tests."""
    frame = machine.frames[-1] if machine.frames else None
    if machine.told is None or frame is None or frame.space.path != machine.passing_file:
        return False
    name = getattr(frame.node, "name", "")
    places = [owner for node, owner in frame.space.definitions(name) if node is frame.node]
    own = machine.told.own
    if not places or (places[0] is not None and places[0].name != own):
        return False
    root = _place(part)
    local = isinstance(root, ast.Name) and env is not env.module.env and root.id in env.names
    return machine.told.tells(part, local=local)
