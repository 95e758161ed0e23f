"""Whatever stands in runner.toml, the environment or the command line: settings, or a UserError."""

from __future__ import annotations

import re
import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dbsafe_runner.config import Config, RunRequest, load_config
from dbsafe_runner.config.reference import settings_by_name
from dbsafe_runner.database.user_server import check_allowed
from dbsafe_runner.errors import UserError
from dbsafe_runner.session.parts import make_provider, pool_settings
from dbsafe_runner.session.source_urls import parse_source
from dbsafe_runner.session.strategy import chosen_strategy, worker_count

T = TypeVar("T")
PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()
CODES = frozenset(re.findall(r"^## (\S+)$", PAGE, re.MULTILINE))
NAMES = sorted(settings_by_name())
bounded = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["auto", "embedded", "schema", "postgresql://x/y", "balanced", "2GiB", "~none/x", ""]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
URLS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["postgresql", "postgres", "postgresql+psycopg", "mysql", ""]),
        st.sampled_from(["", "u@", "u:p@", "u%zz:p%40@", ":@", "@@"]),
        st.sampled_from(
            ["", "localhost", "[::1]", "[::1", "a,b", "h:99999999", "h:x", "%2Ftmp", "h:1,h:2"]
        ),
        st.sampled_from(["", "/", "/db", "//db", "/d%00b", "/ü"]),
        st.sampled_from(
            ["", "?", "?host=x", "?sslmode=never", "?a=b&a", "?port=0&connect_timeout=x", "#f"]
        ),
    ),
    st.builds("{} = {} {}".format, st.text(max_size=8), st.text(max_size=8), st.text(max_size=8)),
)


def toml_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml_of(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(
            character
            if character.isprintable() and character not in '"\\'
            else f"\\U{ord(character):08X}"
            for character in value
        )
        return f'"{escaped}"'
    return repr(value)


def attempt(call: Callable[[], T]) -> T | None:
    """What it returns, or None where it refuses in a way that a user can act on."""
    refusal = None
    try:
        return call()
    except UserError as error:
        refusal = error
    assert refusal.code in CODES, refusal.code
    assert refusal.message
    assert "Traceback" not in refusal.cause
    assert "p%40" not in refusal.message + refusal.cause, "a password"
    return None


def load(text: bytes, environment: dict[str, str], options: dict[str, object]) -> Config | None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runner.toml"
        file.write_bytes(text)
        return attempt(
            lambda: load_config(Path(folder), environment=environment, options=options, file=file)
        )


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "ignore")))
@example(b"\xff\xfe")
@example(b"[database]\nsource = 1979-05-27T07:32:00Z\n")
@example(b"a" * 5000 + b"=" + b"[" * 3000)
@bounded
def test_any_file(text: bytes) -> None:
    load(text, {}, {})


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
@bounded
def test_any_values_of_any_keys(values: dict[str, object]) -> None:
    lines: dict[str, list[str]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        lines.setdefault(section, []).append(f"{key} = {toml_of(value)}")
    text = "\n".join(f"[{section}]\n" + "\n".join(keys) for section, keys in lines.items())
    load(text.encode("utf-8", "surrogatepass"), {}, {})


@given(
    st.lists(
        st.dictionaries(st.text(string.ascii_lowercase, max_size=9), VALUES, max_size=4), max_size=2
    )
)
@bounded
def test_any_rules_and_strategies(tables: list[dict[str, object]]) -> None:
    text = "\n".join(
        f"{head}\n" + "\n".join(f'"{name}" = {toml_of(value)}' for name, value in table.items())
        for head, table in zip(("[[rules]]", "[strategies.mine]"), tables, strict=False)
    )
    config = load(text.encode("utf-8", "surrogatepass"), {}, {"run.isolation": "mine"})
    if config is not None:
        attempt(lambda: worker_count(config, chosen_strategy(config)))


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30), max_size=4), st.booleans())
@bounded
def test_any_environment_and_options(values: dict[str, str], options: bool) -> None:
    if options:
        load(b"", {}, dict(values))
    else:
        variables = {settings_by_name()[name].variable: value for name, value in values.items()}
        load(b"", {**variables, "DBSAFE_NONSENSE": "1", "DATABASE_URL": "mysql://x"}, {})


@given(st.lists(URLS, min_size=1, max_size=2))
@bounded
def test_any_source(urls: list[str]) -> None:
    config = load(b"", {}, {"database.source": urls})
    if config is not None and attempt(lambda: make_provider(config, fresh=False)):
        pool_settings(config, RunRequest(Path.cwd()), Path.cwd(), 1)


@given(URLS)
@bounded
def test_any_url(url: str) -> None:
    attempt(lambda: parse_source(url))
    attempt(lambda: check_allowed(url, ("*prod*",)))


@pytest.mark.parametrize("name", NAMES)
def test_every_key_refuses_a_table(name: str) -> None:
    section, _, key = name.partition(".")
    assert load(f"[{section}]\n{key} = {{ a = {{ b = 1 }} }}\n".encode(), {}, {}) is None
