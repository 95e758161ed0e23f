# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""Following code: imports, classes, fixtures, context managers, test doubles, and what cannot be followed."""

from __future__ import annotations

import pytest

from dbsafe_runner.analysis.levels import Privacy, derive_level
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


FIXTURES = """
import psycopg
import pytest

@pytest.fixture(scope="session")
def schema():
    with psycopg.connect("", autocommit=True) as c:
        c.execute("CREATE TABLE a (b int)")
        c.execute("INSERT INTO a VALUES (1)")
        c.execute("CREATE ROLE bob")

@pytest.fixture(scope="module")
def rows(schema):
    with psycopg.connect("", autocommit=True) as c:
        c.execute("INSERT INTO a VALUES (1)")

@pytest.fixture
def connection(schema):
    with psycopg.connect("", autocommit=True) as c:
        yield c

@pytest.fixture
def rolled_back():
    c = psycopg.connect("")
    yield c
    c.rollback()

@pytest.fixture
def cleaned(connection):
    yield connection
    connection.execute("TRUNCATE things")

@pytest.fixture
def finalized(request, connection):
    request.addfinalizer(lambda: connection.execute("DELETE FROM things"))
    return connection

@pytest.fixture
def seeded(connection):
    connection.execute("INSERT INTO a VALUES (2)")

@pytest.fixture
def emptied(connection):
    connection.execute("DELETE FROM things")
    return connection

@pytest.fixture
def scratch_table(connection):
    connection.execute("CREATE TABLE scratch (a int)")
    yield
    connection.execute("DROP TABLE scratch")
"""


@pytest.mark.parametrize(
    ("arguments", "body", "expected"),
    [
        ("schema", "pass", NONE),
        ("rows", "pass", NONE),
        ("connection", "connection.execute('SELECT 1')", READ),
        ("connection", "connection.execute('INSERT INTO things VALUES (1)')", SHARED),
        ("rolled_back", "rolled_back.execute('INSERT INTO things VALUES (1)')", ISOLATED),
        (
            "rolled_back",
            "rolled_back.execute('INSERT INTO things VALUES (1)')\n    rolled_back.commit()",
            SHARED,
        ),
        ("cleaned", "cleaned.execute('INSERT INTO things VALUES (1)')", ISOLATED),
        ("cleaned", "cleaned.execute('INSERT INTO other VALUES (1)')", SHARED),
        ("finalized", "finalized.execute('INSERT INTO things VALUES (1)')", ISOLATED),
        ("seeded", "pass", SHARED),
        ("emptied", "emptied.execute('SELECT 1')", READ),
        ("emptied", "emptied.execute('INSERT INTO things VALUES (1)')", SHARED),
        ("scratch_table", "pass", ISOLATED),
        ("request", "request.getfixturevalue('connection').execute('DELETE FROM a WHERE b')", SHARED),
    ],
)
def test_fixtures(level, arguments: str, body: str, expected: Level) -> None:
    source = (
        f"def test_it({arguments}, connection):\n    {body}\n"
        if arguments == "request"
        else (f"def test_it({arguments}):\n    {body}\n")
    )
    assert level(source, {"conftest.py": FIXTURES}) is expected


def test_what_a_wider_fixture_writes_is_the_batchs(footprint) -> None:
    found = footprint("def test_it(rows):\n    pass\n", {"conftest.py": FIXTURES})
    assert (found.writes, found.batch_writes) == (set(), {"a"})


def test_set_up_methods_belong_to_the_test(level) -> None:
    unit = """
import psycopg, unittest

class TestIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.connection = psycopg.connect("")

    def tearDown(self):
        self.connection.rollback()

    def test_it(self):
        self.connection.execute("INSERT INTO a VALUES (1)")
"""
    plain = """
import psycopg

class TestOther:
    def setup_method(self):
        psycopg.connect("", autocommit=True).execute("INSERT INTO a VALUES (1)")

    def test_it(self):
        pass
"""
    assert level(unit) is ISOLATED
    assert level(plain) is SHARED


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


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("socket.socket().bind(('localhost', 8000))", "listens on the fixed port 8000"),
        ("HTTPServer(('', 9001), None)", "listens on the fixed port 9001"),
        ("open('/tmp/report.txt', 'w')", "writes the fixed file /tmp/report.txt"),
        ("Path('out.json').write_text('x')", "writes the fixed file out.json"),
    ],
)
def test_fixed_ports_and_files_need_the_machine_for_themselves(
    footprint, body: str, reason: str
) -> None:
    head = "import socket\nfrom http.server import HTTPServer\nfrom pathlib import Path\n"
    found = footprint(f"{head}def test_it(tmp_path):\n    {body}\n")
    assert found.alone
    assert reason in [one.what for one in found.evidence]


@pytest.mark.parametrize(
    "body",
    ["socket.socket().bind(('localhost', 0))", "(tmp_path / 'a').write_text('x')", "open('/etc/hosts')"],
)
def test_ports_and_files_of_its_own_do_not(footprint, body: str) -> None:
    assert not footprint(f"import socket\ndef test_it(tmp_path):\n    {body}\n").alone


@pytest.mark.parametrize(
    ("moves", "path", "alone"),
    [
        ("monkeypatch.chdir(tmp_path)", "out.json", False),
        ("os.chdir(tmp_path)", "out.json", False),
        ("monkeypatch.chdir(tmp_path)", "/srv/out.json", True),
        ("pass", "out.json", True),
    ],
)
def test_relative_paths_are_the_tests_own_once_it_has_moved_away(
    footprint, moves: str, path: str, alone: bool
) -> None:
    head = "import os\nimport pytest\nfrom pathlib import Path\n"
    fixture = f"@pytest.fixture\ndef away(tmp_path, monkeypatch):\n    {moves}\n"
    write = f"    Path({path!r}).write_text('x')\n"
    assert footprint(f"{head}{fixture}def test_it(away):\n{write}").alone is alone
    body = f"def test_it(tmp_path, monkeypatch):\n    {moves}\n{write}"
    assert footprint(f"{head}{body}").alone is alone


def test_a_directory_that_may_be_there_already_needs_nobody_to_wait(footprint) -> None:
    head = "from pathlib import Path\ndef test_it():\n    "
    assert not footprint(f"{head}Path('out').mkdir(exist_ok=True)\n").alone
    assert footprint(f"{head}Path('out').mkdir()\n").alone


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("['git', 'status']", NONE),
        ("['alembic', 'upgrade', 'head']", SCHEMA),
        ("[sys.executable, '-m', 'shop']", SHARED),
    ],
)
def test_processes(footprint, command: str, expected: Level) -> None:
    found = footprint(f"import subprocess, sys\ndef test_it():\n    subprocess.run({command})\n")
    assert derive_level(found) is expected
    assert found.cpu.name == "HEAVY"


@pytest.mark.parametrize(
    ("decorator", "alone"),
    [
        ("@pytest.mark.order(1)", True),
        ("@pytest.mark.run(order=2)", True),
        ("@pytest.mark.serial", True),
        ("@pytest.mark.slow", False),
        ("@pytest.mark.dependency(depends=['test_a'])", False),
    ],
)
def test_marks(footprint, decorator: str, alone: bool) -> None:
    assert footprint(f"import pytest\n{decorator}\ndef test_it():\n    pass\n").alone is alone


def test_cluster_wide_changes_that_are_taken_back(footprint) -> None:
    conftest = """
import psycopg
import pytest

@pytest.fixture
def database():
    made = []
    def make(name):
        psycopg.connect("", autocommit=True).execute(f"CREATE DATABASE {name}")
        made.append(name)
    yield make
    for name in made:
        psycopg.connect("", autocommit=True).execute(f"DROP DATABASE {name}")
"""
    found = footprint("def test_it(database):\n    database('other')\n", {"conftest.py": conftest})
    assert found.cluster_undone
    assert derive_level(found) is ALONE
    assert derive_level(found, Privacy.SERVER) is READ


def test_a_set_up_that_empties_what_the_test_before_left_writes(suite) -> None:
    source = """
        import psycopg
        import pytest

        connection = psycopg.connect("", autocommit=True)

        @pytest.fixture(autouse=True)
        def empty():
            connection.execute("DELETE FROM items")

        def test_a():
            pass

        def test_b():
            connection.execute("INSERT INTO items VALUES (1)")

        def test_c():
            pass

        def test_d():
            pass
    """
    found = suite({"test_it.py": source}).footprints()
    assert [derive_level(one) for one in found.values()] == [READ, SHARED, SHARED, READ]


@pytest.mark.parametrize(
    ("library", "weight"), [("numpy", "MEDIUM"), ("torch", "HEAVY"), ("json", "LIGHT")]
)
def test_libraries_that_take_memory(footprint, library: str, weight: str) -> None:
    assert footprint(f"import {library}\ndef test_it():\n    pass\n").memory.name == weight


@pytest.mark.parametrize(
    ("teardown", "expected"),
    [
        ("conn.execute('TRUNCATE audit')", ISOLATED),
        ("if dirty(): conn.execute('TRUNCATE audit')", SHARED),
        ("if dirty(): empty(conn)", SHARED),
        ("dirty() and empty(conn)", SHARED),
        ("empty(conn) if dirty() else None", SHARED),
        ("if not dirty():\n        return\n    empty(conn)", SHARED),
        ("try:\n        dirty()\n    except ValueError:\n        empty(conn)", SHARED),
        ("if dirty(): request.addfinalizer(lambda: empty(conn))", SHARED),
        ("request.addfinalizer(lambda: empty(conn))", ISOLATED),
    ],
)
def test_a_conditional_clean_up_is_none(level, teardown: str, expected: Level) -> None:
    source = f"""
import psycopg
import pytest
from elsewhere import dirty

conn = psycopg.connect("", autocommit=True)

def empty(conn):
    conn.execute("TRUNCATE audit")

@pytest.fixture(autouse=True)
def clean(request):
    yield
    {teardown}

def test_it():
    conn.execute("INSERT INTO audit VALUES (1)")
"""
    assert level(source) is expected


def test_a_conditional_clean_up_before_a_test_leaves_what_the_test_before_left(suite) -> None:
    source = """
        import psycopg
        import pytest
        from elsewhere import dirty

        conn = psycopg.connect("", autocommit=True)

        @pytest.fixture
        def clean():
            if dirty():
                conn.execute("TRUNCATE audit")

        def test_first():
            conn.execute("INSERT INTO audit VALUES (1)")

        def test_second(clean):
            pass

        def test_third(clean):
            pass
        """
    found = suite({"test_it.py": source}).footprints()
    assert found["test_it.py::test_second"].outlives
    assert found["test_it.py::test_third"].outlives


def test_a_conditional_drop_leaves_the_table(level) -> None:
    source = """
import psycopg
from elsewhere import keep

def test_it():
    with psycopg.connect("", autocommit=True) as conn:
        conn.execute("CREATE TABLE scratch (a int)")
        if not keep():
            conn.execute("DROP TABLE scratch")
"""
    assert level(source) is SCHEMA
    assert level(source.replace("if not keep()", "if True")) is ISOLATED
