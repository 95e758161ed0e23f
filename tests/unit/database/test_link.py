"""What a link sends before there is a server: names, literals, connection strings."""

from __future__ import annotations

import pytest
from psycopg import pq

from dbsafe_runner.database.link import (
    LinkError,
    as_array,
    connection_string,
    load_sql,
    quote_name,
)


def _parsed(text: str) -> dict[str, str]:
    return {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.parse(text.encode())
        if option.val is not None
    }


@pytest.mark.parametrize(
    ("parts", "quoted"),
    [
        (("t",), '"t"'),
        (("public", "Order"), '"public"."Order"'),
        (('a"b',), '"a""b"'),
    ],
)
def test_names_are_quoted(parts: tuple[str, ...], quoted: str) -> None:
    assert quote_name(*parts) == quoted


def test_arrays() -> None:
    assert as_array([1, "2"]) == "{1,2}"
    assert as_array([]) == "{}"


@pytest.mark.parametrize(
    "dsn",
    [
        "host=/run/a port=5433 user=me dbname=shop password='it''s'",
        "postgresql://me:secret@localhost:5433/shop?options=-c%20work_mem%3D5MB",
    ],
)
def test_connection_strings_keep_what_they_say_but_the_database(dsn: str) -> None:
    before = _parsed(dsn.replace("''", "\\'"))
    after = _parsed(connection_string(dsn.replace("''", "\\'"), "other", {"lock_timeout": "1"}))
    assert after["dbname"] == "other"
    assert after["options"].endswith("-c lock_timeout=1")
    assert before.get("options", "") in after["options"]
    for key in before.keys() - {"dbname", "options"}:
        assert after[key] == before[key]


def test_settings_with_spaces_and_backslashes() -> None:
    text = connection_string("host=x", "", {"DateStyle": "ISO, YMD", "search_path": "a\\b"})
    assert _parsed(text)["options"] == r"-c DateStyle=ISO,\ YMD -c search_path=a\\b"
    assert "dbname" not in _parsed(text)


def test_a_connection_string_that_cannot_be_read() -> None:
    with pytest.raises(LinkError, match="cannot be read"):
        connection_string("host='", "", {})


def test_statements_are_files_of_the_package() -> None:
    assert load_sql("pulse").startswith("--")
