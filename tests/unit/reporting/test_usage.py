from __future__ import annotations

from dbsafe_runner.domain.events import PoolResized, RunStarted, Vitals, WorkerStarted, WorkerVitals
from dbsafe_runner.reporting.curves import make_curves
from dbsafe_runner.reporting.html import as_html
from dbsafe_runner.reporting.recorder import Recorder
from dbsafe_runner.reporting.results import RunReport
from dbsafe_runner.reporting.usage import MOST_MOMENTS, RunUsage

MIB = 2**20


def sample(at: float, memory: int = 30, connections: int = 1, processors: float = 0.5) -> Vitals:
    workers = {
        "gw0": WorkerVitals(processors, memory * MIB, connections),
        "gw1": WorkerVitals(0.25, 10 * MIB, 0),
    }
    return Vitals(at, processors, 0.1, 1000 * MIB, (memory + 50) * MIB, workers)


def record(*samples: Vitals) -> RunReport:
    recorder = Recorder()
    recorder.on(RunStarted(0.0, 0.0, (), "/p", "adaptive", 2, "1", "3"))
    recorder.on(PoolResized(0.1, 2, 0, "as planned"))
    recorder.on(WorkerStarted(0.2, "gw0", 1, "fork"))
    for event in samples:
        recorder.on(event)
    recorder.on(PoolResized(3.0, 4, 2, "the processors are 5% busy"))
    return recorder.report()


def test_peaks_and_means_of_the_run_and_of_each_worker() -> None:
    report = record(sample(1, 30, 1, 0.5), sample(2, 90, 3, 1.0))
    usage = report.workers[0].usage
    assert usage is not None
    assert (usage.memory_peak, usage.memory_mean) == (90 * MIB, 60 * MIB)
    assert (usage.processors_peak, usage.processors_mean) == (1.0, 0.75)
    assert (usage.connections_peak, usage.connections_mean) == (3, 2)
    assert report.usage is not None
    assert report.usage.memory_peak == 140 * MIB
    assert [moment.workers for moment in report.moments] == [2, 2]
    assert [(size.workers, size.reason) for size in report.pool] == [
        (2, "as planned"),
        (4, "the processors are 5% busy"),
    ]


def test_a_run_too_short_for_samples_has_no_usage() -> None:
    report = record()
    assert report.usage is None
    assert report.workers[0].usage is None
    assert report.moments == []
    assert make_curves(report) == []
    assert "Resources" not in as_html(report)


def test_a_long_run_keeps_a_bounded_number_of_moments_and_every_peak() -> None:
    usage = RunUsage()
    for second in range(100_000):
        usage.sampled(sample(second, memory=777 if second == 54_321 else 30))
    moments = usage.moments()
    assert MOST_MOMENTS / 2 <= len(moments) <= MOST_MOMENTS
    assert max(moment.memory for moment in moments) == (777 + 50) * MIB
    assert moments[-1].at > 99_000
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)


def test_curves_span_the_drawing() -> None:
    curves = {curve.title: curve for curve in make_curves(record(sample(1), sample(2), sample(3, 60)))}
    assert set(curves) == {"Processors", "Memory", "Workers", "Connections"}
    assert curves["Memory"].points == "0.0,10.7 500.0,10.7 1000.0,2.0"
    assert curves["Memory"].peak == "110 MiB at most"


def test_the_page_shows_curves_workers_and_changes() -> None:
    page = as_html(record(sample(1), sample(2)))
    assert "Resources" in page
    assert "<polyline" in page
    assert "30 MiB" in page
    assert "the processors are 5% busy" in page
