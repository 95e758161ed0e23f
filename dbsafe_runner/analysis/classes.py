"""Classes of the project: their ancestors, members, tables, and objects made of them."""

from __future__ import annotations

import ast
import contextlib
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import catalogue
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Bound,
    Class,
    Const,
    Env,
    External,
    Function,
    Instance,
    Lib,
    Method,
    Value,
    births,
    options,
    outlives,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

#: Libraries whose classes copy the default of an annotated field into every object.
_COPYING = frozenset({"pydantic", "pydantic_settings", "sqlmodel", "msgspec", "ninja"})


def lineage(machine: Machine, cls: Class) -> tuple[Class | External, ...]:
    """Return the class and its ancestors, nearest first; those outside the project by name."""
    if cls.lineage is not None:
        return cls.lineage
    cls.lineage = (cls,)
    found: list[Class | External] = [cls]
    env = cls.outer or cls.module.env
    for expression in cls.node.bases:
        base = expression.value if isinstance(expression, ast.Subscript) else expression
        for option in options(machine.evaluate(base, env)):
            if isinstance(option, Class):
                found.extend(one for one in lineage(machine, option) if one not in found)
            elif isinstance(option, External):
                found.append(option)
            elif isinstance(option, Lib) and option.kind == "declarative base":
                found.append(External("sqlalchemy.orm.DeclarativeBase"))
    cls.lineage = tuple(found)
    return cls.lineage


def ancestors(machine: Machine, cls: Class) -> list[str]:
    """Return the dotted names of the ancestors outside the project."""
    return [base.name for base in lineage(machine, cls) if isinstance(base, External)]


def member(machine: Machine, cls: Class, wanted: str, after: Class | None = None) -> Value | None:
    """Return what a class or its ancestors define under a name; `after` starts behind that ancestor."""
    line = lineage(machine, cls)
    if after is not None and after in line:
        line = line[line.index(after) + 1 :]
    for base in line:
        if isinstance(base, Class):
            found = machine.patched(f"{base.module.path}::{base.node.name}", wanted)
            if found is not None:
                return found
            found = _own_member(machine, base, wanted)
            if found is not None:
                return found
    return None


def _own_member(machine: Machine, cls: Class, wanted: str) -> Value | None:
    if wanted in cls.attrs:
        return cls.attrs[wanted]
    if wanted in cls.undefined:
        return None
    # What the body of a class makes is as old as the class, whenever it is first asked for.
    shared = outlives(cls) and not _copies_defaults(machine, cls, wanted)
    with births.early() if shared else contextlib.nullcontext():
        for statement in reversed(cls.node.body):
            found = _defined(machine, cls, statement, wanted)
            if found is not None:
                cls.attrs[wanted] = found
                return found
    cls.undefined.add(wanted)
    return None


def _copies_defaults(machine: Machine, cls: Class, wanted: str) -> bool:
    """Return whether each object of a class is given a copy of what its body sets a field to."""
    if not any(name.partition(".")[0] in _COPYING for name in ancestors(machine, cls)):
        return False
    stated = (one for one in cls.node.body if isinstance(one, ast.AnnAssign))
    return any(
        isinstance(one.target, ast.Name)
        and one.target.id == wanted
        and "ClassVar" not in ast.unparse(one.annotation)
        for one in stated
    )


def _defined(machine: Machine, cls: Class, statement: ast.stmt, wanted: str) -> Value | None:
    """Return what a statement of a class body defines under a name."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return _method(machine, cls, statement) if statement.name == wanted else None
    if isinstance(statement, ast.ClassDef):
        return Class(statement, cls.module, cls.outer) if statement.name == wanted else None
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    value = getattr(statement, "value", None)
    if value is not None and any(isinstance(one, ast.Name) and one.id == wanted for one in targets):
        return machine.evaluate(value, _body_env(machine, cls, cls.outer or cls.module.env))
    return None


def _method(machine: Machine, cls: Class, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Value | None:
    """Return a method with its decorators; None for the setter of a property, which it does not hide."""
    from dbsafe_runner.analysis.decorating import decorated

    function = Function(node, cls.module, cls.outer, cls)
    result: Value = function
    for decorator in reversed(node.decorator_list):
        if isinstance(decorator, ast.Attribute) and decorator.attr in {"setter", "deleter"}:
            return None
        name = decorator.id if isinstance(decorator, ast.Name) else getattr(decorator, "attr", "")
        if name in {"property", "cached_property", "staticmethod", "classmethod", "hybrid_property"}:
            function.kind = name.removeprefix("cached_").removeprefix("hybrid_")
        elif name in {"contextmanager", "asynccontextmanager"}:
            function.kind = "contextmanager"
        else:
            value = machine.evaluate(decorator, cls.outer or cls.module.env)
            result = decorated(machine, result, value, decorator)
        if isinstance(result, Function) and result is not function:
            result.kind = function.kind
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        kept = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        function.cached = function.cached or kept in {"lru_cache", "cache"}
    return result


def _body_env(machine: Machine, cls: Class, outer: Env) -> Env:
    """Return the scope of a class body, in which the constants before are known by name."""
    inner = Env(cls.module, outer)
    for statement in cls.node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    inner.names[target.id] = machine.evaluate(statement.value, outer)
    return inner


def annotation_of(machine: Machine, cls: Class, wanted: str) -> Value:
    """Return an object of the type with which a class annotates an attribute."""
    from dbsafe_runner.analysis.lookup import from_annotation

    for base in lineage(machine, cls):
        if not isinstance(base, Class):
            continue
        for statement in base.node.body:
            if not isinstance(statement, ast.AnnAssign):
                continue
            target = statement.target
            if isinstance(target, ast.Name) and target.id == wanted:
                return from_annotation(machine, statement.annotation, base.outer or base.module.env)
    return UNKNOWN


def class_attribute(machine: Machine, cls: Class, wanted: str, node: ast.AST) -> Value:
    """Return an attribute of a class."""
    found = member(machine, cls, wanted)
    if found is not None:
        if isinstance(found, Function) and found.kind == "classmethod":
            return Bound(found, cls)
        return catalogue.class_member(machine, cls, found)
    if wanted == "__name__":
        return Const(cls.node.name)
    offered = catalogue.class_attribute(machine, cls, ancestors(machine, cls), wanted, node)
    return offered if offered is not None else Method(cls, wanted)


def instance_attribute(machine: Machine, instance: Instance, wanted: str, node: ast.AST) -> Value:
    """Return an attribute of an object of a project class."""
    known = instance.attrs.get(wanted)
    if known is not None:
        return known
    if wanted == "__class__":
        return instance.cls
    found = member(machine, instance.cls, wanted)
    if isinstance(found, Function):
        return _bound(machine, instance, found, node)
    if isinstance(found, Instance):
        from dbsafe_runner.analysis.protocols import ask

        # A descriptor of the project gives what its `__get__` returns.
        given = ask(machine, found, ("__get__",), node, instance, instance.cls)
        if given is not None:
            return given
    if found is not None:
        return catalogue.instance_member(machine, instance, found)
    offered = catalogue.instance_attribute(machine, instance, ancestors(machine, instance.cls), wanted)
    return offered if offered is not None else _undefined(machine, instance, wanted, node)


def _bound(machine: Machine, instance: Instance, function: Function, node: ast.AST) -> Value:
    if function.kind == "property":
        return machine.call_bound(function, instance, node)
    if function.kind == "staticmethod":
        return function
    return Bound(function, instance.cls if function.kind == "classmethod" else instance)


def _undefined(machine: Machine, instance: Instance, wanted: str, node: ast.AST) -> Value:
    """Return an attribute that no class body defines: annotated only, or made when it is asked for."""
    annotated = annotation_of(machine, instance.cls, wanted)
    if annotated is not UNKNOWN:
        instance.attrs[wanted] = annotated
        return annotated
    getter = member(machine, instance.cls, "__getattr__")
    if isinstance(getter, Function):
        return machine.call_bound(getter, instance, node, [Const(wanted)])
    if any(isinstance(base, Class) and _is_dynamic(base) for base in lineage(machine, instance.cls)):
        what = f"{instance.cls.node.name}.{wanted} is put together while the class is made"
        machine.doubt(what, node, 0.55)
    return Method(instance, wanted)


def _is_dynamic(cls: Class) -> bool:
    """Return whether a class body makes members in a loop or by calling something."""
    return any(isinstance(one, ast.For | ast.While | ast.With) for one in cls.node.body)


def construct(machine: Machine, cls: Class, call: Call) -> Value:
    """Return a new object of a class, following its constructor."""
    made = catalogue.construct(machine, cls, ancestors(machine, cls), call)
    if made is not None:
        return made
    instance = Instance(cls)
    maker = member(machine, cls, "__new__")
    if isinstance(maker, Function):
        new = machine.call(Bound(maker, cls), call)
        instance = new if isinstance(new, Instance) else instance
    constructor = member(machine, cls, "__init__")
    if isinstance(constructor, Function):
        machine.call(Bound(constructor, instance), call)
    else:
        _fill_fields(machine, instance, call)
        for name in _AFTER_FIELDS:
            if isinstance(after := member(machine, cls, name), Function):
                machine.call_bound(after, instance, call.node)
    _end(machine, instance, call.node)
    return instance


#: What dataclasses, attrs and pydantic call once the fields are set.
_AFTER_FIELDS = ("__post_init__", "__attrs_post_init__", "model_post_init")


def _end(machine: Machine, instance: Instance, node: ast.AST) -> None:
    """Follow what an object does when it is let go of: at the latest when the test is over."""
    ending = member(machine, instance.cls, "__del__")
    if isinstance(ending, Function) and machine.frames:
        done = machine.capture(lambda: machine.call_bound(ending, instance, node))
        machine.frames[-1].deferred.extend(done)


def _fill_fields(machine: Machine, instance: Instance, call: Call) -> None:
    """Set the fields of a dataclass, a named tuple or a model from the arguments."""
    instance.attrs.update(call.kwargs)
    if not call.args:
        return
    fields = [
        statement.target.id
        for base in reversed(lineage(machine, instance.cls))
        if isinstance(base, Class)
        for statement in base.node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    instance.attrs.update(zip(fields, call.args, strict=False))


def assumed_instance(machine: Machine, cls: Class, node: ast.AST) -> Instance:
    """Return an object of a class that somebody else made: its constructor's arguments are not known."""
    from dbsafe_runner.analysis.calling import Call

    known = machine.assumed.get(id(cls.node))
    if known is not None:
        return known
    instance = machine.assumed[id(cls.node)] = Instance(cls)
    constructor = member(machine, cls, "__init__")
    if isinstance(constructor, Function):
        machine.quietly(
            lambda: machine.call(
                Bound(constructor, instance), Call(machine, [], {}, node, cls.module.env)
            )
        )
    return instance


def tables_of(machine: Machine, cls: Class) -> frozenset[str]:
    """Return the table of an ORM class, as far as its name is known."""
    if cls.tables is None:
        cls.tables = _tables_of(machine, cls)
    return cls.tables


def _tables_of(machine: Machine, cls: Class) -> frozenset[str]:
    for wanted in ("__tablename__", "__table__"):
        named = member(machine, cls, wanted)
        if isinstance(named, Lib) and named.tables:
            return named.tables
        if (text := text_of(named)) is not None:
            schema = catalogue.schema_of(machine, cls)
            return frozenset({f"{schema}.{text}" if schema else text})
    meta = member(machine, cls, "Meta") or member(machine, cls, "_meta")
    if isinstance(meta, Class):
        for wanted in ("db_table", "table_name", "table"):
            named_in_meta = text_of(member(machine, meta, wanted))
            if named_in_meta is not None:
                return frozenset({named_in_meta})
    return frozenset({catalogue.default_table(machine, cls, ancestors(machine, cls))})
