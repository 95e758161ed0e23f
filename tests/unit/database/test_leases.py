from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.database.leases import LEAST, TERM, WISH, Leases, room


def test_a_lease_says_what_was_granted() -> None:
    leases = Leases()
    lease = leases.grant("gw0", "one", 8, now=100.0, waited=0.5)
    assert (lease.namespace, lease.worker, lease.generation, lease.connections) == ("one", "gw0", 1, 8)
    assert lease.expires == 100.0 + TERM


def test_each_further_namespace_of_a_worker_is_a_generation() -> None:
    leases = Leases()
    assert leases.grant("gw0", "one", 8, 0.0, 0.0).generation == 1
    leases.end("one")
    assert leases.grant("gw0", "two", 8, 0.0, 0.0).generation == 2
    assert leases.grant("gw1", "three", 8, 0.0, 0.0).generation == 1


def test_leases_that_are_renewed_do_not_expire() -> None:
    leases = Leases()
    leases.grant("gw0", "kept", 4, 0.0, 0.0)
    leases.grant("gw1", "lost", 4, 0.0, 0.0)
    assert leases.revoke_expired(TERM - 1) == []
    leases.renew(TERM - 1)
    assert leases.revoke_expired(TERM) == []
    assert [lease.namespace for lease in leases.revoke_expired(2 * TERM - 1)] == ["kept", "lost"]
    assert leases.promised == 0
    assert leases.revoke_expired(3 * TERM) == []


def test_the_share_is_what_there_is_for_each_of_those_expected() -> None:
    leases = Leases()
    assert leases.share(free=100, expected=4) == WISH
    assert leases.share(free=24, expected=4) == 6
    assert leases.share(free=10, expected=4) == LEAST
    assert leases.share(free=LEAST - 1, expected=1) == 0
    assert leases.share(free=-3, expected=1) == 0


def test_metrics_tell_of_the_past() -> None:
    leases = Leases()
    leases.grant("gw0", "one", 10, 0.0, 0.25)
    leases.grant("gw1", "two", 6, 0.0, 1.0)
    leases.end("one", leaks=2)
    leases.end("one", leaks=2)
    leases.grant("gw0", "three", 4, 0.0, 0.0)
    metrics = leases.metrics
    assert (metrics.granted, metrics.peak, metrics.peak_connections) == (3, 2, 16)
    assert (metrics.waited, metrics.longest_wait, metrics.leaks) == (1.25, 1.0, 2)
    assert leases.promised == 10


def test_room_counts_workers_with_the_least() -> None:
    assert room(3 * LEAST + LEAST - 1) == 3
    assert room(-1) == 0


@given(
    free=st.integers(-5, 300),
    expected=st.integers(0, 40),
    ends=st.lists(st.booleans(), max_size=60),
)
def test_promises_never_exceed_what_is_free(free: int, expected: int, ends: list[bool]) -> None:
    leases = Leases()
    numbers = itertools.count()
    granted: list[str] = []
    for ended in ends:
        if ended and granted:
            leases.end(granted.pop(0))
        elif connections := leases.share(free, expected):
            assert LEAST <= connections <= WISH
            granted.append(f"n{next(numbers)}")
            leases.grant("gw", granted[-1], connections, 0.0, 0.0)
        assert leases.promised <= max(free, 0)
