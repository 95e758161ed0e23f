"""Usage: what a run and each of its workers took over time, from the samples in the stream.

Keeps a bounded number of moments, whatever the length of the run. Draws nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from dbsafe_runner.domain import events
from dbsafe_runner.reporting import results

#: When there are so many moments, each two neighbours become one.
MOST_MOMENTS: Final = 400


@dataclasses.dataclass(slots=True)
class WorkerUsage:
    """What one worker process took, sample by sample."""

    looks: int = 0
    memory_peak: int = 0
    memory_sum: int = 0
    processors_peak: float = 0.0
    processors_sum: float = 0.0
    connections_peak: int = 0
    connections_sum: int = 0

    def add(self, vitals: events.WorkerVitals) -> None:
        """Take one sample."""
        self.looks += 1
        self.memory_peak = max(self.memory_peak, vitals.memory)
        self.memory_sum += vitals.memory
        self.processors_peak = max(self.processors_peak, vitals.processors)
        self.processors_sum += vitals.processors
        self.connections_peak = max(self.connections_peak, vitals.connections)
        self.connections_sum += vitals.connections

    def info(self) -> results.UsageInfo | None:
        """Peaks and means; None for a process that ended before it was looked at."""
        if not self.looks:
            return None
        return results.UsageInfo(
            memory_peak=self.memory_peak,
            memory_mean=self.memory_sum // self.looks,
            processors_peak=self.processors_peak,
            processors_mean=self.processors_sum / self.looks,
            connections_peak=self.connections_peak,
            connections_mean=self.connections_sum / self.looks,
        )


class RunUsage:
    """What the run as a whole took, and how many workers it had."""

    def __init__(self) -> None:
        self._moments: list[results.Moment] = []
        self._peak = WorkerUsage()
        self.pool: list[results.PoolSize] = []

    def sampled(self, event: events.Vitals) -> None:
        """Take one sample."""
        connections = sum(vitals.connections for vitals in event.workers.values())
        self._peak.add(events.WorkerVitals(event.processors, event.memory, connections))
        self._moments.append(
            results.Moment(
                at=round(event.at, 3),
                processors=round(event.processors, 3),
                io_wait=round(event.io_wait, 3),
                available=event.available,
                memory=event.memory,
                workers=len(event.workers),
                connections=connections,
            )
        )
        if len(self._moments) > MOST_MOMENTS:
            self._moments = [
                _together(*pair) for pair in zip(self._moments[::2], self._moments[1::2], strict=False)
            ]

    def resized(self, event: events.PoolResized) -> None:
        """Take a change of the number of workers."""
        self.pool.append(
            results.PoolSize(at=round(event.at, 3), workers=event.workers, reason=event.reason)
        )

    def moments(self) -> list[results.Moment]:
        """All of the run, in at most `MOST_MOMENTS`."""
        return list(self._moments)

    def info(self) -> results.UsageInfo | None:
        """Peaks and means of the whole; processors are a part of all that the machine has."""
        return self._peak.info()


def busy_shares(busy: Mapping[str, float], span: float) -> dict[str, float]:
    """Which part of the time from the first test to the last each worker was running tests, 0 to 1."""
    return {worker: min(seconds / span, 1.0) for worker, seconds in busy.items()} if span > 0 else {}


def _together(first: results.Moment, second: results.Moment) -> results.Moment:
    """Two moments as one: means of what is a part of time, peaks of what is a size or a number."""
    return results.Moment(
        at=second.at,
        processors=round((first.processors + second.processors) / 2, 3),
        io_wait=round((first.io_wait + second.io_wait) / 2, 3),
        available=min(first.available, second.available),
        memory=max(first.memory, second.memory),
        workers=max(first.workers, second.workers),
        connections=max(first.connections, second.connections),
    )
