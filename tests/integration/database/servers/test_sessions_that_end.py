"""Our sessions in databases of the suite, on a machine that stalls for longer than they may be idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.link import QUIET_SETTINGS, Link, LinkError, Row


class Stalled(Link):
    """A link whose process does not get a processor between connecting and its first statement."""

    def _query(self, sql: str, params: Sequence[str | None]) -> list[Row]:
        time.sleep(0.2)
        return super()._query(sql, params)


@pytest.fixture
def dsn(provide: Callable[..., EmbeddedProvider]) -> Iterator[str]:
    provider = provide()
    provider.prepare(lambda _: None)
    namespace = provider.acquire("gw0")
    yield namespace.admin_dsn
    provider.release(namespace)


def test_a_session_that_ends_before_its_first_statement_is_followed_by_a_patient_one(dsn: str) -> None:
    hurried = {**QUIET_SETTINGS, "idle_session_timeout": "50"}
    link = Stalled(dsn, "postgres", hurried, {"idle_session_timeout": "5000"})
    assert link.query("show idle_session_timeout") == [("5s",)]
    link.close()
    with pytest.raises(LinkError):
        Stalled(dsn, "postgres", hurried).query("select 1")


def test_a_session_that_ended_between_two_uses_is_opened_again(dsn: str) -> None:
    hurried = {**QUIET_SETTINGS, "idle_session_timeout": "50"}
    link = Link(dsn, "postgres", hurried, {"idle_session_timeout": "5000"})
    for _ in range(2):
        time.sleep(0.2)
        assert link.query("show idle_session_timeout") in ([("50ms",)], [("5s",)])
    assert link.generation > 1
    link.close()
