"""Code state: hashes of the code that each test rests on, under which observations are kept.

Imports are found in the text without parsing it: what looks like an import in a string makes a hash
depend on one file too many, which only means that a test is observed once more than needed. Files of SQL
that are read are named by static analysis: what a test executes is part of its code wherever it stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.test import Test
from dbsafe_runner.history.records import Code
from dbsafe_runner.session.sources import SourceFiles, is_installed

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+([^\n#]+))",
    re.MULTILINE,
)
_NAME = re.compile(r"[\w.]+")


#: What tells tests apart that rest on other files: their file, the files of their fixtures, the files of
#: SQL that their own code reads, and those that code which it calls reads.
_Key = tuple[str, frozenset[str], frozenset[str], frozenset[str]]
_NOTHING = Footprint()


def code_of(
    tests: Sequence[Test], files: SourceFiles, static: Mapping[str, Footprint] | None = None
) -> dict[str, Code]:
    """Node id -> the state of its code; `static` says which files of SQL belong to it."""
    graph = _Graph(files)
    starts: dict[_Key, list[str]] = {}
    for test in tests:
        written = (f"{files.rootdir}/{test.elsewhere}",) if test.elsewhere else ()
        own = frozenset((*written, *(fixture.file for fixture in test.fixtures if fixture.file)))
        said = (static or {}).get(test.nodeid, _NOTHING)
        key = (test.file, own, said.own_files, said.called_files)
        starts.setdefault(key, []).append(test.nodeid)
    roots = {key: graph.own_files(*key[:2]) for key in starts}
    graph.follow(path for paths in roots.values() for path in paths)
    found: dict[str, Code] = {}
    for key, nodeids in starts.items():
        read, called = graph.of_sql(key[2]), graph.of_sql(key[3])
        plain, reached = graph.mask(roots[key]), graph.reach(roots[key])
        code = Code(graph.hash_of(plain | read), graph.hash_of(reached | read | called))
        found.update(dict.fromkeys(nodeids, code))
    return found


class _Graph:
    """Which file imports which. Sets of files are bits of an integer, so that unions are cheap."""

    def __init__(self, files: SourceFiles) -> None:
        self._files = files
        self._numbers: dict[str, int] = {}
        self._digests: list[bytes] = []
        self._imports: list[int] = []
        self._hashes: dict[int, str] = {}

    def own_files(self, file: str, fixtures: Iterable[str]) -> list[str]:
        """The file of a test, the conftest files above it and the files of its fixtures."""
        root = self._files.rootdir
        path = file if file.startswith("/") else f"{root}/{file}"
        found = [path, *(one for one in fixtures if one.startswith("/") and not is_installed(one))]
        folder = path.rpartition("/")[0]
        while folder.startswith(root):
            conftest = f"{folder}/conftest.py"
            if self._files.read(conftest) is not None:
                found.append(conftest)
            folder = folder.rpartition("/")[0]
        return list(dict.fromkeys(found))

    def follow(self, roots: Iterable[str]) -> None:
        """Read the files and everything that they import."""
        waiting = list(dict.fromkeys(roots))
        known = set(waiting)
        edges: dict[str, list[str]] = {}
        while waiting:
            path = waiting.pop()
            text = self._digest(path)
            edges[path] = targets = [] if text is None else self._imported(path, text)
            new = [target for target in targets if target not in known]
            known.update(new)
            waiting.extend(dict.fromkeys(new))
        self._imports = [0] * len(self._digests)
        for path, targets in edges.items():
            self._imports[self._numbers[path]] = self.mask(targets)
        self._close()

    def of_sql(self, paths: Iterable[str]) -> int:
        """The set of these files, which import nothing."""
        paths = list(paths)
        for path in paths:
            if path not in self._numbers:
                self._digest(path)
        return self.mask(paths)

    def _digest(self, path: str) -> str | None:
        """Enter a file, and return its text; one that is not there counts as empty."""
        text = self._files.read(path)
        self._numbers[path] = len(self._digests)
        encoded = b"" if text is None else text.encode("utf-8", "surrogatepass")
        self._digests.append(hashlib.blake2b(encoded, digest_size=12).digest())
        return text

    def _imported(self, path: str, text: str) -> list[str]:
        modules: dict[str, None] = {}
        for match in _IMPORT.finditer(text):
            origin, names, plain = match.groups()
            if plain is not None:
                for part in plain.split(","):
                    modules.update(dict.fromkeys(_NAME.findall(part)[:1]))
                continue
            modules[origin] = None
            joint = "" if origin.endswith(".") else "."
            for part in names.strip("()").split(","):
                modules.update(
                    dict.fromkeys(f"{origin}{joint}{name}" for name in _NAME.findall(part)[:1])
                )
        found = (self._files.resolve(module, path) for module in modules if module)
        return [target for target in dict.fromkeys(found) if target is not None and target != path]

    def _close(self) -> None:
        """Make `_imports` reach everything that is imported, directly or not, circles included."""
        changed = True
        reached = [bits | 1 << number for number, bits in enumerate(self._imports)]
        while changed:
            changed = False
            for number, direct in enumerate(self._imports):
                bits = before = reached[number]
                for other in _numbers(direct):
                    bits |= reached[other]
                if bits != before:
                    reached[number] = bits
                    changed = True
        self._reached = reached

    def mask(self, paths: Iterable[str]) -> int:
        """The set of these files."""
        bits = 0
        for path in paths:
            bits |= 1 << self._numbers[path]
        return bits

    def reach(self, paths: Iterable[str]) -> int:
        """The set of these files and everything that they import."""
        bits = 0
        for path in paths:
            bits |= self._reached[self._numbers[path]]
        return bits

    def hash_of(self, bits: int) -> str:
        """A hash of the contents of a set of files, whatever their order."""
        if bits not in self._hashes:
            digest = hashlib.blake2b(digest_size=12)
            for one in sorted(self._digests[number] for number in _numbers(bits)):
                digest.update(one)
            self._hashes[bits] = digest.hexdigest()
        return self._hashes[bits]


def _numbers(bits: int) -> Iterable[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
