"""The command line: how many faults, for how long, and where the table goes."""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from faulting.kinds import FAULTS, Fault
from faulting.own_server import own_server
from faulting.rounds import Round, Rounds
from faulting.stage import stage
from faulting.tables import Counts, table

_BEGIN, _END = "<!-- faults -->", "<!-- end of faults -->"


def main() -> None:
    """Inject faults, print the table, and fail when something was not right."""
    options = _options()
    # Ended either way, the run that is under way and the servers end, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    counts = Counts(options.state)
    with stage() as place, own_server(place.root) as server:
        usable = [
            fault
            for fault in FAULTS
            if (not options.kinds or fault.name in options.kinds)
            and not (fault.name == "disk-full" and place.cannot_fill)
        ]
        if place.cannot_fill:
            _tell(f"disk-full is left out: {place.cannot_fill}")
        rounds = Rounds(place, server)
        _tell(f"{len(rounds.learn())} tests")
        bad = _play(rounds, counts, usable, options)
        _tell("waiting until the user's server has been up for long enough to be cleaned")
        bad += [f"at the end: {problem}" for problem in rounds.settle()]
    text = _text(counts)
    print(text)
    if options.into:
        put(options.into, text)
    for problem in bad:
        print(f"PROBLEM: {problem}")
    sys.exit(bool(bad))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument(
        "--count", type=int, default=500, help="faults in all, those of earlier calls included"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="go on no longer than this")
    parser.add_argument("--seed", type=int, default=None, help="of all choices; by default another one")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=[], help="only these")
    parser.add_argument("--state", type=Path, help="keep the count here, and go on from what is there")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="put the table into this page")
    parser.add_argument("--evidence", type=Path, help="keep the output of bad rounds in this folder")
    return parser.parse_args()


def _play(
    rounds: Rounds, counts: Counts, usable: Sequence[Fault], options: argparse.Namespace
) -> list[str]:
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    _tell(f"seed {seed}")
    deadline = time.monotonic() + 60 * options.minutes
    bad: list[str] = []
    while counts.injected < options.count and time.monotonic() < deadline:
        chance = random.Random(f"{seed} {counts.rounds}")
        faults = choose(usable, counts, chance)
        played = rounds.play(faults, chance)
        counts.add(played)
        line = f"{counts.rounds}: {', '.join(played.injected) or 'nothing'} in {played.seconds:.1f} s"
        problems = played.judgement.problems
        _tell(f"{line}, {_summary(played)}, {counts.injected} faults so far")
        for problem in problems:
            _tell(f"  {problem}")
            bad.append(f"{line}: {problem}")
        if (problems or played.judgement.gave_up) and options.evidence:
            options.evidence.mkdir(parents=True, exist_ok=True)
            (options.evidence / f"{counts.rounds}.txt").write_text(
                f"{line}\n" + "\n".join(problems) + f"\n\n{played.output}"
            )
    return bad


def choose(usable: Sequence[Fault], counts: Counts, chance: random.Random) -> list[Fault]:
    """Faults for one run: those that came least so far, and at most one that ends it, at the end."""

    def so_far(fault: Fault) -> tuple[int, float]:
        count = counts.by_kind.get(fault.name)
        return (count.injected if count else 0, chance.random())

    ordered = sorted(usable, key=so_far)
    first = ordered[0]
    own = first.own or (not first.embedded and chance.random() < 0.35)
    fitting = [fault for fault in ordered if not (fault.embedded if own else fault.own)]
    lasting = [fault for fault in fitting if not fault.ends]
    chosen = lasting[: chance.randint(2, 4)]
    if first.ends or not chosen:
        chosen = [*chosen[:1], next(fault for fault in fitting if fault.ends)]
    if own and not any(fault.own for fault in chosen):
        # What makes it a run on the user's server.
        chosen = [fault for fault in lasting if fault.own][:1] + chosen
    return chosen


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks in the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def _text(counts: Counts) -> str:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    basis = (
        f"{counts.injected} faults in {counts.rounds} runs, {counts.seconds / 60:.0f} min; {machine}."
    )
    return f"{basis}\n\n{table(counts, FAULTS)}"


def _summary(played: Round) -> str:
    judgement = played.judgement
    parts = [f"exit code {judgement.exit_code}"]
    parts += [f"{judgement.redeemed} run again"] if judgement.redeemed else []
    parts += [f"{judgement.named} name a fault"] if judgement.named else []
    parts += ["gave up"] if judgement.gave_up else []
    parts += [f"{len(judgement.problems)} PROBLEMS"] if judgement.problems else []
    return ", ".join(parts)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
