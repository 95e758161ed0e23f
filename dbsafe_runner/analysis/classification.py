"""Classification: weighs markers, rules, observations and static analysis; the strongest is in force."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from dbsafe_runner.analysis.levels import Privacy, derive_level
from dbsafe_runner.analysis.overrides import Note, Override, Rule, joined, of_marker, of_rules
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test

#: A static footprint below this confidence counts as unknown.
LEAST_CONFIDENCE = 0.5
_UNKNOWN = Footprint(connects=True, outlives=True, confidence=0.0)


def classify(
    tests: Sequence[Test],
    static: Mapping[str, Footprint],
    observed: Mapping[str, Footprint],
    rules: Sequence[Rule] = (),
    *,
    plugins: Mapping[str, Override] | None = None,
    privacy: Privacy = Privacy.DATABASE,
) -> tuple[list[Classification], list[Note]]:
    """Return the level in force for each test, in order, and notes on what contradicts or is wrong.

    The strongest that says something wins: marker, rule, observed, static, unknown. `observed` holds
    the footprints of earlier runs of the same test code; what `plugins` say by node id weighs as much
    as rules. `privacy` is what each worker has for itself: on a server of its own, cluster-wide changes
    are only schema changes.
    """
    by_rule, notes = of_rules(tests, rules)
    for nodeid, said in (plugins or {}).items():
        by_rule[nodeid] = joined(by_rule.get(nodeid, Override()), said)
    found: list[Classification] = []
    for test in tests:
        marker, problems = of_marker(test)
        notes.extend(problems)
        weighing = _Weighing(test, marker, by_rule.get(test.nodeid, Override()), privacy)
        found.append(weighing.classification(static.get(test.nodeid), observed.get(test.nodeid)))
        notes.extend(weighing.contradictions)
    return found, notes


def presumed_level(static: Footprint | None, privacy: Privacy = Privacy.DATABASE) -> Level:
    """Return the level on the word of static analysis alone: what is not certain is SHARED_WRITES."""
    if static is None:
        return Level.SHARED_WRITES
    level = derive_level(static, privacy)
    return level if static.confidence >= LEAST_CONFIDENCE else max(level, Level.SHARED_WRITES)


class _Weighing:
    """The weighing of one test."""

    def __init__(self, test: Test, marker: Override, rule: Override, privacy: Privacy) -> None:
        self._test, self._marker, self._rule = test, marker, rule
        self._privacy = privacy
        self.contradictions: list[Note] = []

    def classification(self, static: Footprint | None, observed: Footprint | None) -> Classification:
        """Return the level in force with its chain of evidence, strongest first."""
        footprint, level, chain = self._facts(static, observed)
        for override in (self._rule, self._marker):
            if override.evidence:
                chain = (*override.evidence, *chain)
            if override.level is not None:
                level = override.level
        if observed is not None:
            self._compare(static, observed)
        return Classification(
            nodeid=self._test.nodeid,
            level=level,
            footprint=footprint,
            chain=chain,
            group=self._marker.group or self._rule.group,
            exclusive=self._marker.exclusive or self._rule.exclusive,
        )

    def _facts(
        self, static: Footprint | None, observed: Footprint | None
    ) -> tuple[Footprint, Level, tuple[Evidence, ...]]:
        """Return footprint, level and evidence without the overrides."""
        if observed is not None:
            merged = _completed(observed, static)
            level, seen, said = self._level(merged), _seen(observed), _chain(static)
            # What the sources say comes first where it is what puts the test on its level.
            lifted = level > self._level(_alone_seen(observed))
            return merged, level, (*said, *seen) if lifted else (*seen, *said)
        if static is None:
            nothing = Evidence(Source.UNKNOWN, "nothing is known: treated as SHARED_WRITES")
            return _UNKNOWN, Level.SHARED_WRITES, (nothing,)
        level = presumed_level(static, self._privacy)
        if static.confidence >= LEAST_CONFIDENCE:
            what = "connects, and changes nothing" if static.connects else "opens no connection"
            return static, level, static.evidence or (Evidence(Source.STATIC, what),)
        what = f"static analysis is not certain enough ({static.confidence:.2f}): treated as "
        return static, level, (Evidence(Source.UNKNOWN, what + level.name), *static.evidence)

    def _level(self, footprint: Footprint) -> Level:
        return derive_level(footprint, self._privacy)

    def _compare(self, static: Footprint | None, observed: Footprint) -> None:
        """Note where the strongest word that was said contradicts what was observed."""
        seen = self._level(_completed(observed, static))
        for source, said in ((Source.MARKER, self._marker.level), (Source.RULE, self._rule.level)):
            if said is not None:
                if said is not seen:
                    self._note(source, said, seen, static, observed)
                return
        if static is None or static.confidence < LEAST_CONFIDENCE:
            return
        said = self._level(static)
        if said is not seen:
            self._note(Source.STATIC, said, seen, static, observed)

    def _note(
        self, source: Source, said: Level, seen: Level, static: Footprint | None, observed: Footprint
    ) -> None:
        why = _because(static, observed, self._test)
        by_sources = source is not Source.STATIC and seen > self._level(_alone_seen(observed))
        if by_sources:
            why = _because_of_sources(static) or why
        who = "static analysis says" if by_sources else "observed"
        message = f"{source.value} said {said.name}, {who} {seen.name}" + (f": {why}" if why else "")
        code = "level-too-low" if said < seen else "level-too-high"
        hint = {
            Source.MARKER: "Correct the level in the test's dbsafe marker.",
            Source.RULE: "Correct the level in runner.toml.",
        }.get(source, "The observed level is used from now on.")
        nodeid = self._test.nodeid
        self.contradictions.append(
            Note(code, message, hint, nodeid, self._test.code_file, self._test.line)
        )


def _completed(observed: Footprint, static: Footprint | None) -> Footprint:
    """Return what was observed, completed by what only the sources can tell."""
    if static is None:
        return observed
    # A rolled-back insert moves the sequence of its key as setval() does, which alone is meant to last.
    # Which of them it was is told by the sources.
    moved = bool(observed.sequences and static.sequences)
    return dataclasses.replace(
        observed,
        outlives=observed.outlives or moved,
        alone=observed.alone or static.alone,
        reads=observed.reads or static.reads,
        connections=observed.connections or static.connections,
        batch_writes=observed.batch_writes or static.batch_writes,
        shares=static.shares,
        signals=static.signals,
        cpu=max(observed.cpu, static.cpu),
        memory=max(observed.memory, static.memory),
    )


def _alone_seen(observed: Footprint) -> Footprint:
    """Return what was seen alone, without what the sources tell of changes that do not show."""
    hidden = frozenset() if observed.cluster_undone else observed.cluster
    return dataclasses.replace(observed, signals=frozenset(), cluster=hidden, cluster_undone=False)


def _chain(static: Footprint | None) -> tuple[Evidence, ...]:
    return static.evidence if static is not None else ()


def _seen(observed: Footprint) -> tuple[Evidence, ...]:
    """Return the evidence of an observation, in words where it brings none."""
    return observed.evidence or (Evidence(Source.OBSERVED, _summary(observed)),)


def _summary(observed: Footprint) -> str:
    tables = ", ".join(sorted(observed.writes))
    if observed.cluster:
        return f"changes the cluster: {', '.join(sorted(observed.cluster))}"
    if observed.schema_changes:
        return "changes the schema"
    if observed.outlives:
        return f"writes {tables}" if tables else "leaves changes behind"
    if observed.writes:
        return f"writes {tables}, and nothing of it remained"
    return "changes nothing" if observed.connects else "opens no connection"


def _because_of_sources(static: Footprint | None) -> str:
    """Return the gravest thing that the sources say, with its place."""
    said = next((one for one in _chain(static) if one.source is Source.STATIC and one.what), None)
    if said is None:
        return ""
    return f"{said.what} at {said.file}:{said.line}" if said.file else said.what


def _because(static: Footprint | None, observed: Footprint, test: Test) -> str:
    """Return what was observed, with the place in the sources where it comes from when that is known."""
    said = next((one for one in observed.evidence if one.what), None)
    what = said.what if said is not None else _summary(observed)
    if said is not None and said.file:
        return f"{what} at {said.file}:{said.line}"
    names = {table.rpartition(".")[2].rpartition("/")[2] for table in observed.writes}
    for one in _chain(static):
        if one.file and any(name in one.what.split() or f"{name}," in one.what for name in names):
            return f"{what} at {one.file}:{one.line}"
    return f"{what} (test at {test.code_file}:{test.line})"
