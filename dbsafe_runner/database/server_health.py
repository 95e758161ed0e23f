"""Health of the user's server: whether it answers, what is waited for, and for how long.

It looks at nothing by itself: those who use the server say how that went.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from dbsafe_runner.database.leases import Metrics
from dbsafe_runner.database.provider import ProviderClosedError, Report
from dbsafe_runner.errors import UserError

T = TypeVar("T")

#: Seconds between the first two attempts, and the most between any two.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Health:
    """Keeps account of one server.

    Args:
        patience: seconds that it is waited for.
        closing: set when the run is over; ends every wait.
        metrics: `recoveries` counts the times that it was lost and found again.
    """

    def __init__(self, patience: float, closing: threading.Event, metrics: Metrics) -> None:
        self.patience = patience
        #: Told in words when the server is lost, and when it is back.
        self.report: Report = lambda _text: None
        self._closing = closing
        self._metrics = metrics
        self._lock = threading.Lock()
        self._lost_at: float | None = None

    @property
    def lost(self) -> bool:
        """Whether it did not answer the last time."""
        return self._lost_at is not None

    @property
    def pause(self) -> float:
        """Seconds until the next attempt: the longer the server is gone, the longer."""
        since = self._lost_at
        gone = 0.0 if since is None else time.monotonic() - since
        return min(max(_FIRST_PAUSE, gone / 4), _LONGEST_PAUSE)

    def patiently(self, work: Callable[[], T]) -> T:
        """Do `work`, again and again while the server does not answer, for as long as patience lasts.

        Raises:
            UserError: `server-unreachable`.
            psycopg.OperationalError: it went away in the middle, and patience is at its end.
            ProviderClosedError: the run is over.
        """
        deadline = time.monotonic() + self.patience
        while True:
            try:
                result = work()
            except (psycopg.OperationalError, UserError) as error:
                if isinstance(error, UserError) and error.code != "server-unreachable":
                    raise
                if self._closing.is_set():
                    raise ProviderClosedError from None
                self.failed()
                if time.monotonic() + self.pause >= deadline:
                    raise
                self._closing.wait(self.pause)
            else:
                self.answered()
                return result

    def failed(self) -> None:
        """The server did not answer."""
        with self._lock:
            if self._lost_at is not None:
                return
            self._lost_at = time.monotonic()
        self.report(f"the server does not answer; it is waited for up to {self.patience:.0f} s")

    def answered(self) -> None:
        """The server answered."""
        with self._lock:
            lost_at, self._lost_at = self._lost_at, None
            if lost_at is None:
                return
            self._metrics.recoveries += 1
        self.report(f"the server answers again after {time.monotonic() - lost_at:.1f} s")
