"""Curves: what the run took over time, as lines to be drawn. Draws nothing itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dbsafe_runner.reporting.formatting import size_text
from dbsafe_runner.reporting.results import RunReport

#: Width and height of the drawing that the points are for.
_WIDTH, _HEIGHT = 1000.0, 36.0


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """One quantity: points as SVG has them, and its greatest value in words."""

    title: str
    points: str
    peak: str


def make_curves(report: RunReport) -> list[Curve]:
    """Processors, memory, workers and connections over the run; none without two samples."""
    moments = report.moments
    if len(moments) < 2:
        return []
    times = [moment.at for moment in moments]
    busy = [moment.processors for moment in moments]
    memory = [float(moment.memory) for moment in moments]
    workers = [float(moment.workers) for moment in moments]
    connections = [float(moment.connections) for moment in moments]
    curves = [
        Curve("Processors", _points(times, busy, 1.0), f"{max(busy):.0%} at most"),
        Curve("Memory", _points(times, memory, max(memory)), f"{size_text(int(max(memory)))} at most"),
        Curve("Workers", _points(times, workers, max(workers)), f"{max(workers):.0f} at most"),
    ]
    if any(connections):
        most = max(connections)
        curves.append(Curve("Connections", _points(times, connections, most), f"{most:.0f} at most"))
    return curves


def _points(times: Sequence[float], values: Sequence[float], top: float) -> str:
    """The line through all values; the top of the drawing stands for `top`."""
    first, whole = times[0], times[-1] - times[0] or 1.0
    # A little room above and below, so that lines at the edges are seen whole.
    return " ".join(
        f"{(at - first) / whole * _WIDTH:.1f},"
        f"{_HEIGHT - 2 - min(value / top if top else 0.0, 1.0) * (_HEIGHT - 4):.1f}"
        for at, value in zip(times, values, strict=True)
    )
