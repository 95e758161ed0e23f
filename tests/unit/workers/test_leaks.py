from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.workers.leak_watch import LeakWatch
from dbsafe_runner.workers.leaks import Leaks


@pytest.fixture
def leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leaks:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "_name_sequence", None)
    found = Leaks()
    found.watch_files()
    found.begin()
    return found


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


#: In a process of its own: that of the tests may have connections of other tests.
ALONE = """
import socket
from dbsafe_runner.workers.leaks import Leaks
leaks = Leaks()
told = [leaks.no_sessions()]
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    told.append(leaks.no_sessions())
print(*told, leaks.no_sessions())
"""


def test_without_sessions_and_children_nothing_can_have_been_done() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout == "True False True\n"


def test_a_child_may_have_a_session(leaks: Leaks, sleeping: subprocess.Popen[bytes]) -> None:
    assert sleeping.poll() is None
    assert not leaks.no_sessions()


@pytest.mark.parametrize(
    ("neighbours", "before", "opened", "own"),
    [(True, True, 0, False), (False, True, 0, True), (True, False, 0, True), (True, True, 1, True)],
)
def test_a_test_without_sessions_is_not_what_its_neighbours_do(neighbours, before, opened, own) -> None:
    tenant = types.SimpleNamespace(open_transactions=0, opened=3, has_neighbours=neighbours)
    watch = LeakWatch(tenant, lambda: None)
    watch._leaks.no_sessions = lambda: before
    watch.begin()
    tenant.opened += opened
    seen = Changes(ddl_undone=True, used=True)
    assert watch.of_test(seen) == (seen if own else Changes())


def test_transactions_that_were_open_before_are_not_the_tests() -> None:
    tenant = types.SimpleNamespace(open_transactions=1, opened=0, has_neighbours=False)
    watch = LeakWatch(tenant, lambda: None)
    watch.begin()
    assert watch.of_test(Changes(open_transactions=1)).open_transactions == 0
    assert watch.of_test(Changes(open_transactions=3)).open_transactions == 2


def test_nothing_is_nothing(leaks: Leaks) -> None:
    assert leaks.found() == []


def test_a_thread_is_told_once_with_its_function(leaks: Leaks) -> None:
    stop = threading.Event()

    def waits() -> None:
        stop.wait()

    thread = threading.Thread(target=waits, name="listener")
    thread.start()
    (left,) = leaks.found()
    assert left.startswith("thread listener at ")
    assert left.endswith(f"test_leaks.py:{waits.__code__.co_firstlineno}")
    assert leaks.found() == []
    stop.set()
    thread.join()


def test_threads_that_end_or_belong_to_a_pool_are_none(leaks: Leaks) -> None:
    stop = threading.Event()
    threading.Thread(target=stop.wait).start()
    timer = threading.Timer(60, stop.set)
    timer.start()
    timer.cancel()
    stop.set()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        assert leaks.found() == []


def test_a_process_is_told_with_its_command(leaks: Leaks, sleeping: subprocess.Popen[bytes]) -> None:
    assert leaks.found() == [f"process {sleeping.pid}: sleep 60"]
    assert leaks.found() == []


def test_processes_that_have_ended_are_none(leaks: Leaks) -> None:
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert leaks.found() == []
    ended.wait()


def test_temporary_files_that_stay_are_told(leaks: Leaks, tmp_path: Path) -> None:
    (tmp_path / "of-somebody-else").touch()
    with tempfile.TemporaryDirectory(), tempfile.NamedTemporaryFile(), tempfile.TemporaryFile():
        folder = tempfile.mkdtemp(prefix="one")
    handle, file = tempfile.mkstemp(suffix=".two")
    os.close(handle)
    assert sorted(leaks.found()) == sorted([f"file {folder}", f"file {file}"])
    assert leaks.found() == []


def test_what_wider_fixtures_make_is_theirs(leaks: Leaks, sleeping: subprocess.Popen[bytes]) -> None:
    assert sleeping.poll() is None
    tempfile.mkdtemp()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    leaks.adopt()
    assert leaks.found() == []
    stop.set()
    thread.join()
