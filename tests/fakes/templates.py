"""Templates as tests prepare them: what came of a request, and what is in the cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbsafe_runner.database.cache import MARKER
from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import TemplateInfo, TemplateRequest
from dbsafe_runner.errors import UserError
from dbsafe_runner.session.source_urls import parse_source

Provide = Callable[..., EmbeddedProvider]
Servers = Callable[[Path], list[int]]

SOURCE = parse_source("postgresql://app:secret@localhost/shop")


def prepare(
    provide: Provide, request: TemplateRequest, **options: Any
) -> tuple[TemplateInfo, str, list[str]]:
    """Prepare, take one namespace, and tell (template, connection string, what was reported)."""
    provider = provide(request, **options)
    said: list[str] = []
    info = provider.prepare(said.append)
    return info, provider.acquire("gw0").admin_dsn, said


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return row[0] if row else None


def failure(provide: Provide, request: TemplateRequest, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        provide(request, **options).prepare(lambda _: None)
    return caught.value


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)


def ready_templates(cache: Path) -> list[Path]:
    return [marker.parent for marker in cache.glob(f"*/templates/*/{MARKER}")]


def half_made(cache: Path) -> list[Path]:
    return [*cache.glob("*/*/.building-*"), *cache.glob("*/*/.removed-*")]
