from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from types import FunctionType

import pytest

from dbsafe_runner.workers import fork_safety

_ended = threading.Event()


@pytest.fixture(autouse=True)
def no_other_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What else runs in this process is none of the suite's."""
    before = set(threading.enumerate())
    _ended.clear()

    def enumerated() -> list[threading.Thread]:
        return [*set(threading._active.values()) - before]  # type: ignore[attr-defined]

    monkeypatch.setattr(threading, "enumerate", enumerated)
    # The native threads of this process are its own, too.
    monkeypatch.setattr(fork_safety.Path, "is_dir", lambda path: str(path) != "/proc/self/task")
    yield
    _ended.set()
    for thread in enumerated():
        thread.join()


def waiting(module: str, name: str) -> Callable[[], None]:
    """A function that waits for the end of the test, as if it were from that module."""

    def wait() -> None:
        _ended.wait()

    made = FunctionType(wait.__code__, {**globals(), "__name__": module}, name)
    made.__module__ = module
    return made


def threads() -> list[str]:
    return [reason for reason in fork_safety.reasons_not_to_fork(frozenset()) if "thread" in reason]


def test_a_thread_is_named_with_its_module() -> None:
    threading.Thread(target=waiting("shop.metrics", "push"), name="pusher").start()
    assert threads() == ["importing the suite started 1 thread: pusher of shop.metrics"]


def test_each_thread_is_named_with_its_own_module() -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            _ended.wait()

    threading.Thread(target=functools.partial(waiting("shop.a", "run")), name="T-1").start()
    Own(name="T-2").start()
    assert threads() == [f"importing the suite started 2 threads: T-1 of shop.a, T-2 of {__name__}"]


def test_a_timer_is_named_with_the_module_of_its_function() -> None:
    timer = threading.Timer(60, waiting("shop.cache", "expire"))
    timer.name = "timer"
    timer.start()
    try:
        assert threads() == ["importing the suite started 1 thread: timer of shop.cache"]
    finally:
        timer.cancel()


def test_the_server_of_rerunfailures_is_harmless() -> None:
    threading.Thread(target=waiting("pytest_rerunfailures", "run_server")).start()
    assert threads() == []


def test_what_that_server_started_for_a_client_is_not() -> None:
    threading.Thread(target=waiting("pytest_rerunfailures", "run_connection"), name="T").start()
    assert threads() == ["importing the suite started 1 thread: T of pytest_rerunfailures"]


@pytest.mark.filterwarnings("error")
def test_forking_beside_a_harmless_thread_warns_of_nothing() -> None:
    threading.Thread(target=waiting("pytest_rerunfailures", "run_server")).start()
    child = fork_safety.fork()
    if child == 0:
        fork_safety.os._exit(0)
    assert fork_safety.os.waitpid(child, 0)[1] == 0
