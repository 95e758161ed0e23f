"""Findings: what trials have found out, entered into the ledger and told to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.domain import events
from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.confirmation import Finding, Trial
from dbsafe_runner.workers import telling
from dbsafe_runner.workers.ledger import Ledger
from dbsafe_runner.workers.suspects import Suspect

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool


class Findings:
    """Where verdicts go.

    Args:
        pool: the dispatcher.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def enter(self, suspect: Suspect, finding: Finding) -> None:
        """Report a suspect's outcome, which its trials may have excused, and say why."""
        message = suspect.message
        nodeid, *others = map(self._ledger.nodeid, (suspect.test, *finding.others))
        if message is None:
            now = self._pool.now()
            self._pool.emit(events.TestExamined(now, nodeid, finding.verdict, tuple(others)))
            return
        if self._excuses(finding) and suspect.redeemed is not None:
            redeemed, worker = suspect.redeemed, suspect.worker
            self._ledger.excused(message, redeemed, worker, finding.verdict, finding.others)
        else:
            self._ledger.reported(message, suspect.worker, finding.verdict, finding.others)
        if words := telling.of_finding(finding, others):
            reason = message.fields.get("reason", "")
            self._pool.notice(
                "warning",
                f"{finding.verdict.value}-test",
                f"It failed ({reason}), and {words}.",
                hint=telling.hint(finding, nodeid),
                nodeid=nodeid,
            )

    def tell_start(self, worker: str, suspect: Suspect, trial: Trial) -> None:
        """Tell that the process of a trial is being started."""
        nodeid, behind = self._ledger.nodeid(suspect.test), len(trial.company)
        self._pool.emit(events.TrialStarted(self._pool.now(), worker, nodeid, trial.kind.value, behind))

    def tell_stop(self, worker: str) -> None:
        """Tell that it is gone."""
        self._pool.emit(events.TrialStopped(self._pool.now(), worker))

    def tell_trial(self, suspect: Suspect, trial: Trial, *, passed: bool) -> None:
        """Tell that a trial has ended."""
        nodeid, behind = self._ledger.nodeid(suspect.test), len(trial.company)
        self._pool.emit(events.TrialEnded(self._pool.now(), nodeid, trial.kind.value, behind, passed))

    def tell_spent(self, seconds: float) -> None:
        """Tell that the budget of trials is spent."""
        self._pool.notice(
            "warning",
            "not-run-again",
            "What further failures hang on is not looked for: "
            f"running others again took {seconds:.0f} s.",
            hint="`dbsafe bisect NODEID` finds out what one of them hangs on.",
        )

    def _excuses(self, finding: Finding) -> bool:
        flaky = finding.verdict is Verdict.FLAKY and self._pool.settings.flaky_passes
        return finding.verdict is Verdict.BRITTLE or flaky or finding.only_out_of_order

    @property
    def _ledger(self) -> Ledger:
        assert self._pool.ledger is not None
        return self._pool.ledger
