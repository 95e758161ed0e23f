"""Checking: the values of one layer against the declared settings, each problem with its place.

pydantic decides what is wrong; the words are our own, so that a wrong value reads the same in
whatever form it was given, and passwords in URLs stay out of them.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pydantic
import pydantic_core

from dbsafe_runner.config.reference import settings_by_name
from dbsafe_runner.config.settings import Rule, Settings, lacking_halves

_SHOWN = 60

#: How a value begins that is a URL, a connection string or a mere word.
_BEGINNING = re.compile(r"([A-Za-z][\w+.-]*)(://|[:=]|\Z)")

#: A password in a URL, which may hold an "@" itself.
_PASSWORD = re.compile(r"(://[^:/@\s\"]*:)([^\s\"]*)@")

_URL_HINT = (
    "A URL is postgresql://user:password@host:port/database, with special characters in the password as"
    " %40 and the like."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a value was given: `runner.toml:4`, `--timeout` or `DBSAFE_RUN_TIMEOUT`."""

    text: str
    in_file: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in words that complete `PLACE: ...`."""

    place: Place
    message: str
    #: What to do, where the list of keys does not say enough.
    hint: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """Values from one origin, nested as in runner.toml."""

    values: Mapping[str, Any]
    place: Callable[[tuple[str | int, ...]], Place]
    #: The directory that relative paths start from; None means where dbsafe was started.
    base: Path | None
    #: What was found wrong while the layer was read.
    problems: tuple[Problem, ...] = ()


def check(layer: Layer) -> list[Problem]:
    """Everything that is wrong in `layer`, in the order of its places."""
    problems = [*layer.problems, *_halves_of_rules(layer)]
    try:
        Settings.model_validate(layer.values)
    except pydantic.ValidationError as error:
        seen = set()
        for details in error.errors(include_url=False):
            if (
                details["type"] == "value_error"
                and details["loc"][0] == "rules"
                and len(details["loc"]) == 2
            ):
                # It is among the halves that are lacking. pydantic tells one of them, and only where
                # all values are right.
                continue
            path, message = _explain(details, layer.values)
            hint = _URL_HINT if _is_url(path) else ""
            # A value that may be several things fails once for each of them.
            if path not in seen:
                seen.add(path)
                problems.append(Problem(layer.place(path), message, hint))
    return sorted(problems, key=lambda problem: _natural(problem.place.text))


def _halves_of_rules(layer: Layer) -> list[Problem]:
    rules = layer.values.get("rules")
    return [
        Problem(layer.place(("rules", number)), f"a rule {lacking}")
        for number, rule in enumerate(rules if isinstance(rules, list | tuple) else ())
        if isinstance(rule, Mapping)
        for lacking in lacking_halves({_meant_key(name): value for name, value in rule.items()})
    ]


def _meant_key(name: str) -> str:
    """The key of a rule that `name` is a slip of, which is told as such and not as lacking, too."""
    return next(iter(difflib.get_close_matches(name, Rule.model_fields, n=1, cutoff=0.6)), name)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` when something known is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]


def _explain(
    details: pydantic_core.ErrorDetails, values: Mapping[str, Any]
) -> tuple[tuple[str | int, ...], str]:
    """The path that an error is about and what is wrong there."""
    path = details["loc"]
    if details["type"] == "extra_forbidden":
        return path, _unknown(path, details["input"])
    path = path[:3] if path[0] == "rules" else path[:2]
    if not isinstance(values[str(path[0])], Mapping | list | tuple):
        path = path[:1]
    name = ".".join(str(part) for part in path if isinstance(part, str))
    setting = settings_by_name().get(name)
    value = _value_at(values, path)
    if setting is not None:
        shown = show_start(value) if setting.key.is_url else show(value)
        return path, f"{path[1]} must be {setting.key.expects}, not {shown}"
    if path[0] == "rules":
        return path, _bad_rule(path, value)
    if path[0] == "strategies" and len(path) == 2 and isinstance(path[1], str):
        return path, f"a strategy is a table, [strategies.{path[-1]}], not {show(value)}"
    shown = show_start(value) if path[0] == "database" else show(value)
    return path, f"{path[0]} must be a table, [{path[0]}], not {shown}"


def _is_url(path: tuple[str | int, ...]) -> bool:
    setting = settings_by_name().get(".".join(str(part) for part in path[:2]))
    return setting is not None and setting.key.is_url


def _unknown(path: tuple[str | int, ...], value: object) -> str:
    word = str(path[-1])
    elsewhere = [setting.section for setting in settings_by_name().values() if setting.name == word]
    if len(path) == 1 and not isinstance(value, Mapping | list):
        belongs = f" (it belongs to [{elsewhere[0]}])" if elsewhere else ""
        return f'unknown key "{word}" outside of all sections{belongs}'
    if len(path) == 1:
        return f"unknown section [{word}]{did_you_mean(word, Settings.model_fields)}"
    if path[0] == "rules":
        return f'unknown key "{word}" in a rule{did_you_mean(word, Rule.model_fields)}'
    settings = settings_by_name().values()
    own = [setting.name for setting in settings if setting.section == path[0]]
    suggestion = f" (it belongs to [{elsewhere[0]}])" if elsewhere else did_you_mean(word, own)
    return f'unknown key "{word}" in [{path[0]}]{suggestion}'


_RULE_KEYS = {
    "nodeid": "a pattern for node ids",
    "mark": "the name of a mark",
    "fixture": "the name of a fixture",
    "level": "a level from 0 to 5 or its name, such as READ_ONLY",
    "group": "a name",
    "exclusive": "true or false",
}


def _bad_rule(path: tuple[str | int, ...], value: object) -> str:
    if len(path) == 3:
        return f"{path[2]} must be {_RULE_KEYS[str(path[2])]}, not {show(value)}"
    return "rules must be tables, each one under [[rules]]"


def _value_at(values: Any, path: tuple[str | int, ...]) -> object:
    for part in path:
        values = values[part]
    return values


def show(value: object) -> str:
    """`value` as runner.toml would have it, shortened, without the password of a URL."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = str(value)
    return _shortened(_PASSWORD.sub(r"\1***@", text))


def show_start(value: object) -> str:
    """As `show`, of a value that may hold a password anywhere: how its texts begin."""
    if isinstance(value, str) and value:
        match = _BEGINNING.match(value)
        return f'"{_shortened(match[0]) if match else ""}{"" if match and match[0] == value else "…"}"'
    if isinstance(value, list | tuple):
        return _shortened(f"[{', '.join(show_start(one) for one in value)}]")
    return "a table" if isinstance(value, Mapping) else show(value)


def show_line(line: str) -> str:
    """A line of a configuration file, its places kept, without the value of a key that is a URL."""
    keys = [setting.name for setting in settings_by_name().values() if setting.key.is_url]
    if match := re.match(rf"[\s\w.\"']*\b(?:database|{'|'.join(keys)})\b[\"'\s]*=\s*", line):
        return f"{match[0]}…"
    return _PASSWORD.sub(lambda found: f"{found[1]}{'*' * len(found[2])}@", line)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
