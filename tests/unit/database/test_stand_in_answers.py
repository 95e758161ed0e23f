"""What the stand-in for PostgreSQL makes of statements."""

from __future__ import annotations

import pytest

from dbsafe_runner.database.stand_in_answers import answer, column_names, parameter_types, split


@pytest.mark.parametrize(
    ("statement", "tag", "columns"),
    [
        ("select id, name as title from items", "SELECT 0", ("id", "title")),
        ("-- first\n/* second */ SELECT count(*) FROM items", "SELECT 0", ("?column?",)),
        ("select * from items", "SELECT 0", ("?column?",)),
        ("with a as (select 1 as x) select x from a", "SELECT 0", ("x",)),
        ("select from where ((", "SELECT 0", ("?column?",)),
        ("insert into items (name) values ('x')", "INSERT 0 0", None),
        ("insert into items (name) values ('x') returning id", "INSERT 0 0", ("id",)),
        ("update items set name = 'select'", "UPDATE 0", None),
        ("create table items (id int)", "CREATE TABLE", None),
        ("listen orders", "LISTEN", None),
    ],
)
def test_answers(statement, tag, columns):
    found = answer(statement, "shop")
    assert (found.tag, found.columns, found.row) == (tag, columns, None)


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("BEGIN", b"T"),
        ("start transaction isolation level serializable", b"T"),
        ("commit", b"I"),
        ("rollback", b"I"),
        ("rollback to savepoint a", b""),
        ("savepoint a", b""),
    ],
)
def test_transactions(statement, status):
    assert answer(statement, "shop").status == status


def test_what_drivers_ask_for_themselves_has_an_answer():
    assert answer("select pg_catalog.version()", "shop").row == ("PostgreSQL 18.0 (stand-in of dbsafe)",)
    assert answer("SELECT current_database()", "shop").row == ("shop",)
    assert answer("show transaction isolation level", "shop").row == ("read committed",)


def test_types_of_parameters():
    assert parameter_types("select $1::int, $2, $3::timestamp with time zone", ()) == (23, 25, 1184)
    assert parameter_types("select $1::int, $2", (20, 0)) == (20, 25)
    assert parameter_types("select 1", ()) == ()


def test_splitting():
    assert split("select ';'; insert into \"a;b\" values ($$;$$) ; -- c;\n") == [
        "select ';'",
        'insert into "a;b" values ($$;$$)',
        "-- c;",
    ]


def test_names_of_columns_of_what_cannot_be_parsed():
    assert column_names("select 'unclosed") == ("?column?",)
