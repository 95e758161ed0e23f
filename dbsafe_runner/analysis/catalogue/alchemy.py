"""SQLAlchemy, SQLModel and Alembic: engines, sessions, statements and schema operations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes, strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import verbs
from dbsafe_runner.analysis.catalogue.tables import Entry
from dbsafe_runner.analysis.values import (
    HOLE,
    UNKNOWN,
    Class,
    Const,
    External,
    Instance,
    Lib,
    Link,
    Map,
    Seq,
    Value,
    options,
    text_of,
    truth_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

_OTHER_DATABASE = re.compile(r"^(sqlite|mysql|mariadb|oracle|mssql|duckdb)")


def engine(machine: Machine, call: Call, entry: Entry) -> Value:
    """Make an engine; one of another database is inert."""
    url = call.argument(0, "url")
    text = strings.spelled(url) if url is not None else HOLE
    if _OTHER_DATABASE.match(text):
        return Lib("inert")
    autocommit = text_of(call.kwargs.get("isolation_level")) == "AUTOCOMMIT"
    return Lib(entry.gives, Link(f"engine at {machine.place(call.node)}", autocommit=autocommit))


def engine_connect(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Take a connection from an engine."""
    own = receiver.link is not None and receiver.link.autocommit
    link = Link(f"connection at {machine.place(call.node)}", autocommit=own)
    machine.act(Kind.CONNECT, link, call.node)
    return Lib(entry.gives, link, {"closes on exit": Const(True)})


def engine_begin(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`engine.begin()`: a connection whose block commits."""
    del receiver
    link = Link(f"connection at {machine.place(call.node)}", commits_on_exit=True)
    return Lib(entry.gives, link)


def engine_sql(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`engine.execute()` of SQLAlchemy 1: it commits by itself."""
    del receiver
    link = Link(f"engine at {machine.place(call.node)}", autocommit=True)
    verbs.run_value(machine, link, call.argument(0, "statement"), call.node)
    return Lib(entry.gives, link)


def session(machine: Machine, call: Call, entry: Entry) -> Value:
    """Make a session, on an engine or on a connection whose transaction it takes part in."""
    return _session(machine, call.argument(0, "bind"), call, entry.gives)


def _session(machine: Machine, bind: Value | None, call: Call, gives: str) -> Value:
    parent = None
    for option in options(bind if bind is not None else UNKNOWN):
        if isinstance(option, Lib) and option.kind == "inert":
            return Lib("inert")
        if isinstance(option, Lib) and option.kind in {"SaConnection", "Connection"}:
            parent = verbs.link_of(machine, option, call.node)
    return Lib(gives, Link(f"session at {machine.place(call.node)}", parent=parent))


def session_factory(machine: Machine, call: Call, entry: Entry) -> Value:
    """`sessionmaker(...)`."""
    del machine
    bind = call.argument(0, "bind")
    if isinstance(bind, Lib) and bind.kind == "inert":
        return Lib("inert")
    return Lib(entry.gives, None, {"bind": bind} if bind is not None else {})


def made_by_factory(machine: Machine, factory: Lib, call: Call, gives: str = "Session") -> Value:
    """Return what calling a session factory returns."""
    bind = call.kwargs.get("bind") or factory.attrs.get("bind")
    return _session(machine, bind, call, gives)


def session_begin(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`factory.begin()`: a session whose block commits."""
    made = made_by_factory(machine, receiver, call, entry.gives)
    if isinstance(made, Lib) and made.link is not None:
        made.link.commits_on_exit = True
    return made


def scoped_session(machine: Machine, call: Call, entry: Entry) -> Value:
    """`scoped_session(factory)`: one session behind everything."""
    factory = call.argument(0, "session_factory")
    bind = factory.attrs.get("bind") if isinstance(factory, Lib) else None
    return _session(machine, bind, call, entry.gives)


def configure(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Bind a factory or a scoped session to something else."""
    bind = call.kwargs.get("bind")
    if bind is not None:
        machine.changed()
        receiver.attrs["bind"] = bind
        if receiver.link is not None and isinstance(bind, Lib) and bind.kind == "SaConnection":
            receiver.link.parent = verbs.link_of(machine, bind, call.node)
    return UNKNOWN


def execution_options(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Set options: of a connection for good, of an engine for a copy of it."""
    link = verbs.link_of(machine, receiver, call.node)
    level = text_of(call.kwargs.get("isolation_level"))
    if level is None:
        return receiver
    if entry.gives == "Engine":
        link = Link(f"engine at {machine.place(call.node)}", autocommit=level == "AUTOCOMMIT")
        return Lib(entry.gives, link)
    machine.changed()
    link.autocommit = level == "AUTOCOMMIT"
    return receiver


def session_connection(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Return the connection behind a session: the same transaction, with options of its own."""
    link = verbs.link_of(machine, receiver, call.node)
    given = call.kwargs.get("execution_options")
    wanted = given.items.get("isolation_level") if isinstance(given, Map) else None
    if text_of(wanted) == "AUTOCOMMIT":
        machine.changed()
        link.autocommit = True
    return Lib(entry.gives, link)


def add(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Write rows through a session; they belong to it from now on."""
    link = verbs.link_of(machine, receiver, call.node)
    tables = verbs.tables_in(machine, call.args) or verbs.ANY_TABLE
    machine.act(Kind.WRITE, link, call.node, tables, "a row")
    for value in call.args:
        for row in value.items if isinstance(value, Seq) else options(value):
            if isinstance(row, Instance):
                row.link = link
    return call.args[0] if call.args else UNKNOWN


def flush(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Send what is pending; the writes were recorded where the rows were added."""
    machine.act(Kind.READ, verbs.link_of(machine, receiver, call.node), call.node)
    return UNKNOWN


def load(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`session.get(Model, key)`."""
    link = verbs.link_of(machine, receiver, call.node)
    machine.act(Kind.READ, link, call.node, verbs.tables_in(machine, call.args[:1]))
    model = verbs.class_in(call.args[:1])
    return Instance(model, link=link) if model is not None else Lib(entry.gives, link)


def query(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`session.query(Model)`."""
    model = verbs.class_in(call.args)
    link = verbs.link_of(machine, receiver, call.node)
    return Lib(entry.gives, link, {"cls": model} if model else {}, verbs.tables_in(machine, call.args))


def query_write(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """`query.delete()` and `query.update()`."""
    link = verbs.link_of(machine, receiver, call.node)
    verbs.write_or_clean(machine, receiver, call, link)
    return UNKNOWN


def query_read(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """`query.all()` and its like."""
    machine.act(Kind.READ, verbs.link_of(machine, receiver, call.node), call.node, receiver.tables)
    result = verbs.give(machine, receiver, entry, call.node)
    return row_of(result) if isinstance(result, Lib) else result


def row_of(result: Lib) -> Value:
    """Return one row of a result: an object of the class that was selected, when it is known."""
    model = result.attrs.get("cls")
    return Instance(model, link=result.link) if isinstance(model, Class) else result


def statement_write(machine: Machine, call: Call, entry: Entry) -> Value:
    """`insert(...)`, `update(...)`, `delete(...)`."""
    return _statement(machine, call, entry, "write")


def statement_delete(machine: Machine, call: Call, entry: Entry) -> Value:
    """`delete(...)`: of every row, until a condition is added."""
    return _statement(machine, call, entry, "clean")


def statement_method(receiver: Lib, name: str) -> Value:
    """Return what a method of a statement returns: the statement, narrowed or not."""
    if name in {"where", "filter", "filter_by"} and text_of(receiver.attrs.get("does")) == "clean":
        return Lib("Statement", None, {**receiver.attrs, "does": Const("write")}, receiver.tables)
    return receiver


def statement_read(machine: Machine, call: Call, entry: Entry) -> Value:
    """`select(...)`."""
    return _statement(machine, call, entry, "read")


def statement_ddl(machine: Machine, call: Call, entry: Entry) -> Value:
    """`CreateTable(...)` and its like."""
    return _statement(machine, call, entry, "ddl")


def _statement(machine: Machine, call: Call, entry: Entry, does: str) -> Value:
    called = [one for one in call.args if isinstance(one, Lib) and "called" in one.attrs]
    if called:
        return called[0]
    attrs: dict[str, Value] = {"does": Const(does)}
    model = verbs.class_in(call.args) if does == "read" else None
    if model is not None:
        attrs["cls"] = model
    values = [*call.args, *(value for key, value in call.kwargs.items() if key == "table")]
    return Lib(entry.gives, None, attrs, verbs.tables_in(machine, values))


def table(_machine: Machine, call: Call, entry: Entry) -> Value:
    """`Table("name", metadata, …)`."""
    name = strings.spelled(call.args[0]) if call.args else HOLE
    schema = text_of(call.kwargs.get("schema"))
    full = f"{schema}.{name}" if schema else name
    return Lib(entry.gives, None, {}, frozenset({"?" if HOLE in full else full}))


def table_index(machine: Machine, call: Call, entry: Entry) -> Value:
    """`Index("name", Model.column)`."""
    return Lib(entry.gives, None, {}, verbs.tables_in(machine, call.args))


def table_write(_machine: Machine, receiver: Lib, _call: Call, entry: Entry) -> Value:
    """`table.insert()` and its like."""
    return Lib(entry.gives, None, {"does": Const("write")}, receiver.tables)


def table_read(_machine: Machine, receiver: Lib, _call: Call, entry: Entry) -> Value:
    """`table.select()`."""
    return Lib(entry.gives, None, {"does": Const("read")}, receiver.tables)


def _bound_link(machine: Machine, call: Call) -> Link | None:
    """Return the connection that a schema operation is given; None when it goes elsewhere."""
    bind = call.argument(0, "bind", "engine", "connection")
    if isinstance(bind, Lib) and bind.kind == "inert":
        return None
    if isinstance(bind, Lib) and bind.kind in {"SaConnection", "Session"}:
        return verbs.link_of(machine, bind, call.node)
    return Link(f"schema operation at {machine.place(call.node)}", autocommit=True)


def metadata_ddl(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """`metadata.create_all(bind)` and `drop_all`; both pass over what is there, or gone, already."""
    link = _bound_link(machine, call)
    if link is not None:
        name = _method_name(call)
        machine.act(Kind.DDL, link, call.node, receiver.tables, f"metadata.{name}()", flag=True)
    return UNKNOWN


def table_ddl(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """`table.create(bind)` and `drop`."""
    link = _bound_link(machine, call)
    if link is not None:
        tolerant = "checkfirst" in call.kwargs
        machine.act(
            Kind.DDL, link, call.node, receiver.tables, f"table.{_method_name(call)}()", flag=tolerant
        )
    return UNKNOWN


def _method_name(call: Call) -> str:
    return getattr(getattr(call.node, "func", None), "attr", "")


def inspect(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`inspect(engine)` reads the catalog; of a class or row it reads nothing."""
    subject = call.argument(0, "subject")
    if isinstance(subject, Lib) and subject.kind in {"Engine", "SaConnection"}:
        machine.act(Kind.READ, verbs.link_of(machine, subject, call.node), call.node)
    return UNKNOWN


def declarative(_machine: Machine, _call: Call, _entry: Entry) -> Value:
    """`declarative_base()`."""
    return Lib("declarative base", None, {"metadata": Lib("MetaData")})


def flask_database(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`SQLAlchemy()` of Flask-SQLAlchemy."""
    link = Link(f"session at {machine.place(call.node)}")
    attrs: dict[str, Value] = {
        "session": Lib("Session", link),
        "Model": External("sqlalchemy.orm.DeclarativeBase"),
        "engine": Lib("Engine", Link(f"engine at {machine.place(call.node)}")),
        "metadata": Lib("MetaData"),
    }
    return Lib("FlaskDatabase", link, attrs)


def cluster_database(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`create_database(url)` and `drop_database(url)`."""
    machine.act(Kind.CLUSTER, _elsewhere(machine, call), call.node, what="creates or drops a database")
    return UNKNOWN


def alembic_ddl(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`alembic.command.upgrade` and its like: they commit, unless they only print their SQL."""
    if truth_of(call.kwargs.get("sql")) is True:
        return UNKNOWN
    machine.act(Kind.DDL, _elsewhere(machine, call), call.node, what="runs Alembic migrations")
    return UNKNOWN


def alembic_revision(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`alembic.command.revision` reads the database and writes a file of the project."""
    machine.act(Kind.READ, _elsewhere(machine, call), call.node)
    machine.act(Kind.ALONE, None, call.node, what="writes a migration file into the project")
    return UNKNOWN


def reads_somewhere(machine: Machine, call: Call, _entry: Entry) -> Value:
    """Read through a connection of its own."""
    machine.act(Kind.READ, _elsewhere(machine, call), call.node)
    return UNKNOWN


def _elsewhere(machine: Machine, call: Call) -> Link:
    return Link(f"connection at {machine.place(call.node)}", autocommit=True)


def is_model(names: list[str]) -> bool:
    """Return whether a class with these ancestors is mapped by SQLAlchemy or SQLModel."""
    wanted = {"DeclarativeBase", "SQLModel", "DeclarativeBaseNoMeta", "MappedAsDataclass"}
    return any(name.rpartition(".")[2] in wanted for name in names)


def default_table(machine: Machine, cls: Class, names: list[str]) -> str:
    """Return the table that a mapped class has when it does not say."""
    del machine
    if any(name.startswith("sqlmodel") for name in names):
        return cls.node.name.lower()
    return cls.node.name.lower() if is_model(names) else "?"


def schema_of(machine: Machine, cls: Class) -> str:
    """Return the schema in `__table_args__`, or ""."""
    given = classes.member(machine, cls, "__table_args__")
    parts = given.items if isinstance(given, Seq) else [given] if given is not None else []
    for part in parts:
        if isinstance(part, Map):
            return text_of(part.items.get("schema")) or ""
    return ""


EXTERNALS: dict[str, verbs.Maker] = {
    "engine": engine,
    "session": session,
    "session_factory": session_factory,
    "scoped_session": scoped_session,
    "statement_write": statement_write,
    "statement_read": statement_read,
    "statement_delete": statement_delete,
    "statement_ddl": statement_ddl,
    "table": table,
    "table_index": table_index,
    "inspect": inspect,
    "declarative": declarative,
    "flask_database": flask_database,
    "cluster_database": cluster_database,
    "alembic_ddl": alembic_ddl,
    "alembic_revision": alembic_revision,
    "reads_somewhere": reads_somewhere,
}
