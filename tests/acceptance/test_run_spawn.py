"""How workers start: forked where that is safe, else spawned, with the reason said."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def how(run_results: dict[str, list[dict[str, str]]]) -> set[str]:
    return {worker["how"] for worker in run_results["workers"]}


TESTS = "def test_1(): pass\ndef test_2(): assert 0\n"

THREAD = """
    import threading, time
    threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="poller").start()
"""
POOL = """
    from concurrent.futures import ThreadPoolExecutor
    pool = ThreadPoolExecutor(2); pool.submit(int).result()
    def pytest_unconfigure(): pool.shutdown()
"""
QUEUE_LISTENER = """
    import logging.handlers, queue
    listener = logging.handlers.QueueListener(queue.Queue()); listener.start()
    def pytest_unconfigure(): listener.stop()
"""
CONNECTION = """
    import socket
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    other, _ = server.accept()
"""


@pytest.mark.parametrize(
    ("conftest", "reason"),
    [
        (THREAD, "started 1 thread: poller"),
        pytest.param(POOL, "started 1 thread: ThreadPoolExecutor", marks=pytest.mark.long),
        pytest.param(QUEUE_LISTENER, "started 1 thread", marks=pytest.mark.long),
        pytest.param(CONNECTION, "left a connection open to 127.0.0.1", marks=pytest.mark.long),
    ],
    ids=["thread", "pool", "log-listener", "connection"],
)
def test_what_makes_forking_unsafe_leads_to_spawned_workers(
    project: Project, conftest: str, reason: str
) -> None:
    project.write(conftest=conftest, test_one=TESTS)
    _, run = project.same()
    assert how(run.results) == {"spawn"}
    assert "workers-are-spawned" in run.notices()
    assert reason in run.out


@pytest.mark.parametrize(
    "conftest",
    [
        "",
        pytest.param(
            "import numpy; numpy.ones((300, 300)) @ numpy.ones((300, 300))", marks=pytest.mark.long
        ),
        pytest.param("import asyncio\nloop = asyncio.new_event_loop()", marks=pytest.mark.long),
        "import logging\nlogging.basicConfig(filename='log')",
        pytest.param("import socket\na, b = socket.socketpair()", marks=pytest.mark.long),
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))",
        pytest.param("import multiprocessing\nlock = multiprocessing.Lock()", marks=pytest.mark.long),
    ],
    ids=["nothing", "numpy", "event-loop", "log-file", "socket-pair", "listener", "multiprocessing"],
)
def test_what_is_safe_to_share_is_forked(project: Project, conftest: str) -> None:
    project.write(conftest=conftest, test_one=TESTS)
    run = project.dbsafe("--no-confirm")
    assert how(run.results) == {"fork"}, run.out


@pytest.mark.long
def test_the_user_decides(project: Project) -> None:
    project.write(conftest=THREAD, test_one=TESTS)
    assert how(project.dbsafe("--start", "fork", "--no-confirm").results) == {"fork"}
    project.write(conftest="")
    run = project.dbsafe("--start", "spawn", "--no-confirm")
    assert how(run.results) == {"spawn"}
    assert "workers-are-spawned" not in run.notices()


def test_spawned_workers_say_nothing_that_was_said_before(project: Project) -> None:
    project.write(
        conftest="print('conftest is here')\ndef pytest_report_header(): return 'own header'",
        **{
            f"test_{n}": f"print('module is here')\ndef test_1(): print('in test {n}')" for n in range(3)
        },
    )
    run = project.dbsafe("-s", "--start", "spawn", workers=3)
    assert run.out.count("conftest is here") == 1
    assert run.out.count("module is here") == 3
    assert run.out.count("own header") == 1
    assert run.out.count("test session starts") == 1
    assert [f"in test {n}" in run.out for n in range(3)] == [True] * 3


def test_sets_are_iterated_over_alike_everywhere(project: Project) -> None:
    project.write(
        test_one="""
            import os, pytest
            @pytest.mark.parametrize("x", {"a", "b", "c", "d", "e", "f", "g", "h"})
            def test_1(x): assert "PYTHONHASHSEED" not in os.environ
        """
    )
    run = project.dbsafe("--start", "spawn")
    assert run.code == 0, run.out
    assert len(run.outcomes) == 8


def test_suites_that_collect_differently_each_time_are_told(project: Project) -> None:
    project.write(
        test_one="""
            import os, pytest
            @pytest.mark.parametrize("x", [os.getpid()])
            def test_1(x): pass
        """
    )
    run = project.dbsafe("--start", "spawn")
    assert run.code == 67
    assert "error[collected-differently]" in run.out
    assert project.dbsafe("--start", "fork").code == 0


def test_memory_of_the_zygote_is_shared(project: Project) -> None:
    project.write(
        conftest="import os\nHOME = os.getpid()\nBIG = bytearray(2**20)",
        test_one="""
            import conftest, gc, os
            def test_1():
                assert os.getppid() == conftest.HOME
                assert gc.get_freeze_count() > 1000
        """,
    )
    assert project.dbsafe().code == 0
