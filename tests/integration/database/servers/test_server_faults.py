"""Killed runs, full disks, closed directories, broken installations: a clear error, nothing left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from fakes.templates import Provide, Servers

from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.binaries import WHEEL, choose, inspect, installed_bindirs, wheel_bindir
from dbsafe_runner.database.cluster import initialise
from dbsafe_runner.database.janitor import find_runs, remove_leftovers
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.server import Installation
from dbsafe_runner.database.setup_command import Setup, SetupFailedError
from dbsafe_runner.errors import ExitCode, UserError

Start = Callable[..., Any]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def silent(_: str) -> None:
    """A report that nobody listens to."""


def soon(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def children_named(pid: int, name: str) -> list[psutil.Process]:
    found = psutil.Process(pid).children()
    return [child for child in found if any(name in part for part in child.cmdline())]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_run_leaves_nothing(area: Path, program: Start, servers: Servers, sign: int) -> None:
    killed = program(root=area, count=2)
    killed.ready()
    assert servers(area)
    killed.process.send_signal(sign)
    killed.process.communicate(timeout=20)
    assert soon(lambda: not servers(area) and not (area / "run").exists())


def test_a_run_killed_while_starting_leaves_nothing(
    area: Path, program: Start, servers: Servers
) -> None:
    killed = program(root=area, count=30)
    assert soon(lambda: servers(area))
    killed.process.kill()
    killed.process.communicate(timeout=20)
    assert soon(lambda: not servers(area) and not (area / "run").exists())


def killed_with_its_guardian(area: Path, program: Start, servers: Servers) -> None:
    killed = program(root=area)
    killed.ready()
    (guardian,) = children_named(killed.process.pid, "dbsafe-guardian")
    guardian.kill()
    killed.process.kill()
    killed.process.communicate(timeout=20)
    psutil.wait_procs([guardian], timeout=10)
    assert servers(area)


def test_the_next_run_removes_what_a_guardian_could_not(
    area: Path, program: Start, servers: Servers
) -> None:
    killed_with_its_guardian(area, program, servers)
    living = program(root=area)
    (home,) = living.ready()["homes"]
    assert all(Path(psutil.Process(pid).cwd()).is_relative_to(home) for pid in servers(area))
    assert len(list((area / "run").iterdir())) == 1


def test_the_janitor_knows_the_dead_from_the_living(
    area: Path, program: Start, servers: Servers
) -> None:
    killed_with_its_guardian(area, program, servers)
    (dead,) = find_runs()
    assert not dead.living
    assert dead.servers == 1
    assert dead.size > 10**7
    living = program(root=area, count=2)
    # The living one tidies up by itself before it starts.
    homes = living.ready()["homes"]
    (found,) = find_runs()
    assert found.living
    assert found.pid == living.process.pid
    assert found.servers == 2
    assert remove_leftovers() == 0
    assert all(Path(home).is_dir() for home in homes)
    assert living.process.poll() is None


def test_the_janitor_leaves_alone_what_is_not_ours(area: Path) -> None:
    run = area / "run"
    (run / "abcdef" / "1" / "data").mkdir(parents=True)
    (run / "note.txt").write_text("mine")
    assert remove_leftovers() == 0
    assert (run / "abcdef").is_dir()
    stranger = subprocess.Popen(["sleep", "60"], cwd="/")
    try:
        pid_file = run / "abcdef" / "1" / "data" / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n")
        (run / "abcdef" / "owner").write_text("{}")
        assert remove_leftovers() == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert not (run / "abcdef").exists()
    assert (run / "note.txt").exists()


def test_servers_do_not_hear_the_terminals_interrupt(area: Path, provide: Provide) -> None:
    provider = provide()
    provider.prepare(silent)
    namespace = provider.acquire("gw0")
    with psycopg.connect(namespace.admin_dsn) as connection:
        row = connection.execute("select pg_backend_pid()").fetchone()
    assert row
    pid = int((Path(namespace.endpoint.host) / "data" / "postmaster.pid").read_text().split()[0])
    assert os.getsid(pid) != os.getsid(0)


def fake_installation(area: Path, script: str) -> Path:
    bindir = area / "bin"
    bindir.mkdir()
    for name in ("postgres", "initdb"):
        (bindir / name).write_text(f"#!/bin/sh\n{script}\n")
        (bindir / name).chmod(0o755)
    return bindir


def refused(provide: Provide, code: str, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        provide(**options).prepare(silent)
    assert caught.value.code == code
    assert caught.value.exit_code is ExitCode.SERVER
    return caught.value


def test_a_directory_without_server_programs(area: Path, provide: Provide) -> None:
    error = refused(provide, "postgres-not-found", postgres=str(area / "nowhere"))
    assert "postgres, initdb" in error.cause
    (area / "clients").mkdir()
    refused(provide, "postgres-not-found", postgres=str(area / "clients"))


def test_a_version_that_is_too_old(area: Path, provide: Provide) -> None:
    bindir = fake_installation(area, "echo 'postgres (PostgreSQL) 12.22'")
    assert "12.22" in refused(provide, "postgres-too-old", postgres=str(bindir)).message


def test_programs_that_do_not_run(area: Path, provide: Provide) -> None:
    bindir = fake_installation(area, "echo 'libnothing.so: not found' >&2; exit 127")
    assert "libnothing.so" in refused(provide, "postgres-broken", postgres=str(bindir)).cause


def test_programs_for_another_machine(area: Path, provide: Provide) -> None:
    bindir = fake_installation(area, "")
    (bindir / "postgres").write_bytes(b"\x7fELF not really")
    assert "Exec format" in refused(provide, "postgres-broken", postgres=str(bindir)).cause


def test_an_initdb_that_fails(area: Path, own_cache: Path, provide: Provide) -> None:
    script = "case $0 in *initdb) echo 'initdb: no locale today' >&2; exit 1;; esac\n"
    bindir = fake_installation(area, script + "echo 'postgres (PostgreSQL) 17.1'")
    error = refused(provide, "initdb-failed", postgres=str(bindir))
    assert "no locale today" in error.cause
    assert not list(own_cache.glob("*/base/*.*/"))


def test_a_server_that_cannot_start_shows_its_log(area: Path, provide: Provide) -> None:
    provider = provide()
    provider.prepare(silent)
    state, size = provider._state
    broken = area / "broken"
    shutil.copytree(state, broken)
    with (broken / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", server_account().name, str(broken)], check=True)
    provider._state = (broken, size)
    with pytest.raises(UserError) as caught:
        provider.acquire("gw0")
    assert caught.value.code == "server-start-failed"
    assert "no_such_setting" in caught.value.cause
    assert "--fresh-template" in caught.value.hint
    assert not list((area / "run").glob("*/1"))


@pytest.fixture
def closed_wheel(area: Path) -> Path:
    """A copy of the wheel below a directory that only its owner can enter; its bindir."""
    bindir = wheel_bindir()
    assert bindir
    site = bindir.parents[2]
    closed = area / "closed"
    for name in (WHEEL, f"{WHEEL}.libs"):
        shutil.copytree(site / name, closed / "site" / name, symlinks=True)
    closed.chmod(0o700)
    return closed / "site" / WHEEL / "pginstall" / "bin"


@as_root
def test_binaries_below_a_closed_directory_are_copied_once(
    area: Path, own_cache: Path, provide: Provide, closed_wheel: Path
) -> None:
    said: list[str] = []
    for _ in range(2):
        provider = provide(postgres=str(closed_wheel))
        provider.prepare(said.append)
        with psycopg.connect(provider.acquire("gw0").admin_dsn) as connection:
            connection.execute("create extension hstore")
    assert len([text for text in said if "copying PostgreSQL" in text]) == 1
    assert (area / "closed").stat().st_mode & 0o777 == 0o700
    assert len(list(own_cache.glob("*/binaries/*.*/data"))) == 1


@as_root
def test_a_cache_that_servers_cannot_reach_is_refused(
    area: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    (area / "closed").mkdir(mode=0o700)
    monkeypatch.setenv("DBSAFE_CACHE_DIR", str(area / "closed" / "cache"))
    error = refused(provide, "cache-unusable")
    assert server_account().name in error.cause


def test_a_run_directory_that_cannot_be_used(
    area: Path, provide: Provide, monkeypatch: pytest.MonkeyPatch
) -> None:
    (area / "file").write_text("")
    monkeypatch.setenv("DBSAFE_SERVERS_DIR", str(area / "file" / "run"))
    assert "DBSAFE_SERVERS_DIR" in refused(provide, "run-directory-unusable").hint
    monkeypatch.setenv("DBSAFE_SERVERS_DIR", str(area / ("long" * 20)))
    assert "too long" in refused(provide, "run-directory-unusable").cause
    assert not (area / ("long" * 20)).exists()


@as_root
def test_a_run_directory_of_somebody_else_is_refused(area: Path, provide: Provide) -> None:
    (area / "run").mkdir()
    os.chown(area / "run", 65534, -1)
    assert "another user" in refused(provide, "run-directory-unusable").cause
    (area / "run").rmdir()


@pytest.fixture
def small_disk(area: Path) -> Iterator[Path]:
    """A file system of 100 MB."""
    disk = area / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m,mode=711", "dbsafe-test", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_no_space_for_servers(
    small_disk: Path, provide: Any, monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    monkeypatch.setenv("DBSAFE_SERVERS_DIR", str(small_disk / "run"))
    provider = provide()
    provider.prepare(silent)
    provider.acquire("gw0")
    with pytest.raises(UserError) as caught:
        provider.acquire("gw0")
    assert caught.value.code == "no-space"
    assert "MB are free" in caught.value.cause
    assert len({Path(psutil.Process(pid).cwd()) for pid in servers(small_disk)}) == 1
    provide.close()


def filled(disk: Path, left: int) -> None:
    with (disk / "filling").open("wb") as file:
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - left)


@pytest.mark.parametrize("left", [20_000_000, 35_000_000, 4096, 0])
def test_no_space_for_the_cache(
    small_disk: Path, provide: Any, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    # 20 MB: initdb does not fit; 35 MB: the template does not; 0: not even a directory.
    monkeypatch.setenv("DBSAFE_CACHE_DIR", str(small_disk / "cache"))
    filled(small_disk, left)
    request = TemplateRequest(root=small_disk, setup="true")
    with pytest.raises(UserError) as caught:
        provide(request).prepare(silent)
    assert caught.value.code == ("no-space" if left else "cache-unusable")
    provide.close()
    assert not list((small_disk / "cache").glob("*/*/.building-*"))


def test_a_setup_that_fills_the_disk_is_still_heard(small_disk: Path) -> None:
    fill = "head -c 200000000 /dev/zero >filling 2>/dev/null; echo what went wrong; exit 1"
    with pytest.raises(SetupFailedError) as caught:
        Setup(fill, small_disk, small_disk / "log").run(os.environ, 60.0)
    assert shutil.disk_usage(small_disk).free <= 4096
    assert caught.value.cause == "what went wrong"


def test_a_full_disk_while_copying(small_disk: Path, area: Path) -> None:
    installation = Installation(choose("auto"), server_account())
    filled(small_disk, 10_000_000)
    with pytest.raises(UserError) as caught:
        initialise(installation, small_disk / "data")
    assert caught.value.code == "no-space"


def test_the_installations_of_this_machine_are_described() -> None:
    for bindir in installed_bindirs():
        try:
            found = inspect(bindir)
        except UserError:
            continue
        assert found.major >= 13
        assert found.version in subprocess.check_output(
            [found.program("postgres"), "--version"], text=True
        )


@as_root
def test_an_ordinary_user_needs_no_root(
    area: Path, program: Start, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = area / "home"
    home.mkdir()
    uid = server_account().uid
    os.chown(home, uid, -1)
    monkeypatch.setenv("DBSAFE_SERVERS_DIR", str(home / "run"))
    monkeypatch.setenv("DBSAFE_CACHE_DIR", str(home / "cache"))
    mine = program(root=home, uid=uid, count=2)
    told = mine.ready()
    assert len(told["homes"]) == 2
    for directory in told["homes"]:
        assert Path(directory).stat().st_uid == uid
        assert Path(directory).stat().st_mode & 0o077 == 0
    mine.end()
    assert not servers(area)
    assert not (home / "run").exists()
    again = program(root=home, uid=uid)
    assert again.ready()["reused"]


def test_the_password_is_in_no_process_list(area: Path, provide: Provide) -> None:
    from dbsafe_runner.session.source_urls import parse_source

    source = parse_source("postgresql://app:hunter2@localhost/shop")
    provider = provide(TemplateRequest(root=area, sources=(source,), setup="sleep 0.3"))
    provider.prepare(silent)
    provider.acquire("gw0")
    for process in psutil.Process().children(recursive=True):
        assert "hunter2" not in " ".join(process.cmdline())
