"""Kept templates: what is damaged is never used, what nobody uses is pruned, remains are cleared."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.templates import Provide, Servers, ask, half_made, prepare, ready_templates, wait_for

from dbsafe_runner.database.cache import MARKER, Cache
from dbsafe_runner.database.janitor import find_kept, prune_cache
from dbsafe_runner.database.provider import TemplateRequest


def damage_data(entry: Path) -> None:
    (entry / "data" / "global" / "pg_control").unlink()


def truncate_table(entry: Path) -> None:
    table = max((entry / "data" / "base" / "1").iterdir(), key=lambda path: path.stat().st_size)
    os.truncate(table, 8192)


def damage_marker(entry: Path) -> None:
    (entry / MARKER).write_text("{")


def remove_marker(entry: Path) -> None:
    (entry / MARKER).unlink()


@pytest.mark.parametrize("damage", [damage_data, truncate_table, damage_marker, remove_marker])
def test_a_damaged_template_is_never_used(
    project: Path, own_cache: Path, provide: Any, damage: Callable[[Path], None]
) -> None:
    request = TemplateRequest(root=project, setup="preparing:prepare")
    first, _, _ = prepare(provide, request)
    (entry,) = ready_templates(own_cache)
    provide.close()
    damage(entry)
    again, dsn, _ = prepare(provide, request)
    assert not again.reused
    assert again.key == first.key
    assert ask(dsn, "select count(*) from made_by") == 1


def test_a_damaged_base_is_made_anew(project: Path, own_cache: Path, provide: Any) -> None:
    provide(TemplateRequest(root=project)).prepare(lambda _: None)
    provide.close()
    for control in own_cache.glob("*/*/*/data/global/pg_control"):
        control.unlink()
    _, dsn, said = prepare(provide, TemplateRequest(root=project))
    assert any("initialising" in text for text in said)
    assert ask(dsn, "select 1") == 1


def test_remains_of_a_killed_builder_are_cleared(
    project: Path, own_cache: Path, program: Callable[..., Any], servers: Servers
) -> None:
    builder = program(root=project, setup="touch begun; sleep 300")
    wait_for(project / "begun")
    assert half_made(own_cache)
    builder.process.kill()
    builder.process.communicate()
    deadline = time.monotonic() + 60
    while servers(own_cache.parent):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert half_made(own_cache)
    prune_cache(own_cache)
    assert not half_made(own_cache)


def test_pruning_keeps_what_is_used_and_what_is_recent(own_cache: Path) -> None:
    cache = Cache(own_cache, "templates")

    def build(directory: Path) -> dict[str, str]:
        (directory / "data").mkdir()
        (directory / "data" / "file").write_text("content")
        return {}

    entries = {}
    for age, name in enumerate(["newest", "recent", "old", "used"]):
        entry, _ = cache.obtain(name, build)
        entries[name] = entry
        when = time.time() - age * 86400
        os.utime(entry.path / MARKER, (when, when))
    for name in ("newest", "recent", "old"):
        entries[name].close()
    assert cache.prune(keep=2) == 1
    assert [entry.key for entry in cache.kept()] == ["newest", "recent", "used"]
    assert cache.prune(days=0.5) == 1
    assert cache.prune(size=1) == 1
    entries["used"].close()
    assert cache.prune(keep=0) == 1
    assert cache.kept() == []


def test_a_build_that_fails_leaves_nothing_in_the_cache(own_cache: Path) -> None:
    cache = Cache(own_cache, "templates")

    def build(directory: Path) -> dict[str, str]:
        (directory / "data").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.obtain("key", build)
    assert cache.find("key") is None
    assert not half_made(own_cache)


def test_the_marker_tells_what_was_built(project: Path, own_cache: Path, provide: Provide) -> None:
    info, _, _ = prepare(provide, TemplateRequest(root=project, setup="preparing:prepare"))
    (entry,) = ready_templates(own_cache)
    facts = json.loads((entry / MARKER).read_text())
    assert facts["setup"] == "preparing:prepare"
    assert facts["version"] == info.server_version
    listed = find_kept(own_cache)
    assert [kept.path for kept in listed["templates"]] == [entry]
    assert listed["templates"][0].key == info.key
    assert listed["templates"][0].size > 10**7
    assert len(listed["base"]) == 1


def test_clearing_the_cache_spares_what_is_in_use(project: Path, own_cache: Path, provide: Any) -> None:
    provider = provide(TemplateRequest(root=project))
    provider.prepare(lambda _: None)
    assert prune_cache(own_cache, everything=True) == 0
    provider.acquire("gw0")
    provide.close()
    for marker in list(own_cache.glob(f"*/base/*/{MARKER}")):
        marker.write_text("{")
    assert prune_cache(own_cache) == 1
    (own_cache / "v1" / "templates" / "unmarked.1" / "data").mkdir(parents=True)
    assert prune_cache(own_cache, everything=True) == 1
    assert not [path for path in own_cache.glob("*/*/*") if not path.name.startswith(".lock-")]
