"""What project classes have from base classes of libraries: models, managers, test cases, factories."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes, contexts
from dbsafe_runner.analysis.catalogue import alchemy, doubles, factories, functions, objects, orms, verbs
from dbsafe_runner.analysis.catalogue.packages import REACHES_DATABASE
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Class,
    Instance,
    Lib,
    Value,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine


def class_member(machine: Machine, cls: Class, member: Value) -> Value:
    """Return what stands in a class body, as the class gives it out: managers know their model."""
    if isinstance(member, Lib) and member.kind == "Manager":
        return orms.manager(machine, cls, "django")
    if isinstance(member, Instance) and orms.is_manager(classes.ancestors(machine, member.cls)):
        member.attrs.setdefault("model", cls)
    return member


def instance_member(machine: Machine, item: Instance, member: Value) -> Value:
    """Return what stands in a class body, as a row gives it out: its relations are on its connection."""
    if item.link is not None and isinstance(member, Lib) and member.kind == "driver":
        return Lib("driver", item.link, {}, classes.tables_of(machine, item.cls))
    return class_member(machine, item.cls, member)


def class_attribute(
    machine: Machine, cls: Class, names: list[str], wanted: str, node: ast.AST
) -> Value | None:
    """Return an attribute that a library's base class gives to a project class."""
    if wanted == "metadata" and alchemy.is_model(names):
        return Lib("MetaData")
    if wanted == "__table__" and alchemy.is_model(names):
        return Lib("Table", None, {}, classes.tables_of(machine, cls))
    del node
    kind = orms.family(names)
    return orms.class_attribute(machine, cls, kind, wanted) if kind else None


def instance_attribute(machine: Machine, item: Instance, names: list[str], wanted: str) -> Value | None:
    """Return an attribute that a library's base class gives to objects of a project class."""
    if wanted in {"client", "async_client"} and any(name.startswith("django.") for name in names):
        return Lib("DjangoClient")
    if wanted == "request":
        return UNKNOWN
    del machine
    if orms.family(names) == "django" and wanted not in {
        "save",
        "delete",
        "refresh_from_db",
        "asave",
        "adelete",
    }:
        return Lib("DjangoAttr", orms.DJANGO) if not wanted.startswith("_") else None
    del item
    return None


def construct(machine: Machine, cls: Class, names: list[str], call: Call) -> Value | None:
    """Return an object of a project class whose base class decides what it is; None otherwise."""
    for name in names:
        made = functions.instance(name)
        if made is not None and isinstance(made, Lib) and made.kind in REACHES_DATABASE:
            return functions.call_external(machine, name, call)
    if any(name.startswith("factory") for name in names):
        return factories.call(machine, cls, "create", call)
    return None


def schema_of(machine: Machine, cls: Class) -> str:
    """Return the schema of an ORM class, or ""."""
    return alchemy.schema_of(machine, cls)


def default_table(machine: Machine, cls: Class, names: list[str]) -> str:
    """Return the table of an ORM class that does not name one."""
    kind = orms.family(names)
    return orms.default_table(machine, cls, kind) if kind else alchemy.default_table(machine, cls, names)


def _of_every_class(machine: Machine, name: str, call: Call) -> Value | None:
    """Follow a method of unittest's test cases, or of `object`; None for others."""
    if name in {"addCleanup", "addAsyncCleanup", "addClassCleanup", "addModuleCleanup"}:
        return doubles.clean_up_later(machine, name, call)
    if name in {"enterContext", "enterAsyncContext", "enterClassContext"} and call.args:
        return contexts.enter_until_teardown(machine, call.args[0], call.node)
    if name == "__new__" and call.args and isinstance(call.args[0], Class):
        return Instance(call.args[0])
    return None


def call_inherited(machine: Machine, receiver: Instance | Class, name: str, call: Call) -> Value:
    """Follow a call of a method that a project class has from a base class outside the project."""
    of_every = _of_every_class(machine, name, call)
    if of_every is not None:
        return of_every
    cls = receiver if isinstance(receiver, Class) else receiver.cls
    names = classes.ancestors(machine, cls)
    if isinstance(receiver, Class) and any(one.startswith("factory") for one in names):
        made = factories.call(machine, receiver, name, call)
        return made if made is not None else UNKNOWN
    if isinstance(receiver, Instance) and orms.is_manager(names):
        model = receiver.attrs.get("model")
        tables = classes.tables_of(machine, model) if isinstance(model, Class) else verbs.ANY_TABLE
        attrs = {"cls": model} if isinstance(model, Class) else {}
        return objects.call_method(
            machine, Lib("QuerySet", orms.DJANGO, dict(attrs), tables), name, call
        )
    kind = orms.family(names)
    if kind:
        return orms.call_on_model(machine, receiver, kind, name, call)
    if isinstance(receiver, Class) and name in {
        "model_validate",
        "parse_obj",
        "from_orm",
        "construct",
        "model_copy",
    }:
        return Instance(cls)
    if name in {"model_copy", "copy", "sqlmodel_update"} and isinstance(receiver, Instance):
        if name == "sqlmodel_update":
            orms.change_row(machine, receiver, call.node)
        return receiver
    if name in {"assertRaises", "subTest", "assertNumQueries"}:
        return Lib("context")
    if not name.startswith("assert"):
        verbs.may_write(machine, call.all_values(), f".{name}() is given a connection", call.node)
    return UNKNOWN
