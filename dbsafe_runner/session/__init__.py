"""The composition root: what a command does, from the configuration and the request to the result.

It puts the parts together and decides nothing that a part could decide by itself.
"""

from dbsafe_runner.session.benchmarking import Benchmark, Contender, Turn, benchmark
from dbsafe_runner.session.bisecting import Bisected, bisect
from dbsafe_runner.session.prospect import CollectionEnded, Comparison, Prospect, prospect
from dbsafe_runner.session.running import run
from dbsafe_runner.session.verifying import Difference, Verification, verify

__all__ = [
    "Benchmark",
    "Bisected",
    "CollectionEnded",
    "Comparison",
    "Contender",
    "Difference",
    "Prospect",
    "Turn",
    "Verification",
    "benchmark",
    "bisect",
    "prospect",
    "run",
    "verify",
]
