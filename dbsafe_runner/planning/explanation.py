"""Explanation: a plan, and the place of one test in it, as plain data for `dbsafe plan` and `explain`.

Nothing is drawn here, and no source line is read: evidence names file and line, and the caller shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.batching import runs_alone
from dbsafe_runner.planning.grouping import leaves_nothing, strongest
from dbsafe_runner.planning.request import PlanRequest

_MEANING: Mapping[Level, str] = {
    Level.NONE: "opens no connection",
    Level.READ_ONLY: "connects and changes nothing",
    Level.ISOLATED_WRITES: "no row that it writes is left when it has been torn down",
    Level.SHARED_WRITES: "what it changes outlives it, or nobody knows yet",
    Level.SCHEMA_CHANGES: "changes the schema",
    Level.SEQUENTIAL_ONLY: "changes what no namespace can hold, or has to run alone",
}


#: What would free a test that has to run alone, by what its evidence says.
_REMEDIES = (
    ("fixed file", "with a path below tmp_path"),
    ("fixed port", "with port 0, for which the system gives a free one,"),
    ("is marked", "without the mark"),
    ("its place in the order", "without the mark for its place"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class LevelRow:
    """One line of the plan's table. `share` is the part of the predicted seconds, 0 to 1."""

    level: Level
    tests: int
    batches: int
    seconds: float
    share: float
    #: Kinds of isolation, the most frequent first.
    isolation: tuple[str, ...]
    concurrency: str
    why: str
    #: Tests by the source of their level.
    sources: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """What `dbsafe explain` tells of one test. Times are seconds."""

    nodeid: str
    level: Level
    meaning: str
    footprint: Footprint
    chain: tuple[Evidence, ...]
    isolation: str
    reset: str
    exclusive: bool
    fresh: bool
    batch: int
    #: Node ids that are in the same batch, itself included, in order.
    together: tuple[str, ...]
    may_be_split: bool
    why: str
    #: Node ids of the batches that have to end before this one, the last test of each.
    waits_for: tuple[str, ...]
    seconds: float
    seconds_known: bool
    would_change: tuple[str, ...]


def level_rows(plan: Plan, request: PlanRequest) -> tuple[LevelRow, ...]:
    """The table by level; levels without tests are left out."""
    kinds = {test.index: request.classification(test) for test in request.tests}
    spent: dict[Level, float] = {}
    counts: dict[Level, int] = {}
    sources: dict[Level, dict[str, int]] = {}
    hosts: dict[Level, dict[int, Batch]] = {}
    for batch in plan.batches:
        for test, seconds in zip(batch.tests, batch.seconds, strict=True):
            level, source = kinds[test].level, strongest(kinds[test]).value
            spent[level] = spent.get(level, 0.0) + seconds
            counts[level] = counts.get(level, 0) + 1
            by_source = sources.setdefault(level, {})
            by_source[source] = by_source.get(source, 0) + 1
            hosts.setdefault(level, {})[batch.id] = batch
    total = sum(spent.values()) or 1.0
    return tuple(
        LevelRow(
            level=level,
            tests=counts[level],
            batches=len(hosts[level]),
            seconds=spent[level],
            share=spent[level] / total,
            isolation=_frequent([batch.isolation.value for batch in hosts[level].values()]),
            concurrency=_concurrency(plan, level, list(hosts[level].values())),
            why=_MEANING[level],
            sources=dict(sorted(sources[level].items())),
        )
        for level in sorted(counts)
    )


def _frequent(words: Sequence[str]) -> tuple[str, ...]:
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return tuple(sorted(counts, key=lambda word: (-counts[word], word)))


def _concurrency(plan: Plan, level: Level, batches: Sequence[Batch]) -> str:
    if all(batch.exclusive for batch in batches):
        return "alone"
    cap = plan.caps.get(level)
    limit = f"{cap} of {plan.workers}" if cap and cap < plan.workers else f"all {plan.workers}"
    return f"{limit}, some alone" if any(batch.exclusive for batch in batches) else limit


def explain(nodeid: str, plan: Plan, request: PlanRequest) -> Explanation | None:
    """Why a test is where it is; None when the plan does not have it."""
    names = {test.index: test.nodeid for test in request.tests}
    found = next((test for test in request.tests if test.nodeid == nodeid), None)
    batch = next((b for b in plan.batches if found and found.index in b.tests), None)
    if found is None or batch is None:
        return None
    kind, forecast = request.classification(found), request.forecast(found)
    by_id = {b.id: b for b in plan.batches}
    return Explanation(
        nodeid=nodeid,
        level=kind.level,
        meaning=_MEANING[kind.level],
        footprint=kind.footprint,
        chain=kind.chain,
        isolation=batch.isolation.value,
        reset=batch.reset.value,
        exclusive=batch.exclusive,
        fresh=batch.fresh,
        batch=batch.id,
        together=tuple(names[test] for test in batch.tests),
        may_be_split=batch.splittable,
        why=batch.why,
        waits_for=tuple(names[by_id[earlier].tests[-1]] for earlier in batch.after),
        seconds=forecast.seconds,
        seconds_known=forecast.known,
        would_change=(
            *would_change(kind, batch, ran=forecast.known),
            *_about_running_alone(kind, batch, request),
        ),
    )


def would_change(kind: Classification, batch: Batch, *, ran: bool = False) -> tuple[str, ...]:
    """What would put the test on another level, or let it run more freely; in words.

    `ran` says that the test has run before.
    """
    footprint = kind.footprint
    advice = [_about_source(kind, ran=ran)]
    if footprint.alone and strongest(kind) not in {Source.MARKER, Source.RULE}:
        what = _lasting_word(kind)
        advice += [f"{so} it could run beside other tests" for word, so in _REMEDIES if word in what]
    if batch.level > kind.level and not batch.splittable:
        advice.append(f"its batch has a test of level {batch.level.name}, and they stay {batch.why}")
    rows = not footprint.writes or footprint.writes > footprint.sequences
    if kind.level is Level.SHARED_WRITES and rows:
        advice.append("if it rolled back what it writes, it would be ISOLATED_WRITES")
    if len(batch.tests) > 1 and not batch.splittable and not leaves_nothing(kind):
        advice.append("once its file's tests are known not to need each other, the file may be split")
    return tuple(advice)


def _about_running_alone(kind: Classification, batch: Batch, request: PlanRequest) -> tuple[str, ...]:
    """Why the batch of a test runs alone where that is not the test's own doing, or need not be."""
    if not batch.exclusive:
        return ()
    inside = set(batch.tests)
    neighbours = {
        test.nodeid: request.classification(test) for test in request.tests if test.index in inside
    }
    if not runs_alone(request, kind):
        culprit = next(name for name, one in neighbours.items() if runs_alone(request, one))
        return (f"it runs alone because of {culprit}, with which it stays {batch.why}",)
    own = dataclasses.replace(request, namespace_kind=NamespaceKind.SERVER)
    if kind.footprint.cluster and not any(runs_alone(own, one) for one in neighbours.values()):
        return ("on a server of its own per worker it would not have to run alone",)
    return ()


def _about_source(kind: Classification, *, ran: bool) -> str:
    """What the level rests on, and what would put something else in its place."""
    source = strongest(kind)
    if source in {Source.MARKER, Source.RULE}:
        where = "its dbsafe marker" if source is Source.MARKER else "the rule in runner.toml"
        return f"the level is {where}'s word; without it, observation and analysis decide"
    if source is Source.OBSERVED:
        return "the level was observed; it is looked at again when the test's code changes"
    if kind.footprint.alone or any(one.source is Source.OBSERVED for one in kind.chain):
        return f"no observation takes back what the sources say: {_lasting_word(kind)}"
    if ran:
        return (
            "it has run, but no run of the code as it is was observed to its end; once it passes,"
            " what it does is known, and the next plan uses that"
        )
    return "one run observes what the test really does, and the next plan uses that"


def _lasting_word(kind: Classification) -> str:
    """The piece of static evidence that holds whatever is observed, with its place."""
    words: tuple[str, ...] = ()
    if not kind.footprint.alone:
        words = ("changes the cluster", "all sessions", "setval()", "nextval()")
    said = [one for one in kind.chain if one.source is Source.STATIC]
    fitting = [one for word in words for one in said if word in one.what]
    one = (fitting or said or list(kind.chain))[0]
    return f"{one.what} ({one.file}:{one.line})" if one.file else one.what
