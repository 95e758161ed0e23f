"""Leases: who has which namespace until when, and how many connections a server can give to each.

Pure: the time is passed in, in seconds of any clock that does not go back. It measures nothing and ends
nothing; `UserServerProvider` does.
"""

from __future__ import annotations

import dataclasses
from typing import Final

#: Seconds after which a lease that nobody renewed is over.
TERM: Final = 30.0

#: Connections that one namespace should have, and with how few it is worth while to start: our own two
#: for observation, and the suite's.
WISH: Final = 12
LEAST: Final = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to one namespace and a number of connections, until `expires`."""

    namespace: str
    worker: str
    generation: int
    connections: int
    expires: float


@dataclasses.dataclass(slots=True)
class Metrics:
    """What happened to the leases of a run. Times are seconds."""

    granted: int = 0
    waited: float = 0.0
    longest_wait: float = 0.0
    #: Most leases, and most connections promised, at any one time.
    peak: int = 0
    peak_connections: int = 0
    #: Sessions that were still open in a namespace when it was given back.
    leaks: int = 0
    #: Times that the server or our session on it was lost and found again.
    recoveries: int = 0


class Leases:
    """The book of one run's leases."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._leases: dict[str, Lease] = {}
        self._generations: dict[str, int] = {}

    @property
    def promised(self) -> int:
        """Connections promised to living leases."""
        return sum(lease.connections for lease in self._leases.values())

    def share(self, free: int, expected: int) -> int:
        """How many connections to promise to one more lease; 0 when there are too few.

        Args:
            free: what the server could give to all our leases together.
            expected: how many leases there will be at the same time, as far as that is known.
        """
        left = free - self.promised
        if left < LEAST:
            return 0
        return max(LEAST, min(WISH, left, free // max(expected, 1)))

    def grant(self, worker: str, namespace: str, connections: int, now: float, waited: float) -> Lease:
        """Enter a lease. `waited` is how long the worker had to wait for it."""
        generation = self._generations.get(worker, 0) + 1
        self._generations[worker] = generation
        lease = Lease(namespace, worker, generation, connections, now + TERM)
        self._leases[namespace] = lease
        metrics = self.metrics
        metrics.granted += 1
        metrics.waited += waited
        metrics.longest_wait = max(metrics.longest_wait, waited)
        metrics.peak = max(metrics.peak, len(self._leases))
        metrics.peak_connections = max(metrics.peak_connections, self.promised)
        return lease

    def renew(self, now: float) -> None:
        """Put off the end of all leases."""
        for name, lease in self._leases.items():
            self._leases[name] = dataclasses.replace(lease, expires=now + TERM)

    def revoke_expired(self, now: float) -> list[Lease]:
        """Strike out, and return, the leases that nobody renewed in time."""
        over = [lease for lease in self._leases.values() if lease.expires <= now]
        for lease in over:
            del self._leases[lease.namespace]
        return over

    def end(self, namespace: str, leaks: int = 0) -> None:
        """Strike a lease out; harmless when there is none."""
        if self._leases.pop(namespace, None) is not None:
            self.metrics.leaks += leaks


def room(free: int) -> int:
    """How many workers a server has connections for."""
    return max(0, free // LEAST)
