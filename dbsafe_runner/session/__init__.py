"""The composition root: what a command does, from the configuration and the request to the result.

It puts the parts together and decides nothing that a part could decide by itself.
"""

from dbsafe_runner.session.bisecting import Bisected, bisect
from dbsafe_runner.session.prospect import CollectionEnded, Comparison, Prospect, prospect
from dbsafe_runner.session.running import run
from dbsafe_runner.session.verifying import Difference, Verification, verify

__all__ = [
    "Bisected",
    "CollectionEnded",
    "Comparison",
    "Difference",
    "Prospect",
    "Verification",
    "bisect",
    "prospect",
    "run",
    "verify",
]
