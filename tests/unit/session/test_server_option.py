from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from dbsafe_runner.config import load_config
from dbsafe_runner.session.server_option import server_option, without_secrets

URL = "postgresql://maker:s3cret@db:5433/shop"


def option(folder: Path, url: str = "", file: Path | None = None, **environment: str) -> tuple[str, str]:
    options = {"database.server": url} if url else {}
    config = load_config(folder, environment=environment, options=options, file=file)
    return server_option(config, environment)


def test_a_server_that_an_option_names_is_named_again_without_its_password(tmp_path: Path) -> None:
    text, note = option(tmp_path, URL)
    assert text == "--database postgresql://maker@db:5433/shop"
    assert "PGPASSWORD" in note
    assert option(tmp_path, "postgresql://maker@db/shop") == (
        "--database postgresql://maker@db/shop",
        "",
    )


def test_a_variable_that_holds_the_url_is_named_instead(tmp_path: Path) -> None:
    assert option(tmp_path, URL, TEST_URL=URL) == ('--database "$TEST_URL"', "")


def test_what_a_shell_would_take_apart_is_quoted(tmp_path: Path) -> None:
    text, _ = option(tmp_path, f"{URL}?sslmode=require&password=other&sslpassword=third")
    assert text == "--database 'postgresql://maker@db:5433/shop?sslmode=require'"


def test_a_server_that_later_commands_find_by_themselves_needs_no_option(tmp_path: Path) -> None:
    assert option(tmp_path, DATABASE_URL=URL) == ("", "")
    assert option(tmp_path, DBSAFE_DATABASE_SERVER=URL) == ("", "")
    (tmp_path / "runner.toml").write_text(f'[database]\nserver = "{URL}"\n')
    assert option(tmp_path) == ("", "")


def test_a_file_that_an_option_names_is_named_again(tmp_path: Path) -> None:
    file = tmp_path / "other file.toml"
    file.write_text(f'[database]\nserver = "{URL}"\n')
    assert option(tmp_path, file=file) == (f"--config '{file}'", "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:pa%40ss@h/d",
        "postgresql://u:pa?ss#1@h:1,k:2/d?target_session_attrs=any",
        "postgresql://h/d?user=u&password=pass",
        "postgresql://h/d?user=u&pass%77ord=pass",
        "postgresql:///d?host=/tmp",
        "postgresql://u:pass@[::1]:5432/d",
        "postgres://",
    ],
)
def test_libpq_reads_the_rest_as_before(url: str) -> None:
    before, after = conninfo_to_dict(url), conninfo_to_dict(without_secrets(url))
    before.pop("password", None)
    assert after == before
