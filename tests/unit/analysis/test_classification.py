# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
from __future__ import annotations

import dataclasses

import pytest

from dbsafe_runner.analysis.classification import classify
from dbsafe_runner.analysis.levels import Privacy
from dbsafe_runner.analysis.overrides import level_named
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import FixtureDef, Mark, Test

SOME = frozenset({"audit_log"})
READ = Footprint(
    connects=True, evidence=(Evidence(Source.STATIC, "reads items (SELECT)", "shop/items.py", 7),)
)
LEAVES = Footprint(
    connects=True, writes=SOME, outlives=True, evidence=(Evidence(Source.OBSERVED, "writes audit_log"),)
)


@dataclasses.dataclass
class RuleValue:
    nodeid: str | None = None
    mark: str | None = None
    fixture: str | None = None
    level: Level | None = None
    group: str = ""
    exclusive: bool = False


def make(nodeid: str = "tests/test_a.py::test_it", *marks: Mark, fixtures: tuple[str, ...] = ()) -> Test:
    file = nodeid.partition("::")[0]
    closure = tuple(FixtureDef(name, "function", "", 0, name) for name in fixtures)
    return Test(0, nodeid, file, 3, "", "test_it", closure, marks)


def marker(**kwargs: str) -> Mark:
    return Mark("dbsafe", (), tuple(kwargs.items()))


def one(test: Test, static=None, observed=None, rules=()):
    found, notes = classify(
        [test],
        {test.nodeid: static} if static else {},
        {test.nodeid: observed} if observed else {},
        rules,
    )
    return found[0], notes


def test_the_strongest_says_the_level() -> None:
    rule = RuleValue(nodeid="tests/*", level=Level.SCHEMA_CHANGES)
    sources = []
    levels = []
    for test, static, observed, rules in (
        (make("tests/test_a.py::test_it", marker(level="0")), READ, LEAVES, [rule]),
        (make(), READ, LEAVES, [rule]),
        (make(), READ, LEAVES, []),
        (make(), READ, None, []),
        (make(), None, None, []),
    ):
        found, _ = one(test, static, observed, rules)
        levels.append(found.level)
        sources.append([evidence.source.value for evidence in found.chain])
    assert levels == [
        Level.NONE,
        Level.SCHEMA_CHANGES,
        Level.SHARED_WRITES,
        Level.READ_ONLY,
        Level.SHARED_WRITES,
    ]
    assert sources == [
        ["marker", "rule", "observed", "static"],
        ["rule", "observed", "static"],
        ["observed", "static"],
        ["static"],
        ["unknown"],
    ]


def test_a_static_guess_counts_as_unknown() -> None:
    found, _ = one(make(), dataclasses.replace(READ, confidence=0.3))
    assert found.level is Level.SHARED_WRITES
    assert found.chain[0].source is Source.UNKNOWN
    found, _ = one(make(), Footprint(schema_changes=True, confidence=0.3))
    assert found.level is Level.SCHEMA_CHANGES


def test_a_contradiction_is_told_in_words() -> None:
    _, notes = one(make(), READ, LEAVES)
    assert [(note.code, note.message) for note in notes] == [
        (
            "level-too-low",
            "static said READ_ONLY, observed SHARED_WRITES: writes audit_log (test at tests/test_a.py:3)",
        )
    ]


def test_a_contradiction_names_the_place_where_that_is_known() -> None:
    place = Evidence(Source.STATIC, "writes, and rolls back, audit_log (INSERT)", "shop/audit.py", 41)
    isolated = Footprint(connects=True, writes=SOME, evidence=(place,))
    _, notes = one(make(), isolated, LEAVES)
    assert notes[0].message == (
        "static said ISOLATED_WRITES, observed SHARED_WRITES: writes audit_log at shop/audit.py:41"
    )


def test_a_marker_that_was_refuted_is_told_and_still_holds() -> None:
    found, notes = one(make("t.py::test_it", marker(level="'read-only'")), READ, LEAVES)
    assert found.level is Level.READ_ONLY
    assert notes[0].message.startswith("marker said READ_ONLY, observed SHARED_WRITES")
    assert "marker" in notes[0].hint


def test_too_high_a_guess_is_told_as_such() -> None:
    _, notes = one(make(), LEAVES, Footprint(connects=True))
    assert [note.code for note in notes] == ["level-too-high"]


def test_agreement_is_silent() -> None:
    assert one(make(), LEAVES, LEAVES)[1] == []


def test_what_only_sources_tell_is_kept_beside_an_observation() -> None:
    static = Footprint(alone=True, shares=frozenset({"t.py::created"}), reads=SOME)
    found, _ = one(make(), static, Footprint(connects=True))
    assert found.level is Level.SEQUENTIAL_ONLY
    assert found.footprint.shares == {"t.py::created"}
    assert found.footprint.reads == SOME


def test_a_private_server_lowers_what_is_cluster_wide() -> None:
    static = {"t.py::test_it": Footprint(cluster=frozenset({"CREATE ROLE bob"}))}
    test = make("t.py::test_it")
    assert classify([test], static, {})[0][0].level is Level.SEQUENTIAL_ONLY
    assert classify([test], static, {}, privacy=Privacy.SERVER)[0][0].level is Level.SCHEMA_CHANGES


def test_groups_and_exclusiveness() -> None:
    rule = RuleValue(fixture="mail", group="mail", exclusive=True)
    found, _ = one(make("t.py::test_it", fixtures=("mail",)), READ, None, [rule])
    assert (found.group, found.exclusive, found.level) == ("mail", True, Level.READ_ONLY)
    found, _ = one(make("t.py::test_it", marker(group="'own'"), fixtures=("mail",)), READ, None, [rule])
    assert (found.group, found.exclusive) == ("own", True)


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (RuleValue(nodeid="tests/*"), True),
        (RuleValue(nodeid="tests/test_?.py::*"), True),
        (RuleValue(nodeid="*[a-b]"), True),
        (RuleValue(nodeid="tests/test_a.py"), False),
        (RuleValue(mark="slow"), True),
        (RuleValue(mark="fast"), False),
        (RuleValue(fixture="db"), True),
        (RuleValue(fixture="d"), False),
        (RuleValue(nodeid="tests/*", mark="fast"), False),
        (RuleValue(nodeid="tests/*", mark="slow", fixture="db"), True),
    ],
)
def test_what_a_rule_matches(rule: RuleValue, matches: bool) -> None:
    rule.level = Level.SCHEMA_CHANGES
    found, notes = one(
        make("tests/test_a.py::test_it[a-b]", Mark("slow"), fixtures=("db",)), READ, None, [rule]
    )
    assert (found.level is Level.SCHEMA_CHANGES) is matches
    assert [note.code for note in notes] == ([] if matches else ["rule-matches-nothing"])


def test_contradictory_rules_are_told_once_and_the_stronger_holds() -> None:
    rules = [
        RuleValue(nodeid="*", level=Level.NONE, group="a"),
        RuleValue(mark="slow", level=Level.SCHEMA_CHANGES),
    ]
    tests = [make(f"t.py::test_{number}", Mark("slow")) for number in range(3)]
    found, notes = classify(tests, {}, {}, rules)
    assert {one.level for one in found} == {Level.SCHEMA_CHANGES}
    assert [note.message for note in notes] == [
        'rule 1 (nodeid "*") and rule 2 (mark "slow") contradict each other: NONE against SCHEMA_CHANGES'
    ]
    assert "t.py::test_0" in notes[0].hint
    assert notes[0].hint.endswith("until then the stronger level holds.")


def test_of_contradictory_groups_the_first_holds_and_the_hint_says_so() -> None:
    rules = [RuleValue(nodeid="*", group="a"), RuleValue(mark="slow", group="b")]
    _, notes = classify([make("t.py::test_one", Mark("slow"))], {}, {}, rules)
    assert notes[0].message.endswith('contradict each other: group "a" against "b"')
    assert notes[0].hint.endswith("until then the group of the first holds.")


def test_rules_may_contradict_each_other_about_both() -> None:
    rules = [
        RuleValue(nodeid="*", level=Level.NONE, group="a"),
        RuleValue(mark="slow", level=Level.SCHEMA_CHANGES, group="b"),
    ]
    _, notes = classify([make("t.py::test_one", Mark("slow"))], {}, {}, rules)
    assert notes[0].message.endswith('NONE against SCHEMA_CHANGES, group "a" against "b"')
    assert notes[0].hint.endswith("the stronger level holds and the group of the first holds.")


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        (Mark("dbsafe", ("3",)), "keywords only"),
        (marker(level="7"), "level 7 is none of 0 to 5"),
        (marker(level="'high'"), "level 'high' is none of"),
        (marker(level="True"), "level True is none of"),
        (marker(levle="1"), "it has no levle"),
        (marker(group="3"), "group 3 is not a string"),
        (marker(exclusive="'yes'"), "exclusive 'yes' is neither"),
        (
            marker(group="<object object at 0x1>", level="__import__('os')"),
            "level \"__import__('os')\" is none of",
        ),
    ],
)
def test_a_wrong_marker_is_told_with_its_place(mark: Mark, problem: str) -> None:
    found, notes = one(make("t.py::test_it", mark), READ)
    assert found.level is Level.READ_ONLY
    assert problem in notes[0].message
    assert (notes[0].code, notes[0].file, notes[0].line) == ("bad-marker", "t.py", 3)


def test_the_nearest_marker_wins() -> None:
    found, _ = one(make("t.py::test_it", marker(level="1"), marker(level="4", group="'g'")), LEAVES)
    assert (found.level, found.group) == (Level.READ_ONLY, "g")


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (3, Level.SHARED_WRITES),
        ("shared-writes", Level.SHARED_WRITES),
        ("Shared Writes", Level.SHARED_WRITES),
        ("<Level.SHARED_WRITES: 3>", Level.SHARED_WRITES),
        ("Level.NONE", Level.NONE),
        (True, None),
        (6, None),
        (None, None),
    ],
)
def test_spellings_of_levels(value: object, level: Level | None) -> None:
    assert level_named(value) is level


SEQUENCE = frozenset({"app/public.ids_seq"})
MOVED = Footprint(connects=True, writes=SEQUENCE, sequences=SEQUENCE)


def test_a_sequence_that_is_set_by_name_outlives_its_test_whatever_was_observed() -> None:
    named = Footprint(
        connects=True,
        writes=frozenset({"ids_seq"}),
        outlives=True,
        sequences=frozenset({"ids_seq"}),
        evidence=(Evidence(Source.STATIC, "writes ids_seq (setval())", "test_a.py", 5),),
    )
    kind, notes = one(make(), named, MOVED)
    assert kind.level is Level.SHARED_WRITES
    assert [piece.source for piece in kind.chain] == [Source.STATIC, Source.OBSERVED]
    assert notes == []
    # No sequence moved: the code that would set one was not reached.
    still, _ = one(make(), named, Footprint(connects=True))
    assert still.level is Level.READ_ONLY
    # A rolled-back insert has moved the sequence of its key.
    inserts = Footprint(connects=True, writes=SOME)
    assert one(make(), inserts, MOVED)[0].level is Level.ISOLATED_WRITES


@pytest.mark.parametrize("alone", [True, False])
def test_what_the_sources_keep_comes_before_what_was_observed(alone: bool) -> None:
    static = dataclasses.replace(READ, alone=alone)
    kind, _ = one(make(), static, Footprint(connects=True))
    assert kind.chain[0].source is (Source.STATIC if alone else Source.OBSERVED)


def test_a_test_that_connects_is_not_said_to_open_no_connection() -> None:
    assert one(make(), Footprint(connects=True))[0].chain[0].what == "connects, and changes nothing"
    assert one(make(), Footprint())[0].chain[0].what == "opens no connection"


@pytest.mark.parametrize(
    ("pattern", "told"), [("tests/test_[ab].py::test_?", True), ("tests/other.py::*", False)]
)
def test_brackets_in_a_pattern_that_matches_nothing_are_explained(pattern: str, told: bool) -> None:
    _, (note,) = one(make(), READ, rules=[RuleValue(nodeid=pattern, level=Level.NONE)])
    assert note.code == "rule-matches-nothing"
    assert ("Brackets" in note.hint) == told


def test_what_only_the_sources_say_is_not_called_observed() -> None:
    fixed = Evidence(Source.STATIC, "writes the fixed file /tmp/log", "tests/test_a.py", 7)
    static = Footprint(connects=True, alone=True, evidence=(fixed,))
    seen = Footprint(connects=True)
    _, (note,) = one(make("t.py::test_it", marker(level="1")), static, seen)
    assert note.message == (
        "marker said READ_ONLY, static analysis says SEQUENTIAL_ONLY:"
        " writes the fixed file /tmp/log at tests/test_a.py:7"
    )
