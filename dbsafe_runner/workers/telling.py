"""The words for what trials have found out about a failed test."""

from __future__ import annotations

from collections.abc import Sequence

from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.scheduling.confirmation import Finding

#: Names that are told one by one.
_MOST = 3


def of_finding(finding: Finding, names: Sequence[str]) -> str:
    """What was found out, as the rest of a sentence about the test; "" when there is nothing to tell.

    Args:
        finding: the verdict.
        names: node ids of the tests that it hangs on.
    """
    others = _listed(names) if names else "the tests before it"
    if finding.only_in_order:
        return "passes in the order of a serial run, which it did not have here; it counts as passed"
    if finding.verdict is Verdict.FLAKY and finding.only_quiet:
        return "passes when nothing runs beside it: it depends on how fast the machine is, and is flaky"
    if finding.verdict is Verdict.FLAKY:
        return "passes when it is run again under the same conditions: it is flaky"
    if finding.verdict is Verdict.VICTIM and finding.only_out_of_order:
        return (
            f"passes alone but fails behind {others}: it is a victim, though not in a serial run, "
            "where it comes first; it counts as passed"
        )
    if finding.verdict is Verdict.VICTIM:
        breaks = "which breaks it" if len(names) == 1 else "which break it"
        return f"passes alone but fails behind {others}, {breaks}: it is a victim"
    if finding.verdict is Verdict.BRITTLE:
        needs = "which it needs"
        return f"passes only behind {others}, {needs}: it is brittle, and counts as passed"
    return ""


def hint(finding: Finding, nodeid: str) -> str:
    """How to find out more; "" when all is known."""
    if finding.only_in_order:
        return f"dbsafe bisect '{nodeid}' finds out what it hangs on."
    if finding.verdict in {Verdict.VICTIM, Verdict.BRITTLE} and not finding.others:
        return f"dbsafe bisect '{nodeid}' finds out which of them."
    return ""


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _MOST:
        return " and ".join(names)
    return f"{', '.join(names[:_MOST])} and {len(names) - _MOST} more"
