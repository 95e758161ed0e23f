"""Storage: keeps footprints by the content of everything they rest on.

A test file's footprints hold as long as the tests themselves, the file, its fixtures' files and every
file that these rest on, directly or not, have the same content, and every module that was asked for
resolves to the same file. The cache comes from outside and holds bytes of JSON under two kinds of keys:
`graph` (what each file is and rests on, and for which test files it says everything) and `tests:<file>`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, MutableMapping
from typing import Any

from dbsafe_runner.analysis.project import SourceTree
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Footprint, Weight
from dbsafe_runner.domain.test import Test

#: Grows whenever the analysis may find something else for the same sources.
VERSION = 5
_GRAPH = "graph"


class Stored:
    """What earlier analyses found."""

    def __init__(self, cache: MutableMapping[str, bytes], sources: SourceTree) -> None:
        self._cache, self._sources = cache, sources
        loaded = _loaded(cache.get(_GRAPH))
        valid = loaded.get("version") == VERSION and loaded.get("root") == sources.project.rootdir
        #: path -> [digest, {asked: path or None}]
        self._graph: dict[str, list[Any]] = loaded.get("files", {}) if valid else {}
        #: Test files for which the graph holds everything that they rest on: as it was stored, and now.
        self._told: frozenset[str] = frozenset(loaded.get("tests", ()) if valid else ())
        self._current: set[str] = set()
        self._clean: dict[str, bool] = {}
        self._kept: set[str] = set()

    def footprints(self, file: str, tests: Iterable[Test]) -> dict[str, Footprint] | None:
        """Return the footprints of a file's tests, or None when they must be found anew."""
        entry = _loaded(self._cache.get(f"tests:{file}")) if file in self._told else {}
        if not entry or entry.get("version") != VERSION or entry.get("tests") != _signature(tests):
            return None
        if not all(self._is_clean(root) for root in entry["roots"]):
            return None
        self._current.add(file)
        pool = [_footprint(row) for row in entry["footprints"]]
        return {nodeid: pool[position] for nodeid, position in entry["of"].items()}

    def keep(
        self, file: str, tests: Iterable[Test], footprints: dict[str, Footprint], roots: Collection[str]
    ) -> None:
        """Store the footprints of a file's tests."""
        self._current.add(file)
        self._kept.update(roots)
        pool: dict[Footprint, int] = {}
        of = {nodeid: pool.setdefault(footprint, len(pool)) for nodeid, footprint in footprints.items()}
        entry = {
            "version": VERSION,
            "tests": _signature(tests),
            "roots": sorted(roots),
            "footprints": [_row(footprint) for footprint in pool],
            "of": of,
        }
        self._cache[f"tests:{file}"] = json.dumps(entry, separators=(",", ":")).encode()

    def close(self) -> None:
        """Store what the files rest on; to be called once, after all of `keep`."""
        files: dict[str, list[Any]] = {
            path: node for path, node in self._graph.items() if self._clean.get(path)
        }
        for path, asked in self._sources.asked.items():
            # Other test files may rest on more of what this one asks for than was followed now.
            before = files[path][1] if path in files else {}
            files[path] = [self._sources.digest(path), {**before, **asked}]
            for target in asked.values():
                self._kept.update([target] if target is not None else [])
        for path in self._kept - files.keys():
            files[path] = [self._sources.digest(path), {}]
        graph = {
            "version": VERSION,
            "root": self._sources.project.rootdir,
            "files": files,
            "tests": sorted(self._current),
        }
        self._cache[_GRAPH] = json.dumps(graph, separators=(",", ":")).encode()

    def _is_clean(self, root: str) -> bool:
        """Return whether a file and everything that it rests on are as they were."""
        known = self._clean.get(root)
        if known is not None:
            return known
        visited: set[str] = set()
        pending = [root]
        clean = True
        while pending and clean:
            path = pending.pop()
            if path in visited or self._clean.get(path):
                continue
            visited.add(path)
            clean = self._same(path)
            if clean and path in self._graph:
                pending.extend(target for target in self._graph[path][1].values() if target is not None)
        if clean:
            self._clean.update(dict.fromkeys(visited, True))
        else:
            self._clean[root] = False
        return clean

    def _same(self, path: str) -> bool:
        node = self._graph.get(path)
        if self._clean.get(path) is False or node is None or node[0] != self._sources.digest(path):
            return False
        return all(
            asked.startswith("file:") or self._sources.lookup(asked, path) == target
            for asked, target in node[1].items()
        )


def _loaded(data: bytes | None) -> dict[str, Any]:
    """Return what is stored, or nothing when it is absent or damaged."""
    if not data:
        return {}
    try:
        loaded = json.loads(data)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _signature(tests: Iterable[Test]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    # Tests share the definitions of their fixtures, and a suite has few of them beside its tests.
    written: dict[int, str] = {}
    for test in tests:
        for fixture in test.fixtures:
            if id(fixture) not in written:
                written[id(fixture)] = repr(fixture)
        fixtures = ", ".join(written[id(fixture)] for fixture in test.fixtures)
        own = repr((test.nodeid, test.line, test.marks, test.xdist_group))
        digest.update(f"{own}[{fixtures}]".encode("utf-8", "replace"))
    return digest.hexdigest()


_SETS = (
    "reads",
    "writes",
    "cluster",
    "batch_writes",
    "shares",
    "signals",
    "sequences",
    "own_files",
    "called_files",
)
_PLAIN = (
    "connects",
    "cluster_undone",
    "outlives",
    "schema_changes",
    "alone",
    "connections",
    "processes",
    "confidence",
    "cpu",
    "memory",
)


def _row(footprint: Footprint) -> list[Any]:
    evidence = [[one.what, one.file, one.line] for one in footprint.evidence]
    sets = [sorted(getattr(footprint, name)) for name in _SETS]
    return [[getattr(footprint, name) for name in _PLAIN], sets, evidence]


def _footprint(row: list[Any]) -> Footprint:
    plain: dict[str, Any] = dict(zip(_PLAIN, row[0], strict=True))
    plain["cpu"], plain["memory"] = Weight(plain["cpu"]), Weight(plain["memory"])
    # Where a set is empty, as most are, the default is one for all footprints.
    sets: dict[str, Any] = {
        name: frozenset(items) for name, items in zip(_SETS, row[1], strict=True) if items
    }
    evidence = tuple([Evidence(Source.STATIC, what, file, line) for what, file, line in row[2]])
    return Footprint(**plain, **sets, evidence=evidence)
