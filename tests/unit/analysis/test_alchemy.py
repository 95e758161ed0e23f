# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""SQLAlchemy, SQLModel and Alembic."""

from __future__ import annotations

import inspect

import pytest

from dbsafe_runner.analysis.catalogue import functions, objects, tables
from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
MODELS = """
from sqlalchemy import *
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.sql import func as sqlfunc

engine = create_engine("postgresql://localhost/shop")

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)

class Item(Base):
    __tablename__ = "items"
    __table_args__ = {"schema": "shop"}

notes = Table("notes", Base.metadata)
"""


def source(body: str, head: str = "", name: str = "def test_it():") -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f"from models import *\n{head}\n{name}\n{lines}\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("select(User).where(User.id == 1)", NONE),
        ("with engine.connect() as c:\n    c.execute(text('SELECT 1'))", READ),
        ("with engine.connect() as c:\n    c.execute(insert(User))", ISOLATED),
        ("with engine.connect() as c:\n    c.execute(insert(User))\n    c.commit()", SHARED),
        ("with engine.begin() as c:\n    c.execute(update(User).values(id=2))", SHARED),
        ("with engine.begin() as c:\n    c.execute(notes.insert())", SHARED),
        ("with engine.begin() as c:\n    c.exec_driver_sql('DROP TABLE users')", SCHEMA),
        ("Base.metadata.create_all(engine)", SCHEMA),
        ("notes.drop(engine)", SCHEMA),
        ("with Session(engine) as s:\n    s.scalars(select(User)).all()", READ),
        ("with Session(engine) as s:\n    s.add(User())", ISOLATED),
        ("with Session(engine) as s:\n    s.add(User())\n    s.flush()\n    s.rollback()", ISOLATED),
        ("with Session(engine) as s:\n    s.add(User())\n    s.commit()", SHARED),
        ("with Session(engine) as s, s.begin():\n    s.add(User())", SHARED),
        ("with sessionmaker(engine).begin() as s:\n    s.add(User())", SHARED),
        (
            "with sessionmaker(engine)() as s:\n    s.query(User).filter_by(id=1).delete()\n    s.commit()",
            SHARED,
        ),
        ("with Session(engine) as s:\n    u = s.get(User, 1)\n    u.name = 'x'\n    s.commit()", SHARED),
        (
            "with Session(engine) as s:\n    u = s.scalars(select(User)).one()\n    u.name = 'x'\n    s.commit()",
            SHARED,
        ),
        ("with Session(engine) as s:\n    s.get(User, 1)\n    s.commit()", READ),
        ("with Session(create_engine('sqlite://')) as s:\n    s.add(User())\n    s.commit()", NONE),
        (
            (
                "with engine.connect() as c:\n    t = c.begin()\n    s = Session(bind=c)\n    s.add(User())\n    s.commit()\n"
                "    t.rollback()"
            ),
            ISOLATED,
        ),
        (
            "with engine.connect() as c:\n    s = Session(c)\n    s.add(User())\n    s.commit()",
            SHARED,
        ),
        (
            "c = engine.connect().execution_options(isolation_level='AUTOCOMMIT')\nc.execute(insert(User))",
            SHARED,
        ),
        (
            "c = engine.connect().execution_options(stream_results=True)\nc.execute(insert(User))",
            ISOLATED,
        ),
        (
            "e = engine.execution_options(isolation_level='AUTOCOMMIT')\ne.connect().execute(insert(User))",
            SHARED,
        ),
        (
            "s = Session(engine)\nc = s.connection().execution_options(isolation_level='AUTOCOMMIT')\nc.execute(insert(User))",
            SHARED,
        ),
        (
            "s = Session(engine)\ns.connection(execution_options={'isolation_level': 'AUTOCOMMIT'})\ns.add(User())",
            SHARED,
        ),
    ],
)
def test_synchronous(level, body: str, expected: Level) -> None:
    assert level(source(body), {"models.py": MODELS}) is expected


@pytest.mark.parametrize(
    "query",
    [
        "s.get(User, 1)",
        "s.scalars(select(User)).first()",
        "s.execute(select(User)).scalar_one_or_none()",
        "s.query(User).filter_by(id=1).one_or_none()",
        "s.get(User, 1).id",
    ],
)
@pytest.mark.parametrize("test", ["found is None", "found == None", "not found"])
def test_a_row_that_is_looked_for_may_not_be_there(level, query: str, test: str) -> None:
    body = f"with Session(engine) as s:\n    found = {query}\n    if {test}:\n        s.add(User())\n    s.commit()"
    assert level(source(body), {"models.py": MODELS}) is SHARED


RELATED = MODELS.replace("mapped_column,", "mapped_column, relationship,").replace(
    "mapped_column(primary_key=True)\n\nclass Item",
    'mapped_column(primary_key=True)\n    items = relationship("Item")\n\nclass Item',
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("found.items.append(Item())", SHARED),
        ("found.items.remove(other)", SHARED),
        ("found.items[0].size = 2", SHARED),
        ("for one in found.items:\n        one.size = 2", SHARED),
        ("len(found.items)", READ),
        ("found.items.index(other)", READ),
        ("s.execute(found.items)", SHARED),
    ],
)
@pytest.mark.parametrize("query", ["s.get(User, 1)", "s.scalars(select(User)).one()"])
def test_what_a_row_is_related_to_is_written_with_it(
    level, query: str, change: str, expected: Level
) -> None:
    body = f"with Session(engine) as s:\n    found = {query}\n    {change}\n    s.commit()"
    assert level(source(body, "other = None"), {"models.py": RELATED}) is expected


@pytest.mark.parametrize(
    "change", ["found.members.append(Hero())", "found.sqlmodel_update({'name': 'x'})"]
)
def test_sqlmodel_writes_changed_rows(level, change: str) -> None:
    text = f"""
from sqlmodel import *

class Team(SQLModel, table=True):
    id: int = Field(primary_key=True)
    members: list["Hero"] = Relationship()

class Hero(SQLModel, table=True):
    id: int = Field(primary_key=True)

def test_it():
    with Session(create_engine("postgresql://")) as s:
        found = s.exec(select(Team)).one()
        {change}
        s.commit()
"""
    assert level(text) is SHARED


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select(func.count(User.id))", READ),
        ("func.now()", READ),
        ("func.create_user('x')", SHARED),
        ("select(sqlfunc.shop.create_user('x')).where(User.id == 1)", SHARED),
        ("select(func.nextval('users_id_seq'))", SHARED),
        ("select(User.id, func.setval('users_id_seq', 7))", SHARED),
        ("select(func.pg_terminate_backend(7))", ALONE),
    ],
)
def test_functions_of_the_server_are_judged_by_name(level, statement: str, expected: Level) -> None:
    body = f"with Session(engine) as s:\n    s.execute({statement})\n    s.commit()"
    assert level(source(body), {"models.py": MODELS}) is expected


FACTORIES = (
    MODELS
    + """
import factory
from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy.orm import scoped_session

shared = scoped_session(sessionmaker(engine))

class Rows(SQLAlchemyModelFactory):
    class Meta:
        abstract = True
        sqlalchemy_session = shared

class Users(Rows):
    class Meta:
        model = User
        sqlalchemy_session_persistence = "commit"

class Items(Rows):
    class Meta:
        model = Item

class Owned(Items):
    user = factory.SubFactory(Users)

class Owning(Items):
    owned = factory.RelatedFactory(Owned)
    itself = factory.SubFactory(Owning)

class Named(Users):
    class Meta:
        sqlalchemy_session_persistence = factory.alchemy.SESSION_PERSISTENCE_COMMIT
"""
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Items()", ISOLATED),
        ("Items()\nshared.commit()", SHARED),
        ("Users()", SHARED),
        ("Users.create_batch(3)", SHARED),
        ("Users.build()", NONE),
        ("Owned()", SHARED),
        ("Owned.build()", NONE),
        ("Owning()", SHARED),
        ("Named()", SHARED),
    ],
)
def test_factories_commit_what_they_say(level, body: str, expected: Level) -> None:
    text = source(f"{body}\nshared.rollback()" if expected is ISOLATED else body)
    assert level(text, {"models.py": FACTORIES}) is expected


def test_what_is_surely_there_is_not_made_a_second_time(level) -> None:
    body = "c = engine.connect()\nif c is None:\n    c = engine.begin().__enter__()\n    c.execute(insert(User))\n    c.commit()\nc.execute(text('SELECT 1'))"
    assert level(source(body), {"models.py": MODELS}) is READ


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("async with AsyncSession(e) as s:\n    (await s.execute(select(User))).scalars().all()", READ),
        ("async with async_sessionmaker(e)() as s:\n    s.add(User())\n    await s.commit()", SHARED),
        ("async with e.begin() as c:\n    await c.run_sync(Base.metadata.create_all)", SCHEMA),
        (
            "async with e.connect() as c:\n    await c.execute(delete(User).where(User.id == 1))",
            ISOLATED,
        ),
    ],
)
def test_asynchronous(level, body: str, expected: Level) -> None:
    head = (
        "from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine\n"
        "e = create_async_engine('postgresql+asyncpg://localhost/shop')"
    )
    assert level(source(body, head, "async def test_it():"), {"models.py": MODELS}) is expected


def test_tables_have_the_names_that_their_classes_give_them(footprint) -> None:
    body = "with Session(engine) as s:\n    s.add_all([User(), Item()])\n    s.execute(notes.delete())\n    s.commit()"
    assert footprint(source(body), {"models.py": MODELS}).writes == {"users", "shop.items", "notes"}


def test_sqlmodel(footprint) -> None:
    found = footprint(
        """
        from sqlmodel import Field, Session, SQLModel, create_engine, select

        class Hero(SQLModel, table=True):
            id: int = Field(primary_key=True)

        def test_it():
            with Session(create_engine("postgresql://")) as session:
                session.exec(select(Hero)).first()
                session.add(Hero(id=1))
                session.commit()
        """
    )
    assert (found.outlives, found.writes, found.reads) == (True, {"hero"}, {"hero"})


@pytest.mark.parametrize(
    "call", ["command.upgrade(config, 'head')", "command.downgrade(config, 'base')"]
)
def test_alembic_changes_the_schema(level, call: str) -> None:
    assert level(f"from alembic import command\nconfig = None\ndef test_it():\n    {call}\n") is SCHEMA


def test_alembic_that_only_prints_changes_nothing(level) -> None:
    assert (
        level(
            "from alembic import command\ndef test_it():\n    command.upgrade(None, 'head', sql=True)\n"
        )
        is NONE
    )


ROLLBACK = """
import pytest
from models import *

@pytest.fixture(scope="session")
def tables():
    Base.metadata.create_all(engine)
    yield
    Base.metadata.drop_all(engine)

@pytest.fixture
def session(tables):
    connection = engine.connect()
    transaction = connection.begin()
    session = Session(bind=connection, join_transaction_mode="create_savepoint")
    yield session
    session.close()
    if transaction.is_active:
        transaction.rollback()
    connection.close()
"""


def test_an_outer_transaction_in_a_fixture_makes_commits_isolated(footprint) -> None:
    files = {"models.py": MODELS, "conftest.py": ROLLBACK}
    found = footprint(
        "from models import *\ndef test_it(session):\n    session.add(User())\n    session.commit()\n",
        files,
    )
    assert (found.writes, found.outlives, found.schema_changes) == ({"users"}, False, False)


def test_a_session_that_all_tests_share_keeps_what_was_not_committed(level) -> None:
    conftest = """
import pytest
from models import *

@pytest.fixture(scope="session")
def session():
    with Session(engine) as session:
        yield session
"""
    files = {"models.py": MODELS, "conftest.py": conftest}
    assert (
        level("from models import *\ndef test_it(session):\n    session.add(User())\n", files) is SHARED
    )


LISTENER = """
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session, sessionmaker
Factory = sessionmaker(create_engine(""))

def write(session, *_):
    session.execute(text("INSERT INTO log VALUES (1)"))

def test_it():
    with Factory() as s:
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("@event.listens_for(s, 'before_commit')\ndef f(x): write(x)\ns.commit()", SHARED),
        ("event.listen(s, 'after_flush', write)\ns.commit()", SHARED),
        ("event.listen(s, 'before_commit', write)\ns.rollback()", ISOLATED),
        ("event.listen(s, 'after_transaction_end', write)\ns.commit()", READ),
        ("event.listen(Factory, 'before_commit', write)\ns.commit()", SHARED),
    ],
)
def test_what_listens_to_a_session_is_called(level, body: str, expected: Level) -> None:
    lines = "".join(f"        {line}\n" for line in ["s.execute(text('SELECT 1'))", *body.split("\n")])
    assert level(LISTENER + lines) is expected


def test_every_word_of_the_tables_has_a_handler_of_its_own() -> None:
    for kind in tables._METHODS:
        for name, entry in tables.methods(kind).items():
            verb = objects._VERBS[entry.verb]
            assert len(inspect.signature(verb).parameters) == 4, (kind, name)
            assert verb.__module__.startswith("dbsafe_runner.analysis.catalogue."), (kind, name)
    for name, entry in tables.externals().items():
        if entry.verb not in {"plain", "nothing"}:
            assert len(inspect.signature(functions._MAKERS[entry.verb]).parameters) == 3, name
