"""Whole files: the tests of each file in their order, as one hash under which the history knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.test import Test
from dbsafe_runner.history.records import Code, WholeFile
from dbsafe_runner.planning.request import UNPREDICTED


def whole_files(tests: Sequence[Test], codes: Mapping[str, Code]) -> list[WholeFile]:
    """The files of the selected tests. Another selection, order or code of tests makes another hash."""
    found: dict[str, list[str]] = {}
    for test in tests:
        found.setdefault(test.file, []).append(test.nodeid)
    return [_whole(file, nodeids, codes) for file, nodeids in found.items()]


def known_whole(
    files: Sequence[WholeFile], remembered: Collection[WholeFile]
) -> tuple[frozenset[str], frozenset[str]]:
    """The files that have run whole: with all code as it is now, and with that of their tests alone."""
    once = {(one.file, one.tests) for one in remembered}
    return (
        frozenset(one.file for one in files if one in remembered),
        frozenset(one.file for one in files if (one.file, one.tests) in once),
    )


def may_part(
    files: Sequence[WholeFile],
    forecasts: Mapping[str, Forecast],
    whole: Collection[str],
    once_whole: Collection[str],
    workers: int,
) -> frozenset[str]:
    """The files whose tests may be taken apart on the word of observations.

    Where code of the application has changed since, its tests may share new state in the process. A file
    that takes no longer than one worker's part of the run costs little when it stays together once more.
    """
    seconds = {
        one.file: sum(forecasts.get(nodeid, UNPREDICTED).seconds for nodeid in one.nodeids)
        for one in files
    }
    part = sum(seconds.values()) / max(workers, 1)
    return frozenset(whole) | {file for file in once_whole if seconds[file] > part}


def _whole(file: str, nodeids: Sequence[str], codes: Mapping[str, Code]) -> WholeFile:
    own, everything = hashlib.blake2b(digest_size=12), hashlib.blake2b(digest_size=12)
    for nodeid in nodeids:
        code = codes.get(nodeid, Code())
        own.update(f"{nodeid}\0{code.own}\0".encode("utf-8", "surrogatepass"))
        everything.update(f"{nodeid}\0{code.all}\0".encode("utf-8", "surrogatepass"))
    return WholeFile(file, own.hexdigest(), everything.hexdigest(), tuple(nodeids))
