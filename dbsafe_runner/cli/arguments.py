"""Arguments: tells dbsafe's own options from what belongs to pytest, without knowing pytest's options.

Everything that is not an option of ours goes to pytest untouched and in order, values included.
Checks no value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

#: pytest's short options that take a value: in `-k slow` and `-kslow` nothing after the letter is
#: an option, of ours or of pytest's.
_SHORT_WITH_VALUE: Final = frozenset("kmpcorWd")

#: How pytest-xdist spells the number of workers; suites and people are used to it.
_XDIST_COUNT: Final = ("-n", "--numprocesses")
_XDIST_WORDS: Final = {"0": "1", "logical": "auto"}


@dataclasses.dataclass(frozen=True, slots=True)
class OwnOptions:
    """The spellings of our options."""

    with_value: frozenset[str]
    flags: frozenset[str]


def split_arguments(arguments: Sequence[str], own: OwnOptions) -> tuple[list[str], list[str]]:
    """Our options with their values, and everything else, each in the order given.

    After `--` everything is pytest's. `-n N` and `--numprocesses N` become `--workers N`.
    """
    ours: list[str] = []
    passed: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--":
            passed.extend(rest)
        elif name in _XDIST_COUNT or _is_attached_count(argument):
            ours.extend(_workers(argument, rest))
        elif argument in own.flags:
            ours.append(argument)
        elif name in own.with_value:
            ours.append(name)
            ours.extend([value] if equals else _next(rest))
        else:
            passed.append(argument)
            if len(argument) == 2 and argument[0] == "-" and argument[1] in _SHORT_WITH_VALUE:
                passed.extend(_next(rest))
    return ours, passed


def _is_attached_count(argument: str) -> bool:
    return argument.startswith("-n") and (argument[2:].isdigit() or argument[2:] in {"auto", "logical"})


def _workers(argument: str, rest: Iterator[str]) -> list[str]:
    name, equals, value = argument.partition("=")
    if not equals:
        value = "" if name in _XDIST_COUNT else argument.removeprefix("-n")
        value = value or next(rest, "")
    return ["--workers", _XDIST_WORDS.get(value, value)] if value else ["--workers"]


def _next(rest: Iterator[str]) -> list[str]:
    return [value for value in (next(rest, None),) if value is not None]


def verbosity_of(pytest_arguments: Iterable[str]) -> int:
    """How often -v is given, less how often -q is, counted as pytest does."""
    verbosity = 0
    skip = False
    for argument in pytest_arguments:
        if skip:
            skip = False
        elif argument in {"--verbose", "--quiet"}:
            verbosity += 1 if argument == "--verbose" else -1
        elif argument.startswith("--verbosity=") and argument[12:].lstrip("-").isdigit():
            verbosity = int(argument[12:])
        elif argument.startswith("-") and not argument.startswith("--"):
            verbosity += _verbosity_of_letters(argument[1:])
            skip = len(argument) == 2 and argument[1] in _SHORT_WITH_VALUE
    return verbosity


def _verbosity_of_letters(letters: str) -> int:
    verbosity = 0
    for letter in letters:
        if letter in _SHORT_WITH_VALUE:
            break
        verbosity += {"v": 1, "q": -1}.get(letter, 0)
    return verbosity


def colour_wanted(
    pytest_arguments: Iterable[str], environment: Mapping[str, str], *, terminal: bool
) -> bool:
    """Whether output may be coloured: what --color says, then the usual variables, then the terminal."""
    chosen = "auto"
    previous = ""
    for argument in pytest_arguments:
        if argument.startswith("--color="):
            chosen = argument.removeprefix("--color=")
        elif previous == "--color":
            chosen = argument
        previous = argument
    if chosen in {"yes", "no"}:
        return chosen == "yes"
    if environment.get("PY_COLORS") in {"0", "1"}:
        return environment["PY_COLORS"] == "1"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return terminal and environment.get("TERM") != "dumb"
