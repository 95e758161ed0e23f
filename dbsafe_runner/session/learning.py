"""Learning: compares what a run saw of the tests with the levels that were in force."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from dbsafe_runner.analysis.classification import classify
from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.config import Config
from dbsafe_runner.domain.evidence import Source
from dbsafe_runner.domain.footprint import Classification
from dbsafe_runner.domain.test import Test
from dbsafe_runner.history.observed import Observation, footprint
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.knowledge import Knowledge

#: Contradictions that are shown one by one; the rest is counted.
SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Lesson:
    """What a run taught."""

    #: Tests whose level was known to be one thing and was seen to be another.
    corrected: int
    #: Tests of which nothing was known, and now is.
    learned: int
    #: What is worth telling: levels that were too low, and markers and rules that are wrong.
    notes: Sequence[Note]


def lesson_of(
    config: Config,
    knowledge: Knowledge,
    seen: Mapping[str, Observation],
    circumstances: Circumstances,
) -> Lesson:
    """What was seen in a run, beside what was known before it."""
    complete = {nodeid: one for nodeid, one in seen.items() if one.complete}
    tests = [test for test in knowledge.tests if test.nodeid in complete]
    observed = {nodeid: footprint(one) for nodeid, one in complete.items()}
    now, notes = classify(
        tests,
        knowledge.static,
        observed,
        config.rules,
        plugins=knowledge.plugins,
        privacy=circumstances.privacy,
    )
    corrected = learned = 0
    telling: set[str] = set()
    changed: list[Note] = []
    for test, new in zip(tests, now, strict=True):
        old = knowledge.classifications[new.nodeid]
        source = old.chain[0].source if old.chain else Source.UNKNOWN
        if source in {Source.MARKER, Source.RULE}:
            telling.add(new.nodeid)
        elif source is Source.UNKNOWN:
            learned += 1
        elif _differs(old, new):
            corrected += 1
            telling.add(new.nodeid)
            if source is Source.OBSERVED:
                changed.append(_changed(test, old, new))
    # What is told of a test that has changed says more.
    telling.difference_update(note.nodeid for note in changed)
    return Lesson(corrected, learned, [*changed, *_news(notes, telling, knowledge)])


def _news(notes: Iterable[Note], telling: Collection[str], knowledge: Knowledge) -> list[Note]:
    """Return what is worth telling of some tests and was not told before the run."""
    known = {(note.code, note.message) for note in knowledge.notes}
    return [
        note
        for note in notes
        if note.code == "level-too-low"
        and note.nodeid in telling
        and (note.code, note.message) not in known
    ]


def _changed(test: Test, old: Classification, new: Classification) -> Note:
    """A test that did more than in earlier runs, by which the plan was made, though it is the same."""
    why = next((one.what for one in new.chain if one.source is Source.OBSERVED and one.what), "")
    message = f"earlier runs observed {old.level.name}, this one {new.level.name}"
    hint = (
        "The test is as it was, so this hangs on something else. Tests of its file that build on what "
        "it leaves may have missed it: `dbsafe verify` tells. The next run keeps them together."
    )
    message += f": {why}" if why else ""
    return Note("level-too-low", message, hint, test.nodeid, test.code_file, test.line)


def _differs(old: Classification, new: Classification) -> bool:
    # An observation counts upward only: what was once seen to be left behind stays known.
    if old.chain[0].source is Source.OBSERVED:
        return new.level > old.level
    return new.level is not old.level
