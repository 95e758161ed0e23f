"""A job queue on PostgreSQL: SKIP LOCKED for the workers, NOTIFY to wake them, plain psycopg."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

MAX_ATTEMPTS = 3
CHANNEL = "job_added"

Handler = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """A job that a worker has taken."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempts: int


def enqueue(connection: Connection, kind: str, payload: Mapping[str, Any], delay: float = 0) -> int:
    """Add a job that may start after so many seconds; its id."""
    row = connection.execute(
        "INSERT INTO jobs (kind, payload, run_at) "
        "VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s)) RETURNING id",
        (kind, Jsonb(dict(payload)), delay),
    ).fetchone()
    return row["id"]


def take(connection: Connection) -> Job | None:
    """The next job that is due and that nobody else holds; it is ours until the transaction ends."""
    row = connection.execute(
        """
        UPDATE jobs SET status = 'running', attempts = attempts + 1
        WHERE id = (
            SELECT id FROM jobs WHERE status = 'waiting' AND run_at <= clock_timestamp()
            ORDER BY run_at, id FOR UPDATE SKIP LOCKED LIMIT 1
        )
        RETURNING id, kind, payload, attempts
        """
    ).fetchone()
    return Job(**row) if row else None


def work_one(connection: Connection, handlers: Mapping[str, Handler]) -> Job | None:
    """Take a job, run its handler, note how it went, all in one transaction. None if nothing is due."""
    with connection.transaction():
        job = take(connection)
        if job is None:
            return None
        try:
            handlers[job.kind](job.payload)
        except Exception as error:  # Whatever a handler raises is the job's failure, not the worker's.
            _give_back(connection, job, error)
        else:
            connection.execute(
                "UPDATE jobs SET status = 'done', finished_at = clock_timestamp() WHERE id = %s", (job.id,)
            )
    return job


def _give_back(connection: Connection, job: Job, error: Exception) -> None:
    status = "failed" if job.attempts >= MAX_ATTEMPTS else "waiting"
    pause = 0.05 * 2**job.attempts
    connection.execute(
        "UPDATE jobs SET status = %s, error = %s, run_at = clock_timestamp() + make_interval(secs => %s) "
        "WHERE id = %s",
        (status, f"{type(error).__name__}: {error}", pause, job.id),
    )


def work_all(connection: Connection, handlers: Mapping[str, Handler]) -> int:
    """Work until nothing is due; how many jobs ran."""
    done = 0
    while work_one(connection, handlers) is not None:
        done += 1
    return done


def wait_for_jobs(listener: Connection, timeout: float) -> list[str]:
    """What a listening autocommit connection hears, ``id:kind``, or nothing after so many seconds."""
    return [note.payload for note in listener.notifies(timeout=timeout, stop_after=1)]
