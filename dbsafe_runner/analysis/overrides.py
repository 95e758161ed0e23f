"""Overrides: what the `dbsafe` marker and the rules of runner.toml say, and what is wrong there."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from dbsafe_runner.analysis.marks import literal
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Mark, Test

MARKER = "dbsafe"
_KEYWORDS = ("level", "group", "exclusive")


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know about the levels. `code` is an entry of docs/errors.md."""

    code: str
    message: str
    hint: str = ""
    nodeid: str = ""
    file: str = ""
    line: int = 0


class Rule(Protocol):
    """One of `[[rules]]`. All the conditions that are given must hold for a test."""

    @property
    def nodeid(self) -> str | None:
        """A pattern for node ids, in which `*` and `?` stand for any text and any character."""
        ...

    @property
    def mark(self) -> str | None:
        """The name of a mark that the test has."""
        ...

    @property
    def fixture(self) -> str | None:
        """The name of a fixture in the test's closure."""
        ...

    @property
    def level(self) -> Level | None:
        """The level that it gives."""
        ...

    @property
    def group(self) -> str:
        """The group that it gives, or ""."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether nothing may run beside the test."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Override:
    """What markers or rules say about one test. A level of None is not said."""

    level: Level | None = None
    group: str = ""
    exclusive: bool = False
    evidence: tuple[Evidence, ...] = ()


def level_named(value: object) -> Level | None:
    """Return the level that a number or a name in any spelling stands for; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Level(value) if value in set(Level) else None
    if not isinstance(value, str):
        return None
    shown = re.match(r"<?Level\.(\w+)", value)
    name = (shown.group(1) if shown else value).strip().upper().replace("-", "_").replace(" ", "_")
    return Level[name] if name in Level.__members__ else None


def joined(one: Override, other: Override) -> Override:
    """Return what two that weigh the same say together: the stronger level, the first group."""
    levels = [said.level for said in (one, other) if said.level is not None]
    return Override(
        max(levels, default=None),
        one.group or other.group,
        one.exclusive or other.exclusive,
        one.evidence + other.evidence,
    )


def of_marker(test: Test) -> tuple[Override, list[Note]]:
    """Return what the test's own `dbsafe` markers say, nearest first, and what is wrong with them."""
    override, notes = Override(), list[Note]()
    for mark in test.marks:
        if mark.name != MARKER:
            continue
        said, problems = _read(mark, test)
        notes.extend(problems)
        override = Override(
            override.level if override.level is not None else said.level,
            override.group or said.group,
            override.exclusive or said.exclusive,
            override.evidence + said.evidence,
        )
    return override, notes


def _read(mark: Mark, test: Test) -> tuple[Override, list[Note]]:
    problems = [f"it takes keywords only, not {', '.join(mark.args)}"] if mark.args else []
    values = {key: literal(text) for key, text in mark.kwargs}
    problems += [f"it has no {key}" for key in values if key not in _KEYWORDS]
    level = level_named(values["level"]) if "level" in values else None
    if "level" in values and level is None:
        problems.append(f"level {values['level']!r} is none of 0 to 5 or {', '.join(Level.__members__)}")
    group, exclusive = values.get("group", ""), values.get("exclusive", False)
    if not isinstance(group, str):
        problems.append(f"group {group!r} is not a string")
        group = ""
    if not isinstance(exclusive, bool):
        problems.append(f"exclusive {exclusive!r} is neither True nor False")
        exclusive = False
    notes = [
        Note(
            "bad-marker",
            f"{test.nodeid}: the dbsafe marker is wrong: {problem}",
            "Write @pytest.mark.dbsafe(level=..., group=..., exclusive=...), each of them optional.",
            test.nodeid,
            test.code_file,
            test.line,
        )
        for problem in problems
    ]
    said = ", ".join(f"{key}={text}" for key, text in mark.kwargs)
    useful = level is not None or bool(group) or exclusive
    evidence = (Evidence(Source.MARKER, f"dbsafe({said})", test.code_file, test.line),) if useful else ()
    return Override(level, group, exclusive, evidence), notes


def of_rules(tests: Sequence[Test], rules: Sequence[Rule]) -> tuple[dict[str, Override], list[Note]]:
    """Return what the rules say, by node id, and notes on rules that match nothing or contradict.

    Where rules contradict each other the stronger level holds, and the first group.
    """
    matches: dict[str, list[int]] = {}
    used: set[int] = set()
    for test in tests:
        found = [number for number, rule in enumerate(rules) if _matches(rule, test)]
        if found:
            matches[test.nodeid] = found
            used.update(found)
    notes = [
        Note(
            "rule-matches-nothing",
            f"{_name(rules, number)} matches no test",
            _advice(rules[number]),
        )
        for number in range(len(rules))
        if number not in used
    ]
    notes.extend(_contradictions(rules, matches))
    return {nodeid: _merged(rules, found) for nodeid, found in matches.items()}, notes


def _advice(rule: Rule) -> str:
    """What to do about a rule that matches nothing."""
    if rule.nodeid is not None and re.search(r"\[[^\]]*\]", rule.nodeid):
        return (
            "Correct or delete the rule. Brackets in a pattern stand for themselves, as in the names of"
            " parametrised tests; only * and ? stand for other characters."
        )
    return "Correct or delete the rule."


def _merged(rules: Sequence[Rule], found: Iterable[int]) -> Override:
    numbers = list(found)
    levels = [level for number in numbers if (level := rules[number].level) is not None]
    groups = [rules[number].group for number in numbers if rules[number].group]
    return Override(
        max(levels, default=None),
        groups[0] if groups else "",
        any(rules[number].exclusive for number in numbers),
        tuple(Evidence(Source.RULE, _says(rules, number)) for number in numbers),
    )


def _contradictions(rules: Sequence[Rule], matches: dict[str, list[int]]) -> list[Note]:
    """Return a note for each pair of rules that contradict each other, with the first such test."""
    notes: dict[tuple[int, int], Note] = {}
    for nodeid, numbers in matches.items():
        for position, one in enumerate(numbers):
            for other in numbers[position + 1 :]:
                clash, holds = _clash(rules[one], rules[other])
                if clash and (one, other) not in notes:
                    message = (
                        f"{_name(rules, one)} and {_name(rules, other)} contradict each other: {clash}"
                    )
                    hint = f"Both match {nodeid}. Narrow one of them; until then {holds}."
                    notes[one, other] = Note("contradictory-rules", message, hint, nodeid)
    return list(notes.values())


def _clash(one: Rule, other: Rule) -> tuple[str, str]:
    """What two rules contradict each other about, and what holds; "" where they agree."""
    found = []
    if one.level is not None and other.level is not None and one.level is not other.level:
        found.append((f"{one.level.name} against {other.level.name}", "the stronger level holds"))
    if one.group and other.group and one.group != other.group:
        found.append((f'group "{one.group}" against "{other.group}"', "the group of the first holds"))
    return ", ".join(clash for clash, _ in found), " and ".join(holds for _, holds in found)


def _matches(rule: Rule, test: Test) -> bool:
    if rule.nodeid is not None and not _pattern(rule.nodeid).fullmatch(test.nodeid):
        return False
    if rule.mark is not None and all(mark.name != rule.mark for mark in test.marks):
        return False
    return rule.fixture is None or any(fixture.name == rule.fixture for fixture in test.fixtures)


@functools.lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern in which brackets are plain text, as node ids of parametrized tests have them."""
    parts = (
        ".*" if part == "*" else "." if part == "?" else re.escape(part)
        for part in re.split(r"([*?])", text)
    )
    return re.compile("".join(parts), re.DOTALL)


def _conditions(rule: Rule) -> str:
    given = (("nodeid", rule.nodeid), ("mark", rule.mark), ("fixture", rule.fixture))
    return ", ".join(f'{key} "{value}"' for key, value in given if value is not None)


def _name(rules: Sequence[Rule], number: int) -> str:
    return f"rule {number + 1} ({_conditions(rules[number])})"


def _says(rules: Sequence[Rule], number: int) -> str:
    rule = rules[number]
    said = [rule.level.name] if rule.level is not None else []
    said += [f'group "{rule.group}"'] if rule.group else []
    said += ["exclusive"] if rule.exclusive else []
    return f"{_name(rules, number)} says {', '.join(said)}"
