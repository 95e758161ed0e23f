# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""Following code: imports, classes, context managers, test doubles, and variants of a test."""

from __future__ import annotations

import pytest

from dbsafe_runner.analysis.levels import derive_level
from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
WRITER = """
import psycopg

def write(table="a"):
    psycopg.connect("", autocommit=True).execute(f"INSERT INTO {table} VALUES (1)")

class Writer:
    def __init__(self, connection):
        self.connection = connection

    @property
    def handle(self):
        return self.connection

    def write(self):
        self.handle.execute("INSERT INTO a VALUES (1)")

    @classmethod
    def make(cls):
        return cls(psycopg.connect("", autocommit=True))

    @staticmethod
    def static():
        write()

class Child(Writer):
    def write(self):
        return super().write()
"""
CONNECTION = "psycopg.connect('', autocommit=True)"


@pytest.mark.parametrize(
    "code",
    [
        "from pkg.writer import write\ndef test_it():\n    write()",
        "from pkg.writer import write as w\ndef test_it():\n    w(table='b')",
        "import pkg.writer\ndef test_it():\n    pkg.writer.write()",
        "import pkg.writer as x\ndef test_it():\n    x.write()",
        "from pkg import write\ndef test_it():\n    write()",
        "from pkg import *\ndef test_it():\n    write()",
        "from pkg import writer\ndef test_it():\n    writer.write()",
        "from pkg.writer import Writer\ndef test_it():\n    Writer.make().write()",
        "from pkg.writer import Child\ndef test_it():\n    Child.make().write()",
        "from pkg.writer import Writer\ndef test_it():\n    Writer.static()",
        f"import psycopg\nfrom pkg.writer import Writer\ndef test_it():\n    Writer({CONNECTION}).write()",
        "def test_it():\n    from pkg.writer import write\n    write()",
        "from pkg.writer import write\nfrom functools import partial\ndef test_it():\n    partial(write, 'b')()",
        "from pkg.writer import write\nimport threading\ndef test_it():\n    threading.Thread(target=write).start()",
        "from pkg.writer import write\nfrom elsewhere import retry\ndef test_it():\n    retry(lambda: write())",
        "from pkg.writer import write\ndef test_it():\n    for one in [write]:\n        one()",
        "from pkg.writer import write\nACTIONS = {'w': write}\ndef test_it():\n    ACTIONS['w']()",
        "from pkg.writer import write\ndef test_it():\n    [write(one) for one in 'ab']",
        "import pkg.writer\ndef test_it():\n    getattr(pkg.writer, 'write')()",
        "import importlib\ndef test_it():\n    importlib.import_module('pkg.writer').write()",
        "from pkg.writer import Writer\ndef test_it(maker: Writer):\n    maker.write()",
        "from pkg.writer import write\ndef helper():\n    write()\ndef test_it():\n    try:\n        helper()\n    finally:\n        pass",
    ],
)
def test_calls_are_followed(level, code: str) -> None:
    files = {"pkg/__init__.py": "from .writer import write", "pkg/writer.py": WRITER}
    assert level(code, files) is SHARED


def test_import_cycles_and_recursion_end(level) -> None:
    files = {
        "a.py": "import b\ndef go(n):\n    b.go(n)\n    go(n)\nVALUE = b.VALUE",
        "b.py": "import a\nfrom a import VALUE\ndef go(n):\n    a.go(n)",
    }
    assert level("import a\ndef test_it():\n    a.go(a.VALUE)\n", files) is NONE


def test_a_context_manager_of_the_project(level) -> None:
    files = {
        "tx.py": """
import contextlib, psycopg

@contextlib.contextmanager
def rolled_back():
    connection = psycopg.connect("")
    try:
        yield connection
    finally:
        connection.rollback()

class Committed:
    def __enter__(self):
        self.connection = psycopg.connect("")
        return self.connection

    def __exit__(self, *exception):
        self.connection.commit()
"""
    }
    body = "as c:\n        c.execute('INSERT INTO a VALUES (1)')\n"
    assert level(f"import tx\ndef test_it():\n    with tx.rolled_back() {body}", files) is ISOLATED
    assert level(f"import tx\ndef test_it():\n    with tx.Committed() {body}", files) is SHARED
    stacked = "import contextlib, tx\ndef test_it():\n    with contextlib.ExitStack() as s:\n"
    stacked += "        s.enter_context(tx.rolled_back()).execute('INSERT INTO a VALUES (1)')\n"
    assert level(stacked, files) is ISOLATED


def test_test_doubles_do_nothing(level) -> None:
    files = {"pkg/__init__.py": "", "pkg/writer.py": WRITER}
    for patching in (
        "mocker.patch('pkg.writer.write')\n    writer.write()",
        "mocker.patch.object(writer, 'write')\n    writer.write()",
        "monkeypatch.setattr('pkg.writer.write', lambda: None)\n    writer.write()",
        "monkeypatch.setattr(writer, 'write', lambda: None)\n    writer.write()",
        "with mock.patch('pkg.writer.write'):\n        writer.write()",
        "mock.Mock().connect().execute('INSERT INTO a VALUES (1)')",
    ):
        source = f"from unittest import mock\nfrom pkg import writer\ndef test_it(mocker, monkeypatch):\n    {patching}\n"
        assert level(source, files) is NONE, patching
    decorated = "from unittest.mock import patch\nfrom pkg import writer\n@patch('pkg.writer.write')\n"
    assert level(decorated + "def test_it(write):\n    writer.write()\n", files) is NONE


def test_a_double_does_not_outlive_its_test(suite) -> None:
    source = """
        from pkg import writer

        def test_a(mocker):
            mocker.patch("pkg.writer.write")
            writer.write()

        def test_b():
            writer.write()
    """
    found = suite({"pkg/__init__.py": "", "pkg/writer.py": WRITER, "test_it.py": source}).footprints()
    assert [derive_level(one) for one in found.values()] == [NONE, SHARED]


def test_the_variants_of_a_parametrized_test_are_told_apart(suite) -> None:
    source = """
        import psycopg
        import pytest

        @pytest.mark.parametrize("statement", ["SELECT 1", pytest.param("CREATE TABLE a ()", id="b")])
        def test_it(statement):
            psycopg.connect("", autocommit=True).execute(statement)
    """
    made = suite({"test_it.py": source})
    test = made.tests[0]
    made.tests = [dataclass_with(test, f"test_it.py::test_it[{number}]", number) for number in range(2)]
    assert [derive_level(one) for one in made.footprints().values()] == [READ, SCHEMA]
    made.tests = made.tests[:1]
    assert [derive_level(one) for one in made.footprints().values()] == [SCHEMA]


def dataclass_with(test, nodeid: str, index: int):
    import dataclasses

    return dataclasses.replace(test, nodeid=nodeid, index=index)
