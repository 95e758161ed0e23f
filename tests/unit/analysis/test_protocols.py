"""Methods that Python calls itself: for operators, loops, built-in functions and strings."""

from __future__ import annotations

import pytest

from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
SOURCE = """
import psycopg

conn = psycopg.connect("", autocommit=True)

class Thing:
    def {method}(self, *args):
        conn.execute("INSERT INTO a VALUES (1)")

{more}

def test_it():
    thing = Thing()
    {use}
"""


@pytest.mark.parametrize(
    ("method", "use"),
    [
        ("__iter__", "for one in thing:\n        pass"),
        ("__iter__", "list(thing)"),
        ("__iter__", "1 in thing"),
        ("__iter__", "a, b = thing"),
        ("__iter__", "[one for one in thing]"),
        ("__iter__", "sum(thing)"),
        ("__iter__", "sorted(thing)"),
        ("__next__", "next(thing)"),
        ("__getitem__", "thing['x']"),
        ("__getitem__", "thing[0]"),
        ("__getitem__", "for one in thing:\n        pass"),
        ("__setitem__", "thing['x'] = 1"),
        ("__delitem__", "del thing['x']"),
        ("__contains__", "assert 1 in thing"),
        ("__len__", "len(thing)"),
        ("__len__", "assert thing"),
        ("__len__", "if thing:\n        pass"),
        ("__bool__", "bool(thing)"),
        ("__bool__", "not thing"),
        ("__bool__", "thing and 1"),
        ("__bool__", "1 if thing else 2"),
        ("__bool__", "while thing:\n        break"),
        ("__bool__", "[one for one in [1] if thing]"),
        ("__eq__", "assert thing == 1"),
        ("__eq__", "assert 1 == thing"),
        ("__eq__", "1 != thing"),
        ("__lt__", "thing < 1"),
        ("__gt__", "1 < thing"),
        ("__str__", "str(thing)"),
        ("__str__", "f'{thing}'"),
        ("__str__", "print('x', thing)"),
        ("__str__", "'%s' % thing"),
        ("__str__", "'{}'.format(thing)"),
        ("__format__", "f'{thing:>3}'"),
        ("__repr__", "repr(thing)"),
        ("__add__", "thing + 1"),
        ("__radd__", "1 + thing"),
        ("__iadd__", "thing += 1"),
        ("__or__", "thing | 1"),
        ("__neg__", "-thing"),
        ("__hash__", "hash(thing)"),
        ("__setattr__", "thing.x = 1"),
        ("__enter__", "with thing:\n        pass"),
        ("__call__", "thing()"),
        ("__get__", "Holder().thing"),
    ],
)
def test_methods_that_python_calls(level, method: str, use: str) -> None:
    more = "class Holder:\n    thing = Thing()\n" if "Holder" in use else ""
    assert level(SOURCE.format(method=method, use=use, more=more)) is SHARED
    assert level(SOURCE.format(method="other", use=use, more=more)) is NONE


def test_a_generator_that_iterates(level) -> None:
    source = """
import psycopg

class Rows:
    def __init__(self, conn):
        self.conn = conn

    def __iter__(self):
        self.conn.execute("SELECT 1 FROM a")
        yield self.conn

def test_it():
    for conn in Rows(psycopg.connect("", autocommit=True)):
        conn.execute("INSERT INTO a VALUES (1)")
"""
    assert level(source) is SHARED


def test_the_setter_of_a_property(level) -> None:
    source = """
import psycopg

class Box:
    @property
    def full(self):
        return self._full

    @full.setter
    def full(self, value):
        self._full = value
        psycopg.connect("", autocommit=True).execute("INSERT INTO a VALUES (1)")

def test_it():
    Box().full = 1
"""
    assert level(source) is SHARED
