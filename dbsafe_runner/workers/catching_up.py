"""Catching up: what an interrupted batch runs again, so that its rest finds what it would serially.

Tests of a file may hang on what those before them left in the database. When the file's namespace is
lost in the middle, the rest would start on a fresh one: a test that fails serially for what another left
could pass there. So the successor first runs again what came before; nothing of that is reported.
"""

from __future__ import annotations

from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.scheduling.answers import Assignment


class CatchingUp:
    """Which batches were interrupted, and what their parts have to run again."""

    def __init__(self) -> None:
        self._interrupted: set[int] = set()
        self._given_up: set[int] = set()

    def interrupted(self, assignment: Assignment | None) -> None:
        """A worker leaves in the middle of this, or one of its tests has to be run again later."""
        if assignment is not None and assignment.batch.reset is ResetPolicy.AFTER_BATCH:
            self._interrupted.add(assignment.batch.id)

    def give_up(self, assignment: Assignment | None) -> None:
        """Running its tests again cost a worker or its namespace: that is not tried twice."""
        if assignment is not None:
            self._given_up.add(assignment.batch.id)

    def tests_before(self, assignment: Assignment) -> tuple[int, ...]:
        """The tests that are to be run again before this."""
        batch = assignment.batch
        if batch.id not in self._interrupted - self._given_up:
            return ()
        return tuple(batch.tests[: batch.tests.index(assignment.tests[0])])
