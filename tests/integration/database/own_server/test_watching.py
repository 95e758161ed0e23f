"""The session that watches goes on where it was ended, and not where its server went down."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from dbsafe_runner.database.link import LinkError
from dbsafe_runner.database.links import Links


@pytest.fixture
def links(user_server) -> Iterator[Links]:
    made = Links(user_server.url(), 130000)
    yield made
    made.close()


def restarted(user_server, _pid: int) -> None:
    user_server.restart()


def crashed(user_server, _pid: int) -> None:
    with user_server.connect() as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                user_server.ask("select 1")
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("fault", [restarted, crashed])
def test_a_server_that_went_down_is_not_watched_further(
    user_server, links: Links, fault: Callable[..., None]
) -> None:
    assert links.watch.query("select 1") == [("1",)]
    fault(user_server, links.watch.pid)
    for _ in range(2):
        with pytest.raises(LinkError):
            links.watch.query("select 1")


def test_a_session_that_somebody_ended_is_opened_again(user_server, links: Links) -> None:
    user_server.do(f"select pg_terminate_backend({links.watch.pid})")
    assert links.watch.query("select 1") == [("1",)]
    assert links.watch.generation == 2
