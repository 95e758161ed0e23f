"""Analyser: walks the tests whose footprints have to be found anew, file by file."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator

from dbsafe_runner.analysis import lasting_state, shared_state
from dbsafe_runner.analysis.actions import Action, Kind
from dbsafe_runner.analysis.fixtures import Walk, Walker
from dbsafe_runner.analysis.footprints import Sum
from dbsafe_runner.analysis.machine import Machine
from dbsafe_runner.analysis.project import SourceTree
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.test import Test

#: Variants of a parametrized test that are told apart.
_MOST_VARIANTS = 40


class Analyser:
    """Walks the tests that must be walked."""

    def __init__(self, sources: SourceTree) -> None:
        self._sources = sources
        self._machine = Machine(sources)
        self._walker = Walker(self._machine)

    def files(self, groups: dict[str, list[Test]]) -> dict[str, tuple[dict[str, Footprint], set[str]]]:
        """Return footprints by node id and the files that they start from, by test file."""
        return {file: self._file(file, tests) for file, tests in groups.items()}

    def _file(self, file: str, tests: list[Test]) -> tuple[dict[str, Footprint], set[str]]:
        self._walker.begin_file(self._sources.absolute(file))
        roots = {self._sources.absolute(file)}
        space = self._machine.modules.space(self._sources.absolute(file))
        self._machine.told = shared_state.told(space, tests) if space is not None else None
        sums: dict[object, Sum] = {}
        of: dict[str, Sum] = {}
        for test, variant in _variants(tests):
            # All that a test is but its place and its name, in which its parameters are.
            key = (test.line, test.cls, test.function, test.fixtures, test.marks, variant)
            if key not in sums:
                walk = self._walker.walk(test, variant)
                sums[key] = Sum(walk, test, self._sources, self._imported(walk))
                roots |= walk.files
            of[test.nodeid] = sums[key]
        found = _footprints(tests, of)
        for shares in self._shares(file, tests, of):
            for nodeid, some in shares.items():
                found[nodeid] = self._with_shares(found[nodeid], some)
        return found, roots

    def _shares(
        self, file: str, tests: list[Test], of: dict[str, Sum]
    ) -> Iterator[dict[str, list[shared_state.Share]]]:
        """Yield what tests share with others of their file, by node id."""
        space = self._machine.modules.space(self._sources.absolute(file))
        told = self._machine.told
        if space is not None and told is not None:
            yield shared_state.shared(space, file, tests, told)
        states: dict[Sum, lasting_state.Changes] = {}
        for one in of.values():
            if one not in states:
                states[one] = one.state()
        yield lasting_state.shared(tests, {nodeid: states[one] for nodeid, one in of.items()}, file)

    def _imported(self, walk: Walk) -> list[Action]:
        """Return what a test's files do when they are imported, and the files of SQL that are read then.

        The latter also by modules that these import: what they read may be kept in a constant.
        """
        trace = self._machine.import_trace
        reads = [action for action in trace if action.kind is Kind.FILE]
        below = self._below(walk.files) if reads else set()
        return [
            *(action for action in trace if action.file in walk.files and action.kind is not Kind.FILE),
            *(action for action in reads if action.file in below),
        ]

    def _below(self, files: Iterable[str]) -> set[str]:
        """Return these files and those that they rest on, directly or not, as far as that was asked."""
        found: set[str] = set()
        pending = list(files)
        while pending:
            path = pending.pop()
            if path not in found:
                found.add(path)
                asked = self._sources.asked.get(path, {})
                pending.extend(target for target in asked.values() if target is not None)
        return found

    def _with_shares(self, footprint: Footprint, shares: list[shared_state.Share]) -> Footprint:
        evidence = tuple(
            Evidence(Source.STATIC, one.what, self._sources.relative(one.place or one.file), one.line)
            for one in shares
        )
        names = footprint.shares | {f"{share.file}::{share.name}" for share in shares}
        return dataclasses.replace(footprint, shares=names, evidence=footprint.evidence + evidence)


def _variants(tests: list[Test]) -> Iterator[tuple[Test, tuple[int, int]]]:
    """Yield tests with their place among those made of the same function, and how many there are."""
    counts = collections.Counter((test.cls, test.function) for test in tests)
    places: collections.Counter[tuple[str, str]] = collections.Counter()
    for test in tests:
        name = (test.cls, test.function)
        yield test, ((places[name], counts[name]) if 1 < counts[name] <= _MOST_VARIANTS else (0, 0))
        places[name] += 1


def _footprints(tests: Iterable[Test], sums: dict[str, Sum]) -> dict[str, Footprint]:
    """Return the footprints of a file's tests: a set-up may empty what the test before it left."""
    found: dict[str, Footprint] = {}
    plain: dict[Sum, Footprint] = {}
    littered: frozenset[str] = frozenset()
    for test in tests:
        one = sums[test.nodeid]
        if one not in plain:
            plain[one] = one.footprint()
        footprint = plain[one]
        emptied = one.empties()
        if littered & emptied:
            footprint = one.footprint(littered & emptied)
        found[test.nodeid] = footprint
        littered = (littered - one.empties(surely=True)) | (
            footprint.writes if plain[one].outlives else frozenset()
        )
    return found
