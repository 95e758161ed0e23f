"""Statements: follows blocks of code in program order, binding names and entering `with` blocks."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbsafe_runner.analysis import catalogue, contexts, decorating, lookup, process_state, protocols
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.values import (
    HOLE,
    MOST_FUNCTIONS,
    UNKNOWN,
    Bound,
    Class,
    Const,
    Env,
    Function,
    Lazy,
    Lib,
    Map,
    Seq,
    Value,
    join,
    text_of,
    truth_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.machine import Machine


def execute(machine: Machine, body: list[ast.stmt], env: Env) -> bool:
    """Follow statements; return whether the block ended early (return, raise, break, continue)."""
    for statement in body:
        handler = _HANDLERS.get(type(statement))
        if handler is not None and handler(machine, statement, env):
            return True
    return False


def _expression(machine: Machine, node: ast.Expr, env: Env) -> bool:
    machine.evaluate(node.value, env)
    return False


def _assign(machine: Machine, node: ast.Assign, env: Env) -> bool:
    value = machine.evaluate(node.value, env)
    for target in node.targets:
        bind(machine, target, value, env)
    return False


def _annotated(machine: Machine, node: ast.AnnAssign, env: Env) -> bool:
    value = machine.evaluate(node.value, env) if node.value is not None else UNKNOWN
    if value is UNKNOWN:
        value = lookup.from_annotation(machine, node.annotation, env)
    if node.value is not None or value is not UNKNOWN:
        bind(machine, node.target, value, env)
    return False


def _augmented(machine: Machine, node: ast.AugAssign, env: Env) -> bool:
    named = isinstance(node.target, ast.Name)
    if isinstance(node.target, ast.Name):
        held, given = lookup.name(machine, node.target.id, env), UNKNOWN
        protocols.in_place(machine, node.op, held, given, node)
        operation = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        value = machine.evaluate(ast.copy_location(operation, node), env)
    else:
        value = machine.evaluate(node.value, env)
    bind(machine, node.target, value, env, anew=named)
    return False


def bind(machine: Machine, target: ast.expr, value: Value, env: Env, *, anew: bool = True) -> None:
    """Give a name, attribute, item or pattern of names a value, `anew` or made of what it was."""
    if isinstance(target, ast.Name):
        _bind_name(machine, target.id, value, env)
    elif isinstance(target, ast.Tuple | ast.List):
        for position, element in enumerate(target.elts):
            inner = element.value if isinstance(element, ast.Starred) else element
            bind(machine, inner, lookup.item(machine, value, position), env)
    elif isinstance(target, ast.Attribute):
        receiver = machine.evaluate(target.value, env)
        process_state.changed(machine, receiver, target, env, resets=anew)
        lookup.set_attribute(machine, receiver, target.attr, value, target)
    elif isinstance(target, ast.Subscript):
        holder = machine.evaluate(target.value, env)
        process_state.changed(machine, holder, target, env, resets=anew)
        lookup.set_item(machine, holder, machine.evaluate(target.slice, env), value)


def _bind_name(machine: Machine, name: str, value: Value, env: Env) -> None:
    scope = env
    declared = env.names.get("global " + name)
    if declared is not None:
        scope = env.module.env
        machine.changed()
        process_state.bound_globally(machine, name, value, env)
    conditional = machine.frames[-1].branches if machine.frames else 0
    known = scope.names.get(name)
    scope.names[name] = join(value, known) if conditional and known is not None else value


def _global(machine: Machine, node: ast.Global, env: Env) -> bool:
    for name in node.names:
        env.names["global " + name] = UNKNOWN
        lookup.global_name(machine, env.module, name)
    return False


def _if(machine: Machine, node: ast.If, env: Env) -> bool:
    tested = machine.evaluate(node.test, env)
    protocols.truth(machine, tested, node)
    truth = truth_of(tested)
    if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        truth = True
    if truth is not None:
        return execute(machine, node.body if truth else node.orelse, env)
    frame = machine.frames[-1]
    frame.branches += 1
    with machine.perhaps():
        first = execute(machine, node.body, env)
        second = execute(machine, node.orelse, env)
    frame.branches -= 1
    if _returns(node.body) != _returns(node.orelse) and frame.certain is None:
        # What stands behind an early return may not happen.
        frame.certain = len(machine.trace)
    return first and second and bool(node.orelse)


def _returns(body: list[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.Return) for statement in body)


def _for(machine: Machine, node: ast.For | ast.AsyncFor, env: Env) -> bool:
    iterated = machine.evaluate(node.iter, env)
    if isinstance(iterated, Seq) and 0 < len(iterated.items) <= _most_rounds(iterated):
        elements = iterated.items
    elif isinstance(iterated, Map) and HOLE not in iterated.items and 0 < len(iterated.items) <= 4:
        elements = [Const(key) for key in iterated.items]
    else:
        elements = [lookup.element(machine, iterated)]
    for element in elements:
        bind(machine, node.target, element, env)
        execute(machine, node.body, env)
    execute(machine, node.orelse, env)
    return False


def _most_rounds(iterated: Seq) -> int:
    """Return how many rounds of a loop are told apart: more where each may call something else."""
    inner = [one.items if isinstance(one, Seq) else [one] for one in iterated.items]
    called = any(isinstance(one, Function | Bound | Class) for items in inner for one in items)
    return MOST_FUNCTIONS if called else 4


def _while(machine: Machine, node: ast.While, env: Env) -> bool:
    protocols.truth(machine, machine.evaluate(node.test, env), node)
    execute(machine, node.body, env)
    execute(machine, node.orelse, env)
    return False


def _try(machine: Machine, node: ast.Try | ast.TryStar, env: Env) -> bool:
    ended = execute(machine, node.body, env)
    frame = machine.frames[-1]
    frame.handlers += 1
    frame.branches += 1
    with machine.perhaps():
        for handler in node.handlers:
            if handler.name:
                env.names[handler.name] = UNKNOWN
            execute(machine, handler.body, env)
    frame.handlers -= 1
    frame.branches -= 1
    if not ended:
        ended = execute(machine, node.orelse, env)
    return execute(machine, node.finalbody, env) or ended


def _with(machine: Machine, node: ast.With | ast.AsyncWith, env: Env) -> bool:
    return _enter(machine, node, 0, env)


def _enter(machine: Machine, node: ast.With | ast.AsyncWith, position: int, env: Env) -> bool:
    """Enter the with-items from `position` on, each inside the one before."""
    if position == len(node.items):
        return execute(machine, node.body, env)
    item = node.items[position]
    ended = False

    def inside(value: Value) -> None:
        nonlocal ended
        if item.optional_vars is not None:
            bind(machine, item.optional_vars, value, env)
        ended = _enter(machine, node, position + 1, env)

    manager = machine.evaluate(item.context_expr, env)
    contexts.within(machine, manager, item.context_expr, inside)
    return ended


def _return(machine: Machine, node: ast.Return, env: Env) -> bool:
    value = machine.evaluate(node.value, env) if node.value is not None else UNKNOWN
    frame = machine.frames[-1]
    frame.returned = value if frame.returned is None else join(frame.returned, value)
    return True


def _raise(machine: Machine, node: ast.Raise, env: Env) -> bool:
    raised = machine.evaluate(node.exc, env)
    if isinstance(raised, Lib) and raised.kind == "http error":
        machine.act(Kind.REJECT, None, node, what=text_of(raised.attrs["status"]) or "")
    return True


def _ends(_machine: Machine, _node: ast.stmt, _env: Env) -> bool:
    return True


def _assert(machine: Machine, node: ast.Assert, env: Env) -> bool:
    test = node.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        left, right = machine.evaluate(test.left, env), machine.evaluate(test.comparators[0], env)
        protocols.compare(machine, test.ops[0], left, right, node)
        catalogue.expect_status(machine, left, right)
    else:
        protocols.truth(machine, machine.evaluate(test, env), node)
    return False


def _delete(machine: Machine, node: ast.Delete, env: Env) -> bool:
    for target in node.targets:
        if isinstance(target, ast.Attribute | ast.Subscript):
            holder = machine.evaluate(target.value, env)
            process_state.changed(machine, holder, target, env, resets=True)
            if isinstance(target, ast.Subscript):
                protocols.ask(
                    machine, holder, ("__delitem__",), node, machine.evaluate(target.slice, env)
                )
    return False


def _function(machine: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef, env: Env) -> bool:
    value: Value = Function(node, env.module, env if env is not env.module.env else None)
    for decorator in reversed(node.decorator_list):
        value = decorating.decorated(machine, value, machine.evaluate(decorator, env), decorator)
    env.names[node.name] = value
    return False


def _class(machine: Machine, node: ast.ClassDef, env: Env) -> bool:
    value = Class(node, env.module, env if env is not env.module.env else None)
    env.names[node.name] = value
    result: Value = value
    for decorator in reversed(node.decorator_list):
        result = decorating.decorated(machine, result, machine.evaluate(decorator, env), decorator)
    env.names[node.name] = result
    return False


def _import(machine: Machine, node: ast.Import, env: Env) -> bool:
    for alias in node.names:
        if alias.asname:
            env.names[alias.asname] = Lazy(alias.name, "", env.module.path)
            continue
        top = alias.name.partition(".")[0]
        env.names.setdefault(top, Lazy(top, "", env.module.path))
        if alias.name != top:
            machine.sources.resolve(alias.name, env.module.path)
    return False


def _import_from(machine: Machine, node: ast.ImportFrom, env: Env) -> bool:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*":
            env.module.starred.append(Lazy(module, "", env.module.path))
            machine.sources.resolve(module, env.module.path)
        else:
            env.names[alias.asname or alias.name] = Lazy(module, alias.name, env.module.path)
    return False


def _match(machine: Machine, node: ast.Match, env: Env) -> bool:
    machine.evaluate(node.subject, env)
    machine.frames[-1].branches += 1
    with machine.perhaps():
        for case in node.cases:
            execute(machine, case.body, env)
    machine.frames[-1].branches -= 1
    return False


_HANDLERS: dict[type[ast.stmt], Callable[[Machine, Any, Env], bool]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Global: _global,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Break: _ends,
    ast.Continue: _ends,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Match: _match,
}
