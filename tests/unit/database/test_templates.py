"""What the key of a template depends on, and the environment of a set-up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.sources import Source
from dbsafe_runner.database.templates import default_environment, input_digests, template_key
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.session.source_urls import parse_source

REQUEST = TemplateRequest(
    root=Path("/project"), setup="alembic upgrade head", sources=(Source("app", "shop", "pw"),)
)
DIGESTS = [("migrations/1.py", "abc")]


def test_the_key_is_the_same_for_the_same_state() -> None:
    moved = replace(REQUEST, root=Path("/elsewhere"), fresh=True, timeout=1.0)
    assert template_key("18.6-x", moved, DIGESTS) == template_key("18.6-x", REQUEST, DIGESTS)
    twice = replace(REQUEST, sources=REQUEST.sources * 2)
    assert template_key("18.6-x", twice, DIGESTS) == template_key("18.6-x", REQUEST, DIGESTS)


@pytest.mark.parametrize(
    ("base", "request_", "digests"),
    [
        ("18.7-x", REQUEST, DIGESTS),
        ("18.6-x", replace(REQUEST, setup="alembic upgrade 1"), DIGESTS),
        ("18.6-x", replace(REQUEST, sources=(Source("app", "other", "pw"),)), DIGESTS),
        ("18.6-x", replace(REQUEST, sources=(Source("app", "shop", "changed"),)), DIGESTS),
        ("18.6-x", replace(REQUEST, sources=()), DIGESTS),
        ("18.6-x", replace(REQUEST, extensions=("vector",)), DIGESTS),
        ("18.6-x", REQUEST, [("migrations/1.py", "abd")]),
        ("18.6-x", REQUEST, [("migrations/2.py", "abc")]),
        ("18.6-x", REQUEST, []),
    ],
)
def test_the_key_differs_for_another_state(
    base: str, request_: TemplateRequest, digests: list[tuple[str, str]]
) -> None:
    assert template_key(base, request_, digests) != template_key("18.6-x", REQUEST, DIGESTS)


def test_inputs_are_found_hashed_and_missing_ones_reported(tmp_path: Path) -> None:
    (tmp_path / "migrations" / "old").mkdir(parents=True)
    (tmp_path / "migrations" / "2.sql").write_text("two")
    (tmp_path / "migrations" / "old" / "1.sql").write_text("one")
    (tmp_path / "unrelated.txt").write_text("x")
    said: list[str] = []
    before = input_digests(tmp_path, ["migrations/**/*.sql", "seeds/*", "migrations/2.sql"], said.append)
    assert [name for name, _ in before] == ["migrations/2.sql", "migrations/old/1.sql"]
    assert said == ["no file matches the [database] input 'seeds/*'"]
    (tmp_path / "migrations" / "2.sql").write_text("changed")
    after = input_digests(tmp_path, ["migrations/**/*.sql"], said.append)
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_the_environment_of_a_set_up_names_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "production")
    monkeypatch.setenv("SOMETHING", "kept")
    source = Source("a p", "sh/op", "p@w", "localhost", 1)
    environment = default_environment(Endpoint(host="/run/x y", port=5432), [source])
    assert environment["PGHOST"] == "/run/x y"
    assert environment["PGDATABASE"] == "sh/op"
    assert environment["SOMETHING"] == "kept"
    assert "PGSERVICE" not in environment
    assert parse_source(environment["DATABASE_URL"]) == Source("a p", "sh/op", "p@w", "/run/x y", 5432)
