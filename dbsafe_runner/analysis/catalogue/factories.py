"""Factories of factory_boy: which rows they make, on which connection, and whether they commit them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import orms, verbs
from dbsafe_runner.analysis.values import UNKNOWN, Class, External, Instance, Lib, Link, Value, text_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

#: Declarations in a factory that make rows of another one.
_OF_OTHERS = ("SubFactory", "RelatedFactory", "RelatedFactoryList")
_COMMITS = "SESSION_PERSISTENCE_COMMIT"


def call(machine: Machine, cls: Class, name: str, given: Call) -> Value | None:
    """Follow a factory: the rows that it makes are saved, unless they are only built."""
    if not _kind(machine, cls):
        return None
    model = _option(machine, cls, "model")
    if not name.startswith(("build", "stub")):
        made = [cls]
        for one in made:
            # Two factories may call each other.
            made.extend(other for other in _others(machine, one) if other not in made)
        for one in reversed(made):
            _save(machine, one, given)
    return Instance(model) if isinstance(model, Class) else UNKNOWN


def _kind(machine: Machine, cls: Class) -> str:
    ancestors = classes.ancestors(machine, cls)
    kind = next((one.rpartition(".")[2] for one in ancestors if one.startswith("factory")), "")
    return kind if kind in {"DjangoModelFactory", "SQLAlchemyModelFactory"} else ""


def _save(machine: Machine, cls: Class, given: Call) -> None:
    kind, model = _kind(machine, cls), _option(machine, cls, "model")
    link = orms.DJANGO if kind == "DjangoModelFactory" else _link(machine, cls, given)
    tables = verbs.tables_in(machine, [model]) if model is not None else verbs.ANY_TABLE
    if kind:
        machine.act(Kind.WRITE, link, given.node, tables or verbs.ANY_TABLE, "a row")
    if kind == "SQLAlchemyModelFactory" and _commits(machine, cls):
        machine.act(Kind.COMMIT, link, given.node)


def _option(machine: Machine, cls: Class, name: str) -> Value | None:
    """Return an option of the nearest class that has it in its `Meta`: they are inherited one by one."""
    for one in classes.lineage(machine, cls):
        meta = classes.member(machine, one, "Meta") if isinstance(one, Class) else None
        found = classes.member(machine, meta, name) if isinstance(meta, Class) else None
        if found is not None:
            return found
    return None


def _link(machine: Machine, cls: Class, given: Call) -> Link:
    session = _option(machine, cls, "sqlalchemy_session")
    return verbs.link_of(machine, session, given.node) if isinstance(session, Lib) else orms.OTHER


def _commits(machine: Machine, cls: Class) -> bool:
    persistence = _option(machine, cls, "sqlalchemy_session_persistence")
    named = isinstance(persistence, External) and persistence.name.endswith(_COMMITS)
    return named or text_of(persistence) == "commit"


def _others(machine: Machine, cls: Class) -> list[Class]:
    """Return the factories that a factory calls for what its rows refer to."""
    found: list[Class] = []
    for one in classes.lineage(machine, cls):
        for statement in one.node.body if isinstance(one, Class) else ():
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            if isinstance(one, Class) and isinstance(value, ast.Call) and value.args:
                label = getattr(value.func, "attr", getattr(value.func, "id", ""))
                other = (
                    machine.evaluate(value.args[0], one.module.env) if label in _OF_OTHERS else UNKNOWN
                )
                found.extend([other] if isinstance(other, Class) else ())
    return found
