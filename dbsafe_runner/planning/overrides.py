"""Overrides: a strategy of the user's own, from the tables `[strategies.NAME]` of `runner.toml`.

It takes plain values, as a TOML reader returns them, and reports every problem at once, as values;
how they are shown is the caller's work.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.planning.strategies import STRATEGIES, LevelRule, Share, Strategy

_T = TypeVar("_T")
_KEYS = ("based_on", "workers", "keep_caps", "live", "levels")
_LEVEL_KEYS = ("isolation", "reset", "cap", "fresh")


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be used. `key` is dotted, as in `strategies.mine.levels.3.cap`."""

    key: str
    message: str
    #: The keys that lead there, each by itself.
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


@dataclasses.dataclass(frozen=True, slots=True)
class ParsedStrategies:
    """The built-in strategies and the user's own, and what could not be used of these."""

    strategies: Mapping[str, Strategy]
    problems: tuple[Problem, ...]


def parse_strategies(tables: Mapping[str, object]) -> ParsedStrategies:
    """Read all `[strategies.NAME]` tables. One may be based on another, in any order."""
    found: dict[str, Strategy] = dict(STRATEGIES)
    problems: list[Problem] = []
    waiting = dict(tables)
    while waiting:
        usable = [name for name, table in waiting.items() if _base(name, table) not in waiting]
        if not usable:
            names = ", ".join(sorted(waiting))
            message = f"based on each other in a circle: {names}"
            problems.append(Problem("strategies", message, ("strategies", min(waiting), "based_on")))
            for name, table in waiting.items():
                # They are read as if they were based on nothing in particular, for what else is wrong.
                _Reader(name, problems).strategy(table, dict.fromkeys(waiting, STRATEGIES["balanced"]))
            break
        for name in usable:
            strategy = _Reader(name, problems).strategy(waiting.pop(name), found)
            if strategy is not None:
                found[name] = strategy
    return ParsedStrategies(found, tuple(problems))


def _base(name: str, table: object) -> object:
    """What a table is based on: a table named like a built-in strategy changes that one."""
    default = "" if name in STRATEGIES else "balanced"
    base = table.get("based_on", default) if isinstance(table, Mapping) else default
    return "" if base == name else base


class _Reader:
    """Reads one table and notes what it cannot use."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = problems

    def problem(self, key: str, message: str) -> None:
        dotted = f"strategies.{self.name}" + (f".{key}" if key else "")
        path = ("strategies", self.name, *(key.split(".") if key else ()))
        self.problems.append(Problem(dotted, message, path))

    def strategy(self, table: object, known: Mapping[str, Strategy]) -> Strategy | None:
        if not isinstance(table, Mapping):
            self.problem("", "must be a table")
            return None
        self._unknown_keys("", table, _KEYS)
        base = known.get(str(_base(self.name, table) or self.name))
        if base is None:
            choices = ", ".join(sorted(known))
            self.problem(
                "based_on", f"there is no strategy {table.get('based_on')!r}; there are {choices}"
            )
            # What else is wrong in it is to be told, too.
            base = STRATEGIES["balanced"]
        least, most = self._workers(table.get("workers", [base.least, base.most]), base)
        return Strategy(
            name=self.name,
            least=least,
            most=most,
            keep_caps=self._flag("keep_caps", table, base.keep_caps),
            live=self._flag("live", table, base.live),
            levels=self._levels(table.get("levels", {}), base.levels),
        )

    def _unknown_keys(self, prefix: str, table: Mapping[str, object], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                self.problem(f"{prefix}{key}", f"there is no such key; there are {', '.join(known)}")

    def _flag(self, key: str, table: Mapping[str, object], default: bool, prefix: str = "") -> bool:
        value = table.get(key, default)
        if isinstance(value, bool):
            return value
        self.problem(f"{prefix}{key}", f"must be true or false, not {value!r}")
        return default

    def _workers(self, value: object, base: Strategy) -> tuple[int, int]:
        pair = value if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
        numbers = [n for n in pair if isinstance(n, int) and not isinstance(n, bool) and n > 0]
        if len(pair) == len(numbers) == 2 and numbers[0] <= numbers[1]:
            return numbers[0], numbers[1]
        self.problem("workers", f"must be a number above 0 or [least, most], not {value!r}")
        return base.least, base.most

    def _levels(self, tables: object, base: Mapping[Level, LevelRule]) -> Mapping[Level, LevelRule]:
        rules = dict(base)
        if not isinstance(tables, Mapping):
            self.problem("levels", "must be a table of levels")
            return rules
        for name, table in tables.items():
            level = level_named(str(name))
            if level is None:
                choices = ", ".join(f"{level.value} or {level.name}" for level in Level)
                self.problem(f"levels.{name}", f"there is no such level; there are {choices}")
                if isinstance(table, Mapping):
                    self._rule(f"levels.{name}.", table, rules[Level.NONE])
            elif not isinstance(table, Mapping):
                self.problem(f"levels.{name}", "must be a table")
            else:
                rules[level] = self._rule(f"levels.{name}.", table, rules[level])
        return rules

    def _rule(self, prefix: str, table: Mapping[str, object], base: LevelRule) -> LevelRule:
        self._unknown_keys(prefix, table, _LEVEL_KEYS)
        isolation, reset, cap = base.isolation, base.reset, base.cap
        if "isolation" in table:
            names = {item.value: item for item in Isolation}
            isolation = self._choice(f"{prefix}isolation", table["isolation"], names, isolation)
        if "reset" in table:
            policies = {item.value: item for item in ResetPolicy}
            reset = self._choice(f"{prefix}reset", table["reset"], policies, reset)
        if "cap" in table:
            share = parse_share(table["cap"])
            if share is None:
                message = f'must be "all", a percentage such as "50%" or a number, not {table["cap"]!r}'
                self.problem(f"{prefix}cap", message)
            cap = share or cap
        return LevelRule(isolation, reset, cap, self._flag("fresh", table, base.fresh, prefix))

    def _choice(self, key: str, value: object, choices: Mapping[str, _T], default: _T) -> _T:
        if isinstance(value, str) and value in choices:
            return choices[value]
        self.problem(key, f"must be one of {', '.join(choices)}, not {value!r}")
        return default


def level_named(name: str) -> Level | None:
    """The level with this number or name, upper or lower case; None when there is none."""
    for level in Level:
        if name.upper().replace("-", "_") in {level.name, str(level.value)}:
            return level
    return None


def parse_share(value: object) -> Share | None:
    """`"all"`, `"50%"` or a number above 0; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Share(count=value) if value > 0 else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text == "all":
        return Share()
    number = text.removesuffix("%").strip()
    if text.endswith("%") and number.replace(".", "", 1).isdigit() and 0 < float(number) <= 100:
        return Share(float(number) / 100)
    return None
