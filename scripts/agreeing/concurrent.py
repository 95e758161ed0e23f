"""Several runs at once on one server: none may see, use or remove anything of another's."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agreeing.place import Place, different, outcomes_in

#: Files of the demo that do not ask for the whole server to themselves.
FILES = ("audit", "constraints", "inventory", "page_views")


@dataclasses.dataclass
class Outcome:
    """What came of all rounds."""

    rounds: int = 0
    runs: int = 0
    tests: int = 0
    seconds: float = 0.0
    collisions: list[str] = dataclasses.field(default_factory=list)
    left_over: list[str] = dataclasses.field(default_factory=list)

    def text(self, at_once: int) -> str:
        """In a few lines."""
        summary = (
            f"{self.rounds} rounds of {at_once} runs at once on one server, {self.tests:,} tests in "
            f"{self.seconds:.0f} s: {len(self.collisions)} collisions, "
            f"{len(self.left_over)} objects left behind."
        )
        return "\n".join([summary, *(f"- {text}" for text in self.collisions + self.left_over)])


def play(
    place: Place,
    rounds: int,
    say: Callable[[str], None],
    at_once: int = 3,
    names: Sequence[str] = FILES,
) -> Outcome:
    """Start `at_once` runs together, `rounds` times; the first run of all, alone, says what is right."""
    outcome = Outcome()
    files = [f"tests/test_{name}.py" for name in names]
    options = [*place.options("database"), "--workers", "2", *files]
    expected, code = place.run(place.root / "alone", *options)
    if code or not expected:
        raise SystemExit((place.root / "alone.txt").read_text())
    # The demo's migrations make a role, which belongs to the whole server.
    place.server.remember_roles()
    started = time.monotonic()
    for number in range(rounds):
        outputs = [Path(place.root, f"round-{number}-{run}") for run in range(at_once)]
        processes = [place.start(output, *options) for output in outputs]
        for run, (process, output) in enumerate(zip(processes, outputs, strict=True)):
            code = process.wait(600)
            found = outcomes_in(output)
            wrong = different(expected, found)
            if code:
                wrong.append(f"exit code {code}: {output.with_suffix('.txt').read_text()[-1500:]}")
            outcome.collisions += [f"round {number}, run {run}: {text}" for text in wrong]
            outcome.tests += len(found)
            outcome.runs += 1
        outcome.left_over += [f"round {number}: {text}" for text in place.server.left_over()]
        outcome.rounds += 1
        say(
            f"round {number + 1} of {rounds}: {len(outcome.collisions)} collisions, "
            f"{len(outcome.left_over)} left over"
        )
    outcome.seconds = time.monotonic() - started
    return outcome
