"""Analysis: from collected tests to their footprints, reusing what an earlier analysis found."""

from __future__ import annotations

import gc
from collections.abc import Iterable, MutableMapping, Sequence

from dbsafe_runner.analysis import storage
from dbsafe_runner.analysis.project import Project, SourceTree
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.test import Test

Cache = MutableMapping[str, bytes]


def analyse(tests: Sequence[Test], project: Project, cache: Cache | None = None) -> dict[str, Footprint]:
    """Return the footprint of each test by node id, from the project's sources alone.

    Nothing is imported or run, and no source makes it raise: what cannot be followed lowers the
    confidence of a footprint, and is named in its evidence. With a `cache`, test files whose sources
    and everything they rest on are as they were are not read again beyond their hashes.
    """
    collecting = gc.isenabled()
    # Syntax trees are many small objects that live long: looking for garbage among them took a sixth
    # of the time.
    gc.disable()
    try:
        return _analyse(tests, SourceTree(project), cache)
    finally:
        if collecting:
            gc.enable()


def _analyse(tests: Sequence[Test], sources: SourceTree, cache: Cache | None) -> dict[str, Footprint]:
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
        # Where everything is known already, nothing of what follows code is even imported.
        from dbsafe_runner.analysis.analyser import Analyser

        for file, (footprints, roots) in Analyser(sources).files(fresh).items():
            found.update(footprints)
            if stored is not None:
                stored.keep(file, fresh[file], footprints, roots)
        if stored is not None:
            stored.close()
    return {test.nodeid: found[test.nodeid] for test in tests if test.nodeid in found}


def _by_file(tests: Iterable[Test]) -> dict[str, list[Test]]:
    found: dict[str, list[Test]] = {}
    for test in tests:
        found.setdefault(test.code_file, []).append(test)
    return found
