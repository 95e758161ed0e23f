"""Templates: built once by the set-up, kept, built anew when asked for, never half-made."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg
from fakes.templates import (
    SOURCE,
    Provide,
    Servers,
    ask,
    failure,
    half_made,
    prepare,
    ready_templates,
    wait_for,
)

from dbsafe_runner.database.provider import ProviderClosedError, TemplateRequest
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.errors import ExitCode
from dbsafe_runner.session.source_urls import parse_source


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
