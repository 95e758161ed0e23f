"""Django's ORM and test tools, peewee and tortoise: models that reach the database by themselves."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import verbs
from dbsafe_runner.analysis.catalogue.tables import Entry
from dbsafe_runner.analysis.values import (
    UNKNOWN,
    Class,
    Const,
    Instance,
    Lib,
    Link,
    Seq,
    Value,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

#: Everything that goes through Django's connections; each statement commits outside of a block.
DJANGO = Link("django", autocommit=True)
#: What a method of something unknown does if that is a row: counts only where Django is used.
PERHAPS = "perhaps a row of Django's"
#: peewee's and tortoise's databases.
OTHER = Link("orm", autocommit=True)
_DJANGO_MODELS = {
    "Model",
    "AbstractUser",
    "AbstractBaseUser",
    "TimeStampedModel",
    "PermissionsMixin",
    "User",
    "Group",
}
_DJANGO_WRITES = {"save", "delete", "asave", "adelete", "save_base"}
_DJANGO_READS = {"refresh_from_db", "full_clean", "validate_unique", "arefresh_from_db"}
#: Methods of a row that return the row: tortoise's `row.update_from_dict({...}).save()`.
_GIVE_THEMSELVES = {"update_from_dict"}
#: Methods of managers and query sets that return None where there is no row.
_MAY_FIND_NOTHING = {"first", "afirst", "last", "alast", "get_or_none"}
_PEEWEE_CLASS_DDL = {"create_table", "drop_table"}
#: Management commands by what they do; others may do anything.
_COMMANDS = {
    "migrate": Kind.DDL,
    "flush": Kind.CLEAN,
    "loaddata": Kind.WRITE,
    "createsuperuser": Kind.WRITE,
    "createcachetable": Kind.DDL,
    "clearsessions": Kind.WRITE,
    "check": Kind.READ,
    "makemigrations": Kind.READ,
    "showmigrations": Kind.READ,
    "sqlmigrate": Kind.READ,
    "dumpdata": Kind.READ,
    "inspectdb": Kind.READ,
}


def family(names: list[str]) -> str:
    """Return which ORM a class with these ancestors belongs to: django, peewee, tortoise or ""."""
    for name in names:
        top, _, rest = name.partition(".")
        last = name.rpartition(".")[2]
        if (
            top in {"django", "polymorphic", "mptt", "treebeard", "model_utils"}
            and last in _DJANGO_MODELS
        ):
            return "django"
        if "models" in rest and last == "Model" and top not in {"peewee", "tortoise"}:
            return "django"
        if top in {"peewee", "playhouse"} and last == "Model":
            return "peewee"
        if top == "tortoise" and last == "Model":
            return "tortoise"
    return ""


def is_manager(names: list[str]) -> bool:
    """Return whether a class with these ancestors is a manager or query set of Django's."""
    return any(
        name.startswith("django.")
        and name.rpartition(".")[2] in {"Manager", "QuerySet", "BaseManager", "UserManager"}
        for name in names
    )


def link_for(kind: str) -> Link:
    """Return the connection that an ORM's models use."""
    return DJANGO if kind == "django" else OTHER


def manager(machine: Machine, cls: Class, kind: str) -> Lib:
    """Return what `Model.objects` is."""
    return Lib("QuerySet", link_for(kind), {"cls": cls}, classes.tables_of(machine, cls))


def class_attribute(machine: Machine, cls: Class, kind: str, wanted: str) -> Value | None:
    """Return an attribute that the ORM puts on a model class."""
    if kind == "django" and wanted in {"objects", "_default_manager", "_base_manager", "all_objects"}:
        return manager(machine, cls, kind)
    return None


def call_on_model(
    machine: Machine, receiver: Class | Instance, kind: str, name: str, call: Call
) -> Value:
    """Follow a method that the ORM gives to models and rows."""
    from dbsafe_runner.analysis.catalogue.objects import call_method

    cls = receiver if isinstance(receiver, Class) else receiver.cls
    link = link_for(kind)
    tables = classes.tables_of(machine, cls)
    if isinstance(receiver, Instance):
        if name in _DJANGO_WRITES or (kind == "peewee" and name == "delete_instance"):
            machine.act(Kind.WRITE, link, call.node, tables, "a row")
        elif name in _DJANGO_READS:
            machine.act(Kind.READ, link, call.node, tables)
        return receiver if name in _GIVE_THEMSELVES else UNKNOWN
    if kind in {"peewee", "tortoise"}:
        if name in _PEEWEE_CLASS_DDL:
            machine.act(Kind.DDL, link, call.node, tables, name, flag="safe" in call.kwargs)
            return UNKNOWN
        if name in {
            "insert",
            "insert_many",
            "update",
            "delete",
            "replace",
            "replace_many",
            "insert_from",
        }:
            attrs: dict[str, Value] = {"cls": cls}
            if name == "delete" and kind == "peewee":
                attrs["deletes"] = Const(True)
            return Lib("PendingQuery", link, attrs, tables)
        return call_method(machine, manager(machine, cls, kind), name, call)
    return UNKNOWN


def pending_query(machine: Machine, receiver: Lib, name: str, call: Call) -> Value:
    """A peewee query that writes when it is executed."""
    link = verbs.link_of(machine, receiver, call.node)
    if name in {"execute", "scalar"}:
        clean = "deletes" in receiver.attrs and "narrowed" not in receiver.attrs
        what = "DELETE of every row" if clean else "a query that writes"
        machine.act(Kind.CLEAN if clean else Kind.WRITE, link, call.node, receiver.tables, what)
        return UNKNOWN
    return verbs.narrow(receiver) if name == "where" else receiver


def orm_write(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Write through a manager, a query set or a relation."""
    link = verbs.link_of(machine, receiver, call.node)
    verbs.write_or_clean(machine, receiver, call, link)
    return _result(machine, receiver, call, entry)


def orm_read(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    """Read through a manager or query set."""
    machine.act(Kind.READ, verbs.link_of(machine, receiver, call.node), call.node, receiver.tables)
    return _result(machine, receiver, call, entry)


def _result(machine: Machine, receiver: Lib, call: Call, entry: Entry) -> Value:
    model = receiver.attrs.get("cls")
    name = getattr(getattr(call.node, "func", None), "attr", "")
    if (
        entry.gives == "Result"
        and isinstance(model, Class)
        and name not in {"exists", "count", "aggregate"}
    ):
        row = Instance(model, optional=name in _MAY_FIND_NOTHING)
        return Seq([row, UNKNOWN]) if name.endswith(("get_or_create", "update_or_create")) else row
    return verbs.give(machine, receiver, entry, call.node)


def orm_ddl(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Create or drop a model's table."""
    link = verbs.link_of(machine, receiver, call.node)
    machine.act(Kind.DDL, link, call.node, receiver.tables, "creates or drops a table")
    return UNKNOWN


def database_ddl(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """`database.create_tables([...])`."""
    tables = verbs.tables_in(machine, call.args)
    machine.act(
        Kind.DDL,
        verbs.link_of(machine, receiver, call.node),
        call.node,
        tables,
        "creates or drops tables",
    )
    return UNKNOWN


def editor_ddl(machine: Machine, receiver: Lib, call: Call, _entry: Entry) -> Value:
    """Django's schema editor."""
    tables = verbs.tables_in(machine, call.args[:1])
    machine.act(
        Kind.DDL, verbs.link_of(machine, receiver, call.node), call.node, tables, "schema editor"
    )
    return UNKNOWN


def orm_database(_machine: Machine, _call: Call, entry: Entry) -> Value:
    """Make peewee's database object."""
    return Lib(entry.gives, OTHER)


def orm_connection(_machine: Machine, _call: Call, entry: Entry) -> Value:
    """Return tortoise's connection, or a block on it."""
    return Lib(entry.gives, OTHER)


def orm_schema(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`Tortoise.generate_schemas()`."""
    machine.act(Kind.DDL, OTHER, call.node, what="generates the schema", flag="safe" in call.kwargs)
    return UNKNOWN


def tortoise_init(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`Tortoise.init()`."""
    machine.act(Kind.CONNECT, OTHER, call.node)
    return UNKNOWN


def call_command(machine: Machine, call: Call, _entry: Entry) -> Value:
    """Django's `call_command`."""
    name = text_of(call.argument(0, "command_name"))
    kind = _COMMANDS.get(name or "")
    if kind is None:
        machine.act(Kind.WRITE, DJANGO, call.node, verbs.ANY_TABLE, f"management command {name or '?'}")
        machine.doubt(f"management command {name or '?'} is not followed", call.node, 0.2)
        return UNKNOWN
    tables = verbs.ANY_TABLE if kind in {Kind.WRITE, Kind.CLEAN} else frozenset[str]()
    machine.act(kind, DJANGO, call.node, tables, f"management command {name}")
    return UNKNOWN


def client_call(machine: Machine, name: str, call: Call) -> Value:
    """A request of Django's test client, whose view is not followed."""
    if name in {"get", "head", "options", "trace"}:
        machine.act(Kind.READ, DJANGO, call.node, what=f"client.{name}()")
        machine.doubt(f"the view behind client.{name}() is not followed", call.node, 0.15)
    elif name in {"post", "put", "patch", "delete", "generic"}:
        machine.act(Kind.WRITE, DJANGO, call.node, verbs.ANY_TABLE, f"client.{name}() may write")
        machine.doubt(f"the view behind client.{name}() is not followed", call.node, 0.15)
    elif name in {"login", "force_login", "logout"}:
        machine.act(Kind.WRITE, DJANGO, call.node, frozenset({"django_session"}), f"client.{name}()")
    return UNKNOWN


def user_model(machine: Machine, _call: Call, _entry: Entry) -> Value:
    """`get_user_model()`."""
    del machine
    return Lib("DjangoModel", DJANGO, {}, frozenset({"auth_user"}))


def default_table(machine: Machine, cls: Class, kind: str) -> str:
    """Return the table that a model has when it does not say."""
    name = cls.node.name.lower()
    if kind == "django":
        meta = classes.member(machine, cls, "Meta")
        label = text_of(classes.member(machine, meta, "app_label")) if isinstance(meta, Class) else None
        return f"{label or _app_label(cls.module.path)}_{name}"
    return name


def _app_label(path: str) -> str:
    """Return Django's label for the app that a file of models belongs to: its package's name."""
    folders = path.split("/")[:-1]
    if folders and folders[-1] == "models":
        folders.pop()
    return folders[-1] if folders else ""


def row_factory(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`ddf.G(Model)`, `baker.make(Model)`: rows of Django's models, made and saved by a library."""
    name = getattr(getattr(call.node, "func", None), "attr", "G")
    model = verbs.class_in(call.args[:1])
    named = text_of(call.args[0]) if call.args else None
    tables = verbs.tables_in(machine, call.args[:1])
    if named is not None and "." in named:
        tables = frozenset({named.replace(".", "_").lower()})
    if name not in {"N", "new", "prepare"}:
        machine.act(Kind.WRITE, DJANGO, call.node, tables or verbs.ANY_TABLE, "a row")
    return Instance(model) if model is not None else Lib("DjangoModel", DJANGO, {}, tables)


def change_row(machine: Machine, row: Instance, node: ast.AST) -> None:
    """Note a change of a row; it is written with the session that the row belongs to."""
    if row.link is not None:
        machine.act(Kind.WRITE, row.link, node, classes.tables_of(machine, row.cls), "a changed row")


def after_migration(machine: Machine, call: Call, _entry: Entry) -> Value:
    """`post_migrate.connect`: the receiver is called behind each migration and each flush."""
    receiver = call.argument(0, "receiver")
    if receiver is not None:
        machine.after_migration.append(receiver)
        machine.changed()
    return UNKNOWN


EXTERNALS: dict[str, verbs.Maker] = {
    "after_migration": after_migration,
    "row_factory": row_factory,
    "orm_database": orm_database,
    "orm_connection": orm_connection,
    "orm_block": orm_connection,
    "orm_schema": orm_schema,
    "tortoise_init": tortoise_init,
    "call_command": call_command,
    "user_model": user_model,
}


def call_blocker(machine: Machine, _lib: Lib, name: str, call: Call) -> Value:
    """Follow pytest-django's `django_db_blocker`: `unblock()` lets a test without its mark connect."""
    if name == "unblock":
        machine.act(Kind.CONNECT, DJANGO, call.node)
    return Lib("context")
