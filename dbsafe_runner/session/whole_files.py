"""Whole files: the tests of each file in their order, as one hash under which the history knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from dbsafe_runner.domain.test import Test
from dbsafe_runner.history.records import Code, WholeFile


def whole_files(tests: Sequence[Test], codes: Mapping[str, Code]) -> list[WholeFile]:
    """The files of the selected tests. Another selection, order or code of tests makes another hash."""
    found: dict[str, list[str]] = {}
    for test in tests:
        found.setdefault(test.file, []).append(test.nodeid)
    return [WholeFile(file, _hash(nodeids, codes), tuple(nodeids)) for file, nodeids in found.items()]


def _hash(nodeids: Sequence[str], codes: Mapping[str, Code]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for nodeid in nodeids:
        own = codes[nodeid].own if nodeid in codes else ""
        digest.update(f"{nodeid}\0{own}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
