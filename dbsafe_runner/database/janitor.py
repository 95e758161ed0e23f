"""What earlier runs left behind: found by locks that nobody holds any more, and removed.

Nothing is removed that dbsafe did not make, or that a living run owns.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dbsafe_runner.database.cache import KEEP_ENTRIES, Cache, Kept, manifest
from dbsafe_runner.database.kept import PREFIX, KeptServer, find_kept_servers, remove_kept
from dbsafe_runner.database.rundir import OWNER, disk_root, memory_root
from dbsafe_runner.database.server import end_orphans

#: Seconds after which a directory without a locked owner is a leftover rather than just being made.
_GRACE: Final = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class RunFound:
    """One run on this machine that has directories of ours."""

    name: str
    #: One in memory, one on disk, or both.
    paths: tuple[Path, ...]
    living: bool
    #: The process that made it, 0 when that is unknown.
    pid: int
    #: Unix time.
    started: float
    #: Data directories in it, with servers or without.
    servers: int
    #: Bytes of its files.
    size: int


def find_runs() -> list[RunFound]:
    """All runs of this user that have a directory on this machine, oldest first."""
    paths: dict[str, list[Path]] = {}
    for path in _run_directories():
        paths.setdefault(path.name, []).append(path)
    found = []
    for name, of_run in paths.items():
        facts = next(filter(None, map(_owner_facts, of_run)), {})
        found.append(
            RunFound(
                name=name,
                paths=tuple(of_run),
                living=not all(_abandoned(path) for path in of_run),
                pid=int(facts.get("pid", 0)),
                started=float(facts.get("started", 0.0)),
                servers=sum(len(list(path.glob("*/data"))) for path in of_run),
                size=sum(manifest(path)[1] for path in of_run),
            )
        )
    return sorted(found, key=lambda run: run.started)


def kept_servers() -> list[KeptServer]:
    """The servers that are kept for the user to look at."""
    return list(find_kept_servers({disk_root(), memory_root() or disk_root()}))


def remove_leftovers(*, kept: bool = False) -> int:
    """End the servers and remove the directories of runs that are gone; how many runs those were.

    Servers that are kept for the user go when they are due, or all of them when `kept` says so.
    """
    removed = set[str]()
    for one in kept_servers():
        if kept or one.due:
            remove_kept(one)
    for path in _run_directories():
        if _abandoned(path):
            for data in path.glob("*/data"):
                end_orphans(data)
            shutil.rmtree(path, ignore_errors=True)
            removed.add(path.name)
    return len(removed)


#: The parts of the cache: copied programs, empty data directories, templates.
CACHE_KINDS: Final = ("binaries", "base", "templates")


def find_kept(cache_root: Path) -> dict[str, list[Kept]]:
    """What the cache holds, by kind (`CACHE_KINDS`), latest use first.

    A template's facts have `version` (of the server) and `setup`.
    """
    return {kind: Cache(cache_root, kind).kept() for kind in CACHE_KINDS}


def prune_cache(cache_root: Path, *, everything: bool = False) -> int:
    """Remove from the cache what is old or too much, or everything; how many entries that were.

    What a living run uses stays.
    """
    keep = 0 if everything else KEEP_ENTRIES
    return sum(Cache(cache_root, kind).prune(keep=keep) for kind in CACHE_KINDS)


def _run_directories() -> Iterator[Path]:
    for root in {disk_root(), memory_root() or disk_root()}:
        with contextlib.suppress(OSError):
            if root.stat().st_uid == os.geteuid() and not root.is_symlink():
                yield from sorted(
                    path for path in root.iterdir() if path.is_dir() and not path.name.startswith(PREFIX)
                )


def _abandoned(path: Path) -> bool:
    """Whether no living run holds the directory's lock."""
    try:
        owner = os.open(path / OWNER, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return _old(path)
    except OSError:
        return False
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        # Between its making and its locking it is nobody's for a moment.
        return not path.name.startswith(".new-") or _old(path)
    finally:
        os.close(owner)


def _old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime < time.time() - _GRACE
    return False


def _owner_facts(path: Path) -> dict[str, float]:
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads((path / OWNER).read_text())
        return facts if isinstance(facts, dict) else {}
    return {}
