"""Runs of the demo in every kind, with several numbers of workers, in random orders of batches."""

from __future__ import annotations

import collections
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agreeing.place import Place, different
from dbsafe_runner.config import RunRequest, load_config
from dbsafe_runner.session.parts import targets
from dbsafe_runner.session.serial_run import run_serially

Say = Callable[[str], None]
#: So many runs of a kind and number of workers share a history; the first of them knows nothing.
_ONE_HISTORY = 4


class Verifying:
    """What came out so far: (kind, workers) -> (runs, differences). Kept in a file when there is one."""

    def __init__(
        self, place: Place, say: Say, state: Path | None = None, confirm_budget: str = ""
    ) -> None:
        self._place = place
        self._more = ["--confirm-budget", confirm_budget] if confirm_budget else []
        self._say = say
        self._state = state
        self.runs: collections.Counter[tuple[str, int]] = collections.Counter()
        self.differences: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
        #: Tests that pass serially in each kind, of how many.
        self.serial: dict[str, tuple[int, int]] = {}
        if state is not None and state.exists():
            self._load(json.loads(state.read_text()))

    def play(self, kinds: Sequence[str], workers: Sequence[int], rounds: int, seed: int) -> None:
        """Compare `rounds` runs of each kind with each number of workers to a serial run.

        What the file tells of earlier runs counts. The seed makes one random order for each run.
        """
        for kind in kinds:
            wanted = [
                (number, count)
                for number in range(rounds)
                for count in workers
                if self.runs[kind, count] <= number
            ]
            if not wanted:
                continue
            expected = self._serially(kind)
            for number, count in wanted:
                order = random.Random(f"{seed} {kind} {count} {number}").randrange(10**6)
                self._compare(kind, count, order, expected, number)
                self._save()

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

    def _load(self, state: dict[str, Any]) -> None:
        self.serial = {kind: (passed, tests) for kind, passed, tests in state["serial"]}
        for kind, workers, runs, differences in state["runs"]:
            self.runs[kind, workers] = runs
            self.differences[kind, workers] = differences

    def _save(self) -> None:
        if self._state is None:
            return
        runs = [[*key, count, self.differences[key]] for key, count in self.runs.items()]
        serial = [[kind, *counts] for kind, counts in self.serial.items()]
        self._state.write_text(json.dumps({"serial": serial, "runs": runs}, indent=1))

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
        history = place.root / f"{kind}-{workers}-{number // _ONE_HISTORY}.db"
        options = [*place.options(kind), "--workers", str(workers), "--history", str(history)]
        options += self._more
        found, code = place.run(output, *options, DBSAFE_BATCH_ORDER=str(order))
        differences = different(expected, found)
        self.runs[kind, workers] += 1
        self.differences[kind, workers] += [f"{text} (order {order})" for text in differences]
        self._say(
            f"{kind}, {workers} workers, order {order}: exit code {code}, {len(differences)} differences"
        )
        for text in differences:
            self._say(f"  {text}")
