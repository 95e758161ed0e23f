"""Following set-up and clean-up: fixtures of each scope, and what a conditional clean-up may leave."""

from __future__ import annotations

import pytest

from dbsafe_runner.analysis.levels import Privacy, derive_level
from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
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


def test_a_fixture_of_class_scope_outside_a_class_is_the_tests_own(footprint) -> None:
    conftest = """
import psycopg
import pytest

@pytest.fixture(scope="class", autouse=True)
def row():
    psycopg.connect("", autocommit=True).execute("INSERT INTO a VALUES (1)")
"""
    alone = footprint("def test_it(row): pass\n", {"conftest.py": conftest})
    assert (alone.writes, alone.batch_writes, alone.outlives) == ({"a"}, set(), True)
    source = "class TestIt:\n    def test_it(self, row): pass\n"
    inside = footprint(source, {"conftest.py": conftest})
    assert (inside.writes, inside.batch_writes) == (set(), {"a"})


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
