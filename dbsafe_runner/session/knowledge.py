"""Knowledge: all that is known of the collected tests before the plan, put together for the planner.

Facts come from static analysis, earlier runs, markers and rules; each of these decides for itself what
it says. Nothing here runs a test, and nothing that is wrong in the suite's code ends a run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbsafe_runner.analysis.analysis import analyse
from dbsafe_runner.analysis.classification import LEAST_CONFIDENCE, classify, presumed_level
from dbsafe_runner.analysis.levels import derive_level
from dbsafe_runner.analysis.overrides import Note, Override
from dbsafe_runner.config import Config
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.domain.test import Test
from dbsafe_runner.history import observed as observation
from dbsafe_runner.history.forecasts import forecast
from dbsafe_runner.history.observed import Observation, merge
from dbsafe_runner.history.records import Code, Remembered, WholeFile
from dbsafe_runner.hooks import Plugins
from dbsafe_runner.planning.request import Conflict, Found, PlanRequest
from dbsafe_runner.session.analysis_cache import AnalysisCache
from dbsafe_runner.session.analysis_processes import spread
from dbsafe_runner.session.circumstances import Circumstances
from dbsafe_runner.session.code_state import code_of
from dbsafe_runner.session.parts import usable_cores
from dbsafe_runner.session.sources import SourceFiles
from dbsafe_runner.session.whole_files import known_whole, may_part, whole_files


@dataclasses.dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of the tests, by node id."""

    tests: Sequence[Test]
    static: Mapping[str, Footprint]
    observed: Mapping[str, Footprint]
    classifications: Mapping[str, Classification]
    codes: Mapping[str, Code]
    forecasts: Mapping[str, Forecast]
    #: Files whose tests are known not to need each other.
    independent: frozenset[str]
    #: The files of the tests, and the names of those that have run as in a serial run: with all the
    #: code as it is now, and with that of the tests alone.
    files: Sequence[WholeFile]
    whole: frozenset[str]
    once_whole: frozenset[str]
    #: Node id -> tests that have to run before it on the same worker.
    dependencies: Mapping[str, Sequence[Found]]
    #: Tests that must not come in the wrong order.
    conflicts: Sequence[Conflict]
    #: Where sources contradict each other, and what is wrong with rules and markers.
    notes: Sequence[Note]
    #: What plugins of dbsafe say.
    plugins: Mapping[str, Override] = dataclasses.field(default_factory=dict)

    def static_level(self, nodeid: str, circumstances: Circumstances) -> Level:
        """The level that a test has on the word of static analysis alone."""
        return presumed_level(self.static.get(nodeid), circumstances.privacy)

    def observed_level(self, nodeid: str, circumstances: Circumstances) -> Level | None:
        """The level that a test was seen to have in earlier runs; None when it was not seen."""
        seen = self.observed.get(nodeid)
        return derive_level(seen, circumstances.privacy) if seen is not None else None

    def request(self, circumstances: Circumstances) -> PlanRequest:
        """What the planner is asked."""
        whole = may_part(self.files, self.forecasts, self.whole, self.once_whole, circumstances.workers)
        return PlanRequest(
            tests=self.tests,
            classifications=self.classifications,
            strategy=circumstances.strategy,
            workers=circumstances.workers,
            namespace_kind=circumstances.kind,
            forecasts=self.forecasts,
            grouping=circumstances.grouping,
            independent=self.independent & whole,
            whole=whole,
            dependencies=self.dependencies,
            conflicts=self.conflicts,
        )


def gather(
    config: Config,
    tests: Sequence[Test],
    files: SourceFiles,
    remembered: Remembered,
    circumstances: Circumstances,
    plugins: Plugins | None = None,
) -> Knowledge:
    """Put together what is known of `tests`."""
    static, problems = footprints_of(tests, files, cache_file(config))
    codes = code_of(tests, files, static)
    observed = observed_footprints(remembered, codes, static)
    said = said_by(plugins, tests)
    rules, privacy = config.rules, circumstances.privacy
    found, notes = classify(tests, static, observed, rules, plugins=said, privacy=privacy)
    classifications = {one.nodeid: one for one in found}
    dependencies, conflicts = found_out(remembered, codes, tests)
    files_of_tests = whole_files(tests, codes)
    whole, once_whole = known_whole(files_of_tests, remembered.whole)
    return Knowledge(
        tests=tests,
        static=static,
        observed=observed,
        classifications=classifications,
        codes=codes,
        forecasts=forecast(tests, remembered.timings),
        independent=independent_files(tests, classifications, observed),
        files=files_of_tests,
        whole=whole,
        once_whole=once_whole,
        dependencies=dependencies,
        conflicts=conflicts,
        notes=[*problems, *notes],
        plugins=said,
    )


def said_by(plugins: Plugins | None, tests: Sequence[Test]) -> dict[str, Override]:
    """What plugins of dbsafe say of the tests."""
    if plugins is None or not plugins.names:
        return {}
    found: dict[str, Override] = {}
    for test in tests:
        said = plugins.level_of(test)
        if said is not None:
            name, level = said
            evidence = Evidence(Source.RULE, f"plugin {name} says {level.name}")
            found[test.nodeid] = Override(level, evidence=(evidence,))
    return found


def cache_file(config: Config) -> Path:
    """Where the findings of static analysis are kept."""
    return config.root / ".dbsafe" / "cache" / "analysis"


def footprints_of(
    tests: Sequence[Test], files: SourceFiles, cache_path: Path
) -> tuple[dict[str, Footprint], list[Note]]:
    """What static analysis finds, and a note for each file in which it broke down."""
    cache = AnalysisCache(cache_path)
    notes: list[Note] = []
    try:
        found = analyse(tests, files, cache, spread(files, usable_cores()))
    except Exception:  # noqa: BLE001 - a defect of the analysis is no reason not to run the tests.
        found = {}
        groups: dict[str, list[Test]] = {}
        for test in tests:
            groups.setdefault(test.code_file, []).append(test)
        for file, group in groups.items():
            try:
                found.update(analyse(group, files))
            except Exception as error:  # noqa: BLE001 - as above, for this file alone.
                notes.append(_broke_down(file, error))
        return found, notes
    cache.save()
    return found, notes


def _broke_down(file: str, error: Exception) -> Note:
    return Note(
        "analysis-failed",
        f"Static analysis broke down on {file} ({type(error).__name__}: {error}), so nothing is known of"
        " its tests beforehand.",
        "This is a defect in dbsafe: please report it with the file. The verdicts are not affected.",
        file=file,
    )


def observed_footprints(
    remembered: Remembered, codes: Mapping[str, Code], static: Mapping[str, Footprint]
) -> dict[str, Footprint]:
    """What earlier runs saw of the tests as they are now.

    An observation of the same test that calls other code meanwhile stands unless static analysis of
    that code is sure of more.
    """
    found: dict[str, Footprint] = {}
    for nodeid, code in codes.items():
        seen = [one for one in remembered.seen.get(nodeid, ()) if one.code.own == code.own]
        same = _trusted([one.observation for one in seen if one.code.all == code.all])
        footprint = same or _trusted([one.observation for one in seen])
        if footprint is None:
            continue
        said = static.get(nodeid)
        sure_of_more = (
            same is None
            and said is not None
            and said.confidence >= LEAST_CONFIDENCE
            and derive_level(said) > derive_level(footprint)
        )
        if not sure_of_more:
            found[nodeid] = _with_what_does_not_show(footprint, said)
    return found


def _with_what_does_not_show(seen: Footprint, said: Footprint | None) -> Footprint:
    """What was seen, and what a test does that nobody finds when it has ended.

    Changes to the whole server that it takes back harm nobody on a server of one's own, nor do its
    notifications in a database of one's own; where workers share these they would.
    """
    if said is None or said.confidence < LEAST_CONFIDENCE:
        return seen
    seen = dataclasses.replace(seen, signals=said.signals)
    if seen.cluster or not said.cluster:
        return seen
    return dataclasses.replace(seen, cluster=said.cluster, cluster_undone=True)


def _trusted(observations: Sequence[Observation]) -> Footprint | None:
    """The footprint of observations, if the test got to its end in one of them."""
    merged = merge(observations)
    return observation.footprint(merged) if merged.complete else None


def independent_files(
    tests: Sequence[Test],
    classifications: Mapping[str, Classification],
    observed: Mapping[str, Footprint],
) -> frozenset[str]:
    """Files whose tests provably do not need each other.

    That is proven where all of them were observed, none has left anything behind in the database, and
    they share no state in the process and no fixture wider than a module.
    """
    files = {test.file for test in tests}
    for test in tests:
        kind = classifications[test.nodeid]
        shares = kind.footprint.shares or any(fixture.scope == "package" for fixture in test.fixtures)
        proven = test.nodeid in observed and kind.chain and kind.chain[0].source is Source.OBSERVED
        if shares or not proven or kind.level > Level.ISOLATED_WRITES:
            files.discard(test.file)
    return frozenset(files)


def found_out(
    remembered: Remembered, codes: Mapping[str, Code], tests: Sequence[Test]
) -> tuple[dict[str, list[Found]], list[Conflict]]:
    """What confirmed failures have shown of tests whose code is the same: dependencies and conflicts.

    A brittle test passes only behind the other; a victim fails only behind it. Where the other comes
    first in a serial run, both stay with it, in the order of collection, so that the outcome is that of
    a serial run. A victim of a test that comes later in a serial run must not be behind it.
    """
    places = {test.nodeid: test.index for test in tests}
    dependencies: dict[str, list[Found]] = {}
    conflicts: list[Conflict] = []
    for one in remembered.dependencies:
        code = codes.get(one.nodeid)
        if code is None or code.own != one.own_code:
            continue
        brittle = one.verdict is Verdict.BRITTLE
        if not brittle and one.other in places and places[one.other] > places[one.nodeid]:
            conflicts.append(Conflict(one.nodeid, one.other, "what the second leaves", ordered=True))
        else:
            dependencies.setdefault(one.nodeid, []).append(Found(one.other, needs=brittle))
    return dependencies, conflicts


def found_by_index(
    tests: Sequence[Test], dependencies: Mapping[str, Sequence[Found]]
) -> dict[int, tuple[int, ...]]:
    """What was found out of tests, by their places in the order of collection."""
    index = {test.nodeid: test.index for test in tests}
    return {
        index[nodeid]: tuple(index[one.other] for one in found if one.other in index)
        for nodeid, found in dependencies.items()
        if nodeid in index
    }
