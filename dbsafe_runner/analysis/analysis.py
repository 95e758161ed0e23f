"""Analysis: from collected tests to their footprints, reusing what an earlier analysis found."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence

from dbsafe_runner.analysis import storage
from dbsafe_runner.analysis.project import Project, Rests, SourceTree
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.test import Test

Cache = MutableMapping[str, bytes]


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """What following some test files has found: values only."""

    #: Test file -> footprints by node id, and the absolute paths that they start from.
    files: Mapping[str, tuple[dict[str, Footprint], set[str]]]
    rests: Rests


#: Follows test files, given with their tests by path, as `follow_files` does.
Follow = Callable[[dict[str, list[Test]]], Iterable[Findings]]


def analyse(
    tests: Sequence[Test],
    project: Project,
    cache: Cache | None = None,
    follow: Follow | None = None,
) -> dict[str, Footprint]:
    """Return the footprint of each test by node id, from the project's sources alone.

    Nothing is imported or run, and no source makes it raise: what cannot be followed lowers the
    confidence of a footprint, and is named in its evidence. With a `cache`, test files whose sources
    and everything they rest on are as they were are not read again beyond their hashes. The others are
    left to `follow`, which may spread them over processes; by default they are followed here.
    """
    with _without_collector():
        return _analyse(
            tests, project, cache, follow or (lambda groups: [follow_files(groups, project)])
        )


def _analyse(
    tests: Sequence[Test], project: Project, cache: Cache | None, follow: Follow
) -> dict[str, Footprint]:
    sources = SourceTree(project)
    stored = storage.Stored(cache, sources) if cache is not None else None
    found: dict[str, Footprint] = {}
    fresh: dict[str, list[Test]] = {}
    for file, group in _by_file(tests).items():
        known = stored.footprints(file, group) if stored is not None else None
        if known is not None:
            found.update(known)
        else:
            fresh[file] = group
    if fresh:
        for findings in follow(fresh):
            sources.learn(findings.rests)
            for file, (footprints, roots) in findings.files.items():
                found.update(footprints)
                if stored is not None:
                    stored.keep(file, fresh[file], footprints, roots)
        if stored is not None:
            stored.close()
    return {test.nodeid: found[test.nodeid] for test in tests if test.nodeid in found}


def follow_files(groups: dict[str, list[Test]], project: Project) -> Findings:
    """Follow test files, given with their tests by path."""
    # Where everything is known already, nothing of what follows code is even imported.
    from dbsafe_runner.analysis.analyser import Analyser

    with _without_collector():
        sources = SourceTree(project)
        return Findings(Analyser(sources).files(groups), sources.rests())


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector off.

    Syntax trees are many small objects that live long: looking for garbage among them took a sixth of
    the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _by_file(tests: Iterable[Test]) -> dict[str, list[Test]]:
    found: dict[str, list[Test]] = {}
    for test in tests:
        found.setdefault(test.code_file, []).append(test)
    return found
