# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""Drivers: what tests that use them directly are taken to do."""

from __future__ import annotations

import pytest

from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level


@pytest.mark.parametrize(
    ("imports", "body", "expected"),
    [
        ("", "assert 1 + 1 == 2", NONE),
        ("import psycopg", "psycopg.connect('').close()", READ),
        ("import psycopg", "psycopg.connect('').execute('SELECT * FROM a').fetchone()", READ),
        (
            "import psycopg",
            "psycopg.connect('', autocommit=True).execute('INSERT INTO a VALUES (1)')",
            SHARED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.execute('INSERT INTO a VALUES (1)')\nc.commit()",
            SHARED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nif c.execute('SELECT 1').fetchone() is None:\n    c.execute('UPDATE a SET b = 1')\nc.commit()",
            SHARED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.execute('DELETE FROM a WHERE b')\nc.rollback()",
            ISOLATED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.execute('DELETE FROM a WHERE b')\nc.close()",
            ISOLATED,
        ),
        (
            "import psycopg",
            "with psycopg.connect('') as c:\n    c.execute('UPDATE a SET b = 1')",
            SHARED,
        ),
        (
            "import psycopg",
            "with psycopg.connect('') as c, c.transaction(force_rollback=True):\n    c.execute('UPDATE a SET b = 1')",
            ISOLATED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('', autocommit=True)\nwith c.transaction():\n    c.execute('UPDATE a SET b = 1')",
            SHARED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.autocommit = True\nc.execute('UPDATE a SET b = 1')",
            SHARED,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.cursor().execute('CREATE TABLE a (b int)')\nc.commit()",
            SCHEMA,
        ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.execute('CREATE TABLE a (b int)')\nc.rollback()",
            ISOLATED,
        ),
        (
            "import psycopg",
            (
                "c = psycopg.connect('', autocommit=True)\nc.execute('CREATE TEMP TABLE t (b int)')\n"
                "c.execute('INSERT INTO t VALUES (1)')"
            ),
            READ,
        ),
        ("import psycopg", "psycopg.connect('', autocommit=True).execute('CREATE ROLE bob')", ALONE),
        ("import psycopg", "psycopg.connect('', autocommit=True).execute('LISTEN jobs')", READ),
        (
            "import psycopg",
            "c = psycopg.connect('')\nc.execute(\"SELECT setval('s', 3)\")\nc.rollback()",
            SHARED,
        ),
        (
            "import psycopg as p",
            "p.connect('', autocommit=True).execute(f'DELETE FROM {name()}')",
            SHARED,
        ),
        (
            "from psycopg import connect, sql",
            (
                "c = connect('', autocommit=True)\n"
                "c.execute(sql.SQL('TRUNCATE {}').format(sql.Identifier('a')))\nc.execute('INSERT INTO a VALUES (1)')"
            ),
            SHARED,
        ),
        (
            "import psycopg2",
            "c = psycopg2.connect('')\nc.cursor().execute('UPDATE a SET b = 1')\nc.commit()",
            SHARED,
        ),
        (
            "import psycopg2",
            "c = psycopg2.connect('')\nwith c, c.cursor() as u:\n    u.execute('UPDATE a SET b = 1')",
            SHARED,
        ),
        (
            "import psycopg2.extras",
            "c = psycopg2.connect('')\npsycopg2.extras.execute_values(c.cursor(), 'INSERT INTO a VALUES %s', [])\nc.commit()",
            SHARED,
        ),
        (
            "import pg8000.native",
            "pg8000.native.Connection('u').run('INSERT INTO a VALUES (1)')",
            SHARED,
        ),
        (
            "import pg8000",
            "c = pg8000.connect('u')\nc.cursor().execute('INSERT INTO a VALUES (1)')\nc.commit()",
            SHARED,
        ),
        (
            "from psycopg_pool import ConnectionPool",
            "with ConnectionPool('') as pool, pool.connection() as c:\n    c.execute('UPDATE a SET b = 1')",
            SHARED,
        ),
    ],
)
def test_synchronous(level, imports: str, body: str, expected: Level) -> None:
    indented = "\n".join("    " + line for line in body.splitlines())
    assert level(f"{imports}\ndef test_it():\n{indented}\n") is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("c = await asyncpg.connect()\nawait c.fetch('SELECT 1')", READ),
        ("c = await asyncpg.connect()\nawait c.execute('INSERT INTO a VALUES (1)')", SHARED),
        (
            (
                "c = await asyncpg.connect()\nt = c.transaction()\nawait t.start()\n"
                "await c.execute('INSERT INTO a VALUES (1)')\nawait t.rollback()"
            ),
            ISOLATED,
        ),
        (
            "c = await asyncpg.connect()\nasync with c.transaction():\n    await c.execute('DELETE FROM a WHERE b')",
            SHARED,
        ),
        ("c = await asyncpg.connect()\nawait c.copy_records_to_table('a', records=[])", SHARED),
        (
            "async with asyncpg.create_pool() as p:\n    async with p.acquire() as c:\n        await c.fetchval('SELECT 1')",
            READ,
        ),
        ("p = await asyncpg.create_pool()\nawait p.execute('DELETE FROM a WHERE b')", SHARED),
        (
            "c = await psycopg.AsyncConnection.connect()\nawait c.execute('DELETE FROM a WHERE b')\nawait c.commit()",
            SHARED,
        ),
    ],
)
def test_asynchronous(level, body: str, expected: Level) -> None:
    indented = "\n".join("    " + line for line in body.splitlines())
    assert level(f"import asyncpg, psycopg\nasync def test_it():\n{indented}\n") is expected


def test_sql_from_a_file(footprint) -> None:
    source = """
        from pathlib import Path
        import psycopg

        def test_it():
            text = (Path(__file__).parent / "sql" / "load.sql").read_text()
            psycopg.connect("", autocommit=True).execute(text)
    """
    found = footprint(source, {"sql/load.sql": "INSERT INTO loaded VALUES (1);"})
    assert (found.outlives, found.writes) == (True, {"loaded"})


def test_sql_that_is_not_known_may_write(footprint) -> None:
    source = """
        import psycopg

        def test_it():
            psycopg.connect("", autocommit=True).execute(build_it())
    """
    found = footprint(source)
    assert found.outlives
    assert found.confidence < 0.8


def test_an_unknown_function_that_is_given_a_connection_may_write(footprint) -> None:
    source = """
        import elsewhere
        import psycopg

        def test_it():
            elsewhere.fill(psycopg.connect("", autocommit=True))
    """
    found = footprint(source)
    assert found.outlives
    assert found.confidence < 0.8


def test_places_and_tables_are_told(footprint) -> None:
    source = """
        import psycopg

        def test_it():
            c = psycopg.connect("", autocommit=True)
            c.execute("INSERT INTO shop.orders SELECT * FROM baskets")
            c.execute("SELECT * FROM customers")
    """
    found = footprint(source)
    assert found.writes == {"shop.orders"}
    assert found.reads == {"customers"}
    assert found.connections == 1
    assert [
        (one.what, one.file, one.line) for one in found.evidence if one.what.startswith("writes")
    ] == [("writes shop.orders (INSERT)", "test_it.py", 6)]


def test_a_rollback_in_an_exception_handler_undoes_nothing(level) -> None:
    source = """
        import psycopg

        def test_it():
            c = psycopg.connect("")
            try:
                c.execute("UPDATE a SET b = 1")
            except Exception:
                c.rollback()
            c.commit()
    """
    assert level(source) is SHARED


def test_sequences_that_are_moved_on_by_name_are_told_from_those_of_keys(footprint) -> None:
    connect = "import psycopg\ndef test_it():\n    c = psycopg.connect('')\n"
    found = footprint(connect + "    c.execute(\"SELECT setval('ids', 4)\")\n    c.rollback()\n")
    assert found.sequences == {"ids"}
    assert found.outlives
    inserts = footprint(connect + "    c.execute('INSERT INTO a DEFAULT VALUES')\n    c.rollback()\n")
    assert inserts.sequences == frozenset()


def test_a_temporary_table_is_evidence_of_a_connection(footprint) -> None:
    found = footprint(
        "import psycopg\ndef test_it():\n    psycopg.connect('').execute('CREATE TEMP TABLE t (id int)')\n"
    )
    assert found.evidence[0].what == "makes a temporary table"


ASYNCPG = "import asyncpg\n\nasync def test_it():\n    c = await asyncpg.connect('')\n    t = c.transaction()\n    await t.start()\n"
INSERT = "await c.execute('INSERT INTO a VALUES (1)')\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"    {INSERT}    await t.commit()\n    await c.close()\n", SHARED),
        (f"    {INSERT}    await t.rollback()\n    await c.close()\n", ISOLATED),
        (
            (
                f"    try:\n        {INSERT}    except Exception:\n        await t.rollback()\n        raise\n"
                "    else:\n        await t.commit()\n"
            ),
            SHARED,
        ),
    ],
)
def test_a_block_that_is_started_by_hand_begins_once(level, body: str, expected: Level) -> None:
    assert level(ASYNCPG + body) is expected


FUNCTION = "CREATE OR REPLACE FUNCTION price() RETURNS int LANGUAGE sql AS 'SELECT 2'"
REPLACING = f"""
import psycopg, pytest

def install(c):
    c.execute("{FUNCTION}")

@pytest.fixture
def c():
    with psycopg.connect("", autocommit=True) as c:
        yield c

@pytest.fixture(scope="module", autouse=True)
def made():
    install(psycopg.connect("", autocommit=True))
"""


def test_what_a_wider_fixture_has_made_may_be_replaced_by_something_else(level) -> None:
    assert level(REPLACING + f'\ndef test_it(c):\n    c.execute("{FUNCTION}")\n') is SCHEMA
    assert level(REPLACING + "\ndef test_it(c):\n    install(c)\n") is READ


MADE_AND_DROPPED = """
import psycopg, pytest

@pytest.fixture
def c():
    with psycopg.connect("", autocommit=True) as c:
        c.execute("CREATE TABLE q (id int)")
        yield c
        c.execute("DROP TABLE q")

def test_it(c, name):
    c.execute(f"{}")
"""


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO q VALUES (1)", ISOLATED),
        ("INSERT INTO other VALUES (1)", SHARED),
        ("INSERT INTO {name} VALUES (1)", SHARED),
        ("DROP TABLE q; CREATE TABLE {name} (id int); INSERT INTO {name} VALUES (1)", SCHEMA),
    ],
)
def test_rows_go_with_the_table_that_is_dropped_again(level, sql: str, expected: Level) -> None:
    assert level(MADE_AND_DROPPED.replace("{}", sql)) is expected
