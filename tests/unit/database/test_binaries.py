"""Versions as `postgres --version` prints them."""

from __future__ import annotations

import pytest

from dbsafe_runner.database.binaries import parse_version


@pytest.mark.parametrize(
    ("text", "version", "number"),
    [
        ("postgres (PostgreSQL) 18.6\n", "18.6", 180006),
        ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "15.13", 150013),
        ("postgres (PostgreSQL) 13.0", "13.0", 130000),
        ("postgres (PostgreSQL) 19devel", "19devel", 190000),
        ("postgres (PostgreSQL) 18beta2", "18beta2", 180000),
        ("postgres (PostgreSQL) 9.6.24", "9.6.24", 90624),
        ("postgres (EnterpriseDB) (PostgreSQL) 16.4", "16.4", 160004),
    ],
)
def test_versions(text: str, version: str, number: int) -> None:
    assert parse_version(text) == (version, number)


@pytest.mark.parametrize("text", ["", "mysqld 8.0", "postgres (PostgreSQL) unknown"])
def test_what_is_not_postgresql(text: str) -> None:
    with pytest.raises(ValueError):
        parse_version(text)
