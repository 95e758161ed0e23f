"""Try again, with growing pauses, what failed for a passing reason."""

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

PASSING = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)


def pauses(first: float = 0.02, factor: float = 2.0, longest: float = 1.0) -> Iterator[float]:
    """Seconds to wait before each further attempt, without jitter."""
    pause = first
    while True:
        yield min(pause, longest)
        pause *= factor


def is_passing(error: BaseException) -> bool:
    """True for errors that a second attempt may not meet, bare or wrapped by SQLAlchemy."""
    if isinstance(error, DBAPIError):
        return isinstance(error.orig, PASSING)
    return isinstance(error, PASSING)


def with_retries(
    action: Callable[[], T],
    attempts: int = 4,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> T:
    """The result of the action, tried again as long as its errors are passing ones and attempts remain."""
    for attempt, pause in enumerate(pauses(), start=1):
        try:
            return action()
        except (psycopg.Error, DBAPIError) as error:
            if attempt >= attempts or not is_passing(error):
                raise
            sleep(pause * (0.5 + jitter() / 2))
    raise AssertionError("pauses never ends")
