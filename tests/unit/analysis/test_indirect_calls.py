"""Calls that do not stand in the code as such: decorators, clean-ups, test doubles, tables."""

from __future__ import annotations

import textwrap

import pytest

from dbsafe_runner.analysis.classification import presumed_level
from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
HELPERS = """
import contextlib
import functools
import psycopg

conn = psycopg.connect("", autocommit=True)

def write(*args, **kwargs):
    conn.execute("INSERT INTO a VALUES (1)")

def read(*args, **kwargs):
    conn.execute("SELECT 1 FROM a")

def audited(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        write()
        return function(*args, **kwargs)
    return inner

def audited_as(name):
    def decorate(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            conn.execute(f"INSERT INTO {name} VALUES (1)")
            return function(*args, **kwargs)
        return inner
    return decorate

class Audited:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        write()
        return self.function(*args)

class Auditing:
    def __call__(self, function):
        def inner():
            write()
            return function()
        return inner

class Bracket(contextlib.ContextDecorator):
    def __enter__(self):
        write()

    def __exit__(self, *args):
        pass

@contextlib.contextmanager
def managed():
    write()
    yield

def plain(function):
    return function

def registered(function):
    from elsewhere import registry
    return registry.make(function)
"""


@pytest.mark.parametrize(
    "decorator",
    ["audited", "audited_as('a')", "Audited", "Auditing()", "Bracket()", "managed()", "plain\n@audited"],
)
def test_decorators_of_the_project_are_followed(level, decorator: str) -> None:
    source = (
        f"from helpers import *\n@{decorator}\ndef work():\n    pass\n\ndef test_it():\n    work()\n"
    )
    assert level(source, {"helpers.py": HELPERS}) is SHARED
    assert (
        level(
            source.replace("work()\n", "work\n").replace("def work\n", "def work():\n"),
            {"helpers.py": HELPERS},
        )
        is NONE
    )


def test_a_decorator_that_changes_nothing(footprint) -> None:
    source = "from helpers import *\n@plain\ndef work():\n    read()\n\ndef test_it():\n    work()\n"
    found = footprint(source, {"helpers.py": HELPERS})
    assert found.reads == {"a"}
    assert not found.writes
    assert found.confidence == 1.0


@pytest.mark.parametrize("what", ["def work():\n    pass", "class work:\n    pass"])
def test_a_decorator_that_cannot_be_followed_is_doubted(footprint, what: str) -> None:
    source = f"from helpers import *\n@registered\n{what}\n\ndef test_it():\n    work()\n"
    found = footprint(source, {"helpers.py": HELPERS})
    assert found.confidence < 0.5
    assert presumed_level(found) is SHARED
    assert "the decorator registered" in found.evidence[-1].what


@pytest.mark.parametrize(
    "source",
    [
        """
        @audited
        def test_it(value):
            assert value
        """,
        """
        class TestIt:
            @audited
            def test_it(self):
                pass
        """,
        """
        class Service:
            @audited
            def run(self):
                pass

        def test_it():
            Service().run()
        """,
        """
        @audited
        class Service:
            pass

        def test_it():
            Service()
        """,
    ],
)
def test_decorated_tests_methods_and_classes(level, source: str) -> None:
    assert level("from helpers import *\n" + textwrap.dedent(source), {"helpers.py": HELPERS}) is SHARED


def test_a_decorated_test_gets_its_fixtures(level) -> None:
    source = """
from helpers import *
import pytest

@pytest.fixture
def cursor():
    return conn

@audited_as("b")
def test_it(cursor):
    cursor.execute("CREATE TABLE c (a int)")
"""
    assert level(source, {"helpers.py": HELPERS}) is SCHEMA


def test_a_decorated_fixture_is_doubted(footprint) -> None:
    source = """
from helpers import *
import pytest

@pytest.fixture
@audited
def thing():
    pass

def test_it(thing):
    pass
"""
    assert footprint(source, {"helpers.py": HELPERS}).confidence < 0.5


def test_a_setter_does_not_hide_its_property(level) -> None:
    source = """
from helpers import *

class Box:
    @property
    def full(self):
        write()

    @full.setter
    def full(self, value):
        pass

def test_it():
    Box().full
"""
    assert level(source, {"helpers.py": HELPERS}) is SHARED


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("self.addCleanup(conn.execute, 'INSERT INTO a VALUES (1)')", SHARED),
        ("self.addCleanup(write)", SHARED),
        ("self.addClassCleanup(write)", SHARED),
        ("self.enterContext(managed())", SHARED),
        ("write(); self.addCleanup(conn.execute, 'TRUNCATE a')", ISOLATED),
        ("write(); self.addClassCleanup(conn.execute, 'TRUNCATE a')", SHARED),
    ],
)
def test_clean_ups_of_test_cases(level, body: str, expected: Level) -> None:
    source = f"""
import unittest
from helpers import *

class TestIt(unittest.TestCase):
    def test_it(self):
        {body}
"""
    assert level(source, {"helpers.py": HELPERS}) is expected


def test_a_finalizer_that_is_a_method_of_a_connection(level) -> None:
    source = """
import functools
from helpers import *

def test_it(request):
    request.addfinalizer(functools.partial(conn.execute, "INSERT INTO a VALUES (1)"))
"""
    assert level(source, {"helpers.py": HELPERS}) is SHARED


@pytest.mark.parametrize(
    "body",
    [
        "Row(1)",
        "mock.Mock(side_effect=write)()",
        "mock.Mock(side_effect=[write])()",
        "mock.MagicMock(wraps=write)()",
        "mock.Mock(return_value=conn)().execute('INSERT INTO a VALUES (1)')",
        "with mock.patch('helpers.read', side_effect=write):\n        helpers.read()",
        "with mock.patch.object(helpers, 'read', side_effect=write):\n        helpers.read()",
        "globals()['write']()",
        "vars(helpers)['write']()",
        "type('T', (), {'go': lambda self: write()})().go()",
        "type('T', (Base,), {})().go()",
        "for key in HANDLERS:\n        HANDLERS[key]()",
        "for key in MANY:\n        MANY[key]()",
        "for handler in list(MANY.values()):\n        handler()",
        "for name, handler in MANY.items():\n        handler()",
        "name, handler = key_of() or (1, write)\n    handler()",
        "HANDLERS[key_of()]()",
        "one = Once(); del one",
    ],
)
def test_calls_by_other_ways(level, body: str) -> None:
    source = f"""
import dataclasses
from unittest import mock
import helpers
from helpers import *
from elsewhere import key_of

HANDLERS = {{"read": read, "write": write}}
MANY = {{**{{}}, "a": len, "b": abs, "c": min, "d": max, "e": sum, "f": any, "g": all, "h": write}}

class Base:
    def go(self):
        write()

class Once:
    def __del__(self):
        write()

@dataclasses.dataclass
class Row:
    number: int

    def __post_init__(self):
        write()

def test_it():
    {body}
"""
    assert level(source, {"helpers.py": HELPERS}) is SHARED


def test_an_element_that_is_not_known_is_doubted(footprint) -> None:
    source = "from elsewhere import HANDLERS\n\ndef test_it():\n    HANDLERS['x']()\n"
    found = footprint(source)
    assert found.confidence < 0.5
    assert presumed_level(found) is SHARED


REQUESTED = """
import pytest
from helpers import *

@pytest.fixture
def filled():
    write()
    yield 1
    conn.execute("CREATE TABLE late (a int)")

@pytest.fixture
def outer(request):
    return request.getfixturevalue("filled")
"""


@pytest.mark.parametrize(
    "test",
    [
        "def test_it(request):\n    request.getfixturevalue('filled')\n",
        "def test_it(outer):\n    pass\n",
        "def test_before(outer):\n    pass\n\ndef test_it(outer):\n    pass\n",
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_fixture_that_is_asked_for_by_name_is_brought_in(suite, test: str, inside: bool) -> None:
    files = {"helpers.py": HELPERS, "conftest.py": REQUESTED, "test_it.py": test}
    if inside:
        files = {"helpers.py": HELPERS, "test_it.py": REQUESTED + "\n" + test}
    found = suite(files).footprints()["test_it.py::test_it"]
    assert found.outlives
    assert found.schema_changes
    assert found.confidence == 1.0


def test_the_orm_behind_an_unblocked_database(suite) -> None:
    source = """
from django.db import models

class Order(models.Model):
    pass

def test_it(django_db_blocker, _django_db_marker):
    with django_db_blocker.unblock():
        Order.objects.create()

def test_refused(_django_db_marker):
    Order.objects.create()
"""
    found = suite({"test_it.py": source}, "settings").footprints()
    assert found["test_it.py::test_it"].outlives
    assert not found["test_it.py::test_refused"].connects
