"""The count of what happened, kept from session to session, and the table that shows it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from faulting.kinds import Fault
from faulting.rounds import Round

_COLUMNS = (
    "fault",
    "injected",
    "runs",
    "all as serially",
    "tests name it",
    "run ended, said why",
    "wrong verdicts",
    "lost outcomes",
    "otherwise broken",
    "left behind",
)


@dataclasses.dataclass
class Count:
    """What came of one kind of fault. Runs with several kinds count for each of them."""

    injected: int = 0
    runs: int = 0
    equal: int = 0
    named: int = 0
    gave_up: int = 0
    wrong: int = 0
    lost: int = 0
    broken: int = 0
    left: int = 0


class Counts:
    """All counts, in a file when there is one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.rounds = 0
        self.seconds = 0.0
        self.by_kind: dict[str, Count] = {}
        if file is not None and file.exists():
            state = json.loads(file.read_text())
            self.rounds, self.seconds = state["rounds"], state["seconds"]
            self.by_kind = {name: Count(**values) for name, values in state["kinds"].items()}

    @property
    def injected(self) -> int:
        """Faults that hit something."""
        return sum(count.injected for count in self.by_kind.values())

    def add(self, played: Round) -> None:
        """Count a round, and keep the count."""
        judgement = played.judgement
        self.rounds += 1
        self.seconds += played.seconds
        for name in played.injected:
            self.by_kind.setdefault(name, Count()).injected += 1
        for name in set(played.injected):
            count = self.by_kind[name]
            count.runs += 1
            clean = not (judgement.problems or judgement.named or judgement.gave_up)
            count.equal += clean
            count.named += bool(judgement.named)
            count.gave_up += judgement.gave_up
            count.wrong += len(judgement.wrong)
            count.lost += len(judgement.lost)
            count.broken += len(judgement.broken)
            count.left += len(judgement.left)
        self._save()

    def _save(self) -> None:
        if self._file is not None:
            kinds = {name: dataclasses.asdict(count) for name, count in self.by_kind.items()}
            state = {"rounds": self.rounds, "seconds": self.seconds, "kinds": kinds}
            self._file.write_text(json.dumps(state, indent=1))


def table(counts: Counts, faults: Sequence[Fault]) -> str:
    """The table, in Markdown."""
    rows = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1))]
    total = Count()
    for fault in faults:
        count = counts.by_kind.get(fault.name)
        if count is None:
            continue
        values = dataclasses.astuple(count)
        total = Count(*(a + b for a, b in zip(dataclasses.astuple(total), values, strict=True)))
        rows.append((fault.meaning, *map(str, values)))
    rows.append(("**all**", *(f"**{value}**" for value in dataclasses.astuple(total))))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
