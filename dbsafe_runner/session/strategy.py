"""Strategy: the one that the configuration names, and the number of workers that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from dbsafe_runner.config import Config, line_in
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.planning.overrides import Problem, parse_strategies
from dbsafe_runner.planning.strategies import Strategy
from dbsafe_runner.session.parts import usable_cores


def chosen_strategy(config: Config) -> Strategy:
    """The strategy in force.

    Raises:
        UserError: `bad-strategy`, with everything that is wrong in any [strategies.NAME].
    """
    parsed = parse_strategies(config.strategies)
    if parsed.problems:
        name = config.file.name if config.file is not None else "the configuration"
        count = "a problem" if len(parsed.problems) == 1 else f"{len(parsed.problems)} problems"
        raise UserError(
            "bad-strategy",
            f"The strategies in {name} have {count}.",
            cause="\n".join(_with_places(config, parsed.problems)),
            hint="docs/configuration.md shows a strategy with all its keys.",
            exit_code=ExitCode.USAGE,
        )
    return parsed.strategies[config.run.isolation]


def _with_places(config: Config, problems: Sequence[Problem]) -> list[str]:
    """The problems with file and line, in the order of the lines."""
    if config.file is None:
        return [str(problem) for problem in problems]
    placed = [(line_in(config.file, problem.path), str(problem)) for problem in problems]
    return [
        f"{config.file.name}:{line}: {text}" for line, text in sorted(placed, key=lambda one: one[0])
    ]


def worker_count(config: Config, strategy: Strategy) -> int:
    """How many workers to start: as many as asked for, else what the strategy makes of the machine."""
    count = config.workers.count
    return strategy.workers(usable_cores()) if count == "auto" else count


def live_range(config: Config, strategy: Strategy) -> tuple[int, int] | None:
    """(least, most) workers where their number follows the load of the machine, else None.

    A number that was asked for is kept.
    """
    if not strategy.live or config.workers.count != "auto":
        return None
    return strategy.least, strategy.most


def caps_for(strategy: Strategy, kind: NamespaceKind, most: int) -> dict[int, dict[Level, int]]:
    """The caps that hold with 1 to `most` workers."""
    return {workers: strategy.caps(workers, kind) for workers in range(1, most + 1)}
