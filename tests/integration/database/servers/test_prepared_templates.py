"""Templates: built once by the set-up, kept, rebuilt when they must be, never half-made."""

from __future__ import annotations

import concurrent.futures
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from dbsafe_runner.database.binaries import extensions, installed_servers, wheel_bindir
from dbsafe_runner.database.cache import MARKER, Cache
from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.janitor import find_kept, prune_cache
from dbsafe_runner.database.provider import ProviderClosedError, TemplateInfo, TemplateRequest
from dbsafe_runner.database.sources import parse_source
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.errors import ExitCode, UserError

Provide = Callable[..., EmbeddedProvider]
Servers = Callable[[Path], list[int]]

SOURCE = parse_source("postgresql://app:secret@localhost/shop")

MODULE = """
import os, psycopg

def prepare():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create table made_by as select user as who, %s as cwd", [os.getcwd()])
    with open("ran", "a") as file:
        file.write("x")

def pgcrypto():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create extension pgcrypto")

def quietly_pgcrypto():
    try:
        pgcrypto()
    except psycopg.Error:
        raise SystemExit("something went wrong")

def impossible():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("create extension no_such_thing")
"""


@pytest.fixture
def project(area: Path) -> Path:
    """A project directory with a module that has set-up functions."""
    root = area / "project"
    root.mkdir()
    (root / "preparing.py").write_text(MODULE)
    return root


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


def test_a_callable_runs_once_and_is_kept(project: Path, own_cache: Path, provide: Provide) -> None:
    request = TemplateRequest(root=project, setup="preparing:prepare", sources=(SOURCE,))
    first, dsn, said = prepare(provide, request)
    assert not first.reused
    assert "running set-up: preparing:prepare" in said
    assert ask(dsn, "select who || ' ' || cwd from made_by") == f"app {project}"
    again, dsn, said = prepare(provide, request)
    assert again.reused
    assert again.key == first.key
    assert said == []
    assert ask(dsn, "select count(*) from made_by") == 1
    assert (project / "ran").read_text() == "x"


def test_a_command_gets_the_environment_of_the_caller(project: Path, provide: Provide) -> None:
    asked: list[Endpoint] = []

    def environment(endpoint: Endpoint) -> Mapping[str, str]:
        asked.append(endpoint)
        return {"PATH": os.environ["PATH"], "WHERE": endpoint.host, "PORT": str(endpoint.port)}

    script = project / "check.sh"
    script.write_text('test -S "$WHERE/.s.PGSQL.$PORT" && env > seen')
    request = TemplateRequest(root=project, setup="sh check.sh && exit 0", environment=environment)
    prepare(provide, request)
    assert asked
    seen = (project / "seen").read_text()
    assert "WHERE=" in seen
    assert "HOME=" not in seen


def test_changed_inputs_and_fresh_build_anew(project: Path, own_cache: Path, provide: Provide) -> None:
    (project / "migrations").mkdir()
    (project / "migrations" / "1.sql").write_text("create table a()")
    request = TemplateRequest(root=project, setup="preparing:prepare", inputs=("migrations/*.sql",))
    first, _, _ = prepare(provide, request)
    (project / "migrations" / "2.sql").write_text("create table b()")
    second, _, _ = prepare(provide, request)
    assert not second.reused
    assert second.key != first.key
    (project / "migrations" / "2.sql").unlink()
    assert prepare(provide, request)[0].reused
    fresh = TemplateRequest(
        root=project, setup="preparing:prepare", inputs=("migrations/*.sql",), fresh=True
    )
    rebuilt, _, _ = prepare(provide, fresh)
    assert not rebuilt.reused
    assert rebuilt.key == first.key
    assert (project / "ran").read_text() == "xxx"


def test_a_failing_set_up_shows_its_output_and_leaves_nothing(
    project: Path, own_cache: Path, provide: Provide, servers: Servers
) -> None:
    setup = "echo one migration failed >&2; echo badly; exit 3"
    request = TemplateRequest(root=project, setup=setup)
    error = failure(provide, request)
    assert error.code == "setup-failed"
    assert error.exit_code is ExitCode.SETUP
    assert "exited with 3" in error.message
    assert error.cause == "one migration failed\nbadly"
    assert not ready_templates(own_cache)
    assert not half_made(own_cache)
    assert not servers(own_cache.parent / "run")


def test_a_callable_that_raises_shows_its_traceback(project: Path, provide: Provide) -> None:
    error = failure(provide, TemplateRequest(root=project, setup="preparing:nothing_there"))
    assert error.code == "setup-failed"
    assert "nothing_there" in error.cause


def test_a_hanging_set_up_is_ended_with_all_that_it_started(
    project: Path, own_cache: Path, provide: Provide
) -> None:
    setup = "echo waiting; trap '' TERM; sleep 300 & echo $! > child; wait; wait"
    request = TemplateRequest(root=project, setup=setup, timeout=0.5)
    error = failure(provide, request)
    assert error.code == "setup-timeout"
    assert error.exit_code is ExitCode.SETUP
    assert "0.5 seconds" in error.message
    assert error.cause == "waiting"
    child = int((project / "child").read_text())
    assert gone(child)
    assert not ready_templates(own_cache)
    assert not half_made(own_cache)


def gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(5)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_closing_ends_a_set_up_that_runs_in_another_thread(
    project: Path, own_cache: Path, provide: Provide
) -> None:
    request = TemplateRequest(
        root=project, setup="echo $$ > begin; mv begin began; sleep 300", timeout=float("inf")
    )
    provider = provide(request)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        preparing = threads.submit(provider.prepare, lambda _: None)
        wait_for(project / "began")
        provider.close()
        assert isinstance(preparing.exception(timeout=10), ProviderClosedError)
    assert gone(int((project / "began").read_text()))
    assert not half_made(own_cache)


def test_closing_ends_waiting_for_another_builder(
    project: Path, own_cache: Path, provide: Provide, program: Callable[..., Any]
) -> None:
    program(root=project, setup="touch began; sleep 300")
    wait_for(project / "began")
    provider = provide(TemplateRequest(root=project, setup="touch began; sleep 300"))
    waiting = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        preparing = threads.submit(provider.prepare, lambda _: waiting.set())
        assert waiting.wait(30)
        provider.close()
        assert isinstance(preparing.exception(timeout=10), ProviderClosedError)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_refused_role_name_is_an_error(project: Path, provide: Provide) -> None:
    source = parse_source("postgresql://pg_mine@localhost/shop")
    error = failure(provide, TemplateRequest(root=project, sources=(source,)))
    assert error.code == "name-refused"
    assert "pg_" in error.cause


def test_several_that_need_the_same_build_it_once(
    project: Path, own_cache: Path, program: Callable[..., Any]
) -> None:
    setup = "sleep 0.5; echo x >> built"
    started = [program(root=project, setup=setup) for _ in range(3)]
    told = [each.ready() for each in started]
    assert (project / "built").read_text() == "x\n"
    assert sorted(each["reused"] for each in told) == [False, True, True]
    said = [each.end() for each in started]
    assert any("waiting for another dbsafe" in each for each in said)


WHEEL = wheel_bindir()
HAVING = [server for server in installed_servers() if "pgcrypto" in extensions(server.bindir)]
needs_both = pytest.mark.skipif(
    not HAVING or WHEEL is None or "pgcrypto" in extensions(WHEEL),
    reason="needs a wheel without pgcrypto and an installed server with it",
)


@needs_both
@pytest.mark.parametrize("how", ["pgcrypto", pytest.param("quietly_pgcrypto", marks=pytest.mark.long)])
def test_a_missing_extension_is_had_from_an_installed_server(
    project: Path, own_cache: Path, provide: Provide, how: str
) -> None:
    request = TemplateRequest(root=project, setup=f"preparing:{how}", sources=(SOURCE,))
    first, dsn, said = prepare(provide, request)
    assert first.server_version == HAVING[0].version
    assert any("lacks pgcrypto" in text and str(HAVING[0].bindir) in text for text in said)
    assert ask(dsn, "select count(*) from pg_extension where extname = 'pgcrypto'") == 1
    again, _, said = prepare(provide, request)
    assert again.reused
    assert said == []


@needs_both
def test_extensions_asked_for_beforehand_choose_the_server(project: Path, provide: Provide) -> None:
    request = TemplateRequest(root=project, extensions=("pgcrypto",))
    assert prepare(provide, request)[0].server_version == HAVING[0].version


@needs_both
def test_a_given_server_is_not_exchanged(project: Path, provide: Provide) -> None:
    request = TemplateRequest(root=project, setup="preparing:pgcrypto")
    error = failure(provide, request, postgres=str(WHEEL))
    assert error.code == "extension-missing"
    assert "pgcrypto" in error.message
    assert str(HAVING[0].bindir) in error.hint
    assert "is not available" in error.cause


def test_an_extension_that_nobody_has(project: Path, provide: Provide) -> None:
    error = failure(provide, TemplateRequest(root=project, setup="preparing:impossible"))
    assert error.code == "extension-missing"
    assert error.exit_code is ExitCode.SETUP
    assert "no_such_thing" in error.message
    error = failure(provide, TemplateRequest(root=project, extensions=("no_such_thing",)))
    assert error.code == "extension-missing"


def ready_templates(cache: Path) -> list[Path]:
    return [marker.parent for marker in cache.glob(f"*/templates/*/{MARKER}")]


def half_made(cache: Path) -> list[Path]:
    return [*cache.glob("*/*/.building-*"), *cache.glob("*/*/.removed-*")]


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


def test_a_tablespace_is_not_shared_by_namespaces(project: Path, area: Path, provide: Provide) -> None:
    place = area / "space"
    place.mkdir()
    if os.geteuid() == 0:
        os.chown(place, 65534, -1)
    (project / "space.py").write_text(
        "import os, psycopg\n"
        "def make():\n"
        "    c = psycopg.connect(os.environ['DATABASE_URL'], autocommit=True)\n"
        f"    c.execute(\"create tablespace apart location '{place}'\")\n"
        "    c.execute('create table t tablespace apart as select 1 as x')\n"
    )
    provider = provide(TemplateRequest(root=project, setup="space:make", sources=(SOURCE,)))
    provider.prepare(lambda _: None)
    one, other = provider.acquire("gw0"), provider.acquire("gw1")
    with psycopg.connect(one.admin_dsn, autocommit=True) as connection:
        connection.execute("update t set x = 2")
        connection.execute("checkpoint")
    assert ask(other.admin_dsn, "select x from t") == 1
    assert ask(provider.acquire("gw2").admin_dsn, "select x from t") == 1


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
