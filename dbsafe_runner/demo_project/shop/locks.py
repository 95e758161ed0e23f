"""Named locks that hold across processes: PostgreSQL's advisory locks."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection


class LockTakenError(RuntimeError):
    """Somebody else holds the lock."""


def lock_key(name: str) -> int:
    """A name as the signed 64-bit number that PostgreSQL wants; the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def named_lock(connection: Connection, name: str) -> Iterator[None]:
    """Hold the lock for the block. Raises LockTakenError at once if somebody else does."""
    key = lock_key(name)
    if not connection.execute("SELECT pg_try_advisory_lock(%s) AS got", (key,)).fetchone()["got"]:
        raise LockTakenError(name)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


@contextmanager
def waiting_lock(connection: Connection, name: str, timeout: float) -> Iterator[None]:
    """Hold the lock for the block, waiting up to so many seconds. Raises psycopg's LockNotAvailable."""
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{int(timeout * 1000)}ms",))
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(name),))
        yield
