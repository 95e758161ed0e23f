"""Runs of the demo in every kind, with several numbers of workers, in random orders of batches."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from agreeing.place import Place, different
from dbsafe_runner.config import RunRequest, load_config
from dbsafe_runner.session.parts import targets
from dbsafe_runner.session.verifying import run_serially

Say = Callable[[str], None]


class Verifying:
    """What came out so far: (kind, workers) -> (runs, differences)."""

    def __init__(self, place: Place, say: Say) -> None:
        self._place = place
        self._say = say
        self.runs: collections.Counter[tuple[str, int]] = collections.Counter()
        self.differences: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
        #: Tests that pass serially in each kind, of how many.
        self.serial: dict[str, tuple[int, int]] = {}

    def play(self, kinds: Sequence[str], workers: Sequence[int], rounds: int, seed: int) -> None:
        """Compare `rounds` runs of each kind with each number of workers to one serial run."""
        chance = random.Random(seed)
        for kind in kinds:
            expected = self._serially(kind)
            for number in range(rounds):
                for count in workers:
                    order = chance.randrange(10**6)
                    self._compare(kind, count, order, expected, number)

    def table(self) -> str:
        """The outcome as a table."""
        lines = ["| kind | workers | runs | tests that passed serially | differences |"]
        lines.append("|---|---|---|---|---|")
        for (kind, workers), runs in self.runs.items():
            passed, tests = self.serial[kind]
            found = len(self.differences[kind, workers])
            lines.append(f"| {kind} | {workers} | {runs} | {passed} of {tests} | {found} |")
        named = [
            f"- {kind}, {workers} workers: {text}"
            for (kind, workers), texts in self.differences.items()
            for text in texts
        ]
        return "\n".join([*lines, "", *named]).rstrip()

    def _serially(self, kind: str) -> dict[str, str]:
        place = self._place
        place.tidy()
        demo = place.root / "demo"
        options = {"database.server": "embedded"}
        if kind != "server":
            options = {"database.server": place.url(kind), "database.namespace": kind}
        config = load_config(demo, environment={}, options=options, file=demo / "runner.toml")
        request = RunRequest(demo, (), 0, colour=False)
        serial = dict(run_serially(config, request, targets(config)).outcomes)
        passed = sum(outcome == "passed" for outcome in serial.values())
        self.serial[kind] = passed, len(serial)
        self._say(f"{kind}: serially {passed} of {len(serial)} passed")
        return serial

    def _compare(
        self, kind: str, workers: int, order: int, expected: dict[str, str], number: int
    ) -> None:
        place = self._place
        place.tidy()
        output = Path(place.root, f"{kind}-{workers}-{number}")
        options = [*place.options(kind), "--workers", str(workers)]
        found, code = place.run(output, *options, DBSAFE_BATCH_ORDER=str(order))
        differences = different(expected, found)
        self.runs[kind, workers] += 1
        self.differences[kind, workers] += [f"{text} (order {order})" for text in differences]
        self._say(
            f"{kind}, {workers} workers, order {order}: exit code {code}, {len(differences)} differences"
        )
        for text in differences:
            self._say(f"  {text}")
