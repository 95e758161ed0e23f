"""The cache that outlives runs: prepared data directories and copied binaries, by key.

An entry is a directory that appears by one rename, complete, with its ready marker inside; nothing
half-made is ever found. Whoever uses an entry holds a shared lock on the marker, so that pruning and
other runs never take it away. This module knows nothing of PostgreSQL.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.space import telling_when_full
from dbsafe_runner.errors import ExitCode, UserError

MARKER: Final = "ready.json"
#: Raised when the meaning of an entry changes; older ones are pruned by age.
FORMAT: Final = 1

#: Entries of one kind that pruning keeps, their bytes in all, and the days since their last use.
KEEP_ENTRIES: Final = 12
KEEP_BYTES: Final = 4 * 1024**3
KEEP_DAYS: Final = 30

#: Seconds between two looks at whether another process has built what we wait for.
_POLL: Final = 0.05

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """An entry as a listing shows it."""

    path: Path
    key: str
    #: Unix time of the last use.
    used: float
    #: Bytes.
    size: int
    #: What the builder returned.
    facts: Mapping[str, Any]


class Entry:
    """A ready entry, locked against removal until `close`."""

    def __init__(self, path: Path, facts: Mapping[str, Any], lock: int) -> None:
        self.path = path
        #: What the builder returned when it was made.
        self.facts = facts
        self._lock = lock

    @property
    def data(self) -> Path:
        """The entry's content."""
        return self.path / "data"

    @property
    def descriptor(self) -> int:
        """The file descriptor that holds the lock; a process that inherits it holds it, too."""
        return self._lock

    def close(self) -> None:
        """Give the lock back. May be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Cache:
    """Entries of one kind (`kind` is a directory's name) below the cache directory `root`.

    `check` is called now and then while another process is waited for; it may raise.
    """

    def __init__(self, root: Path, kind: str, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self.directory = root / f"v{FORMAT}" / kind
        with _usable(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)

    def obtain(
        self,
        key: str,
        build: Callable[[Path], Mapping[str, Any]],
        *,
        fresh: bool = False,
        report: Report = lambda _: None,
    ) -> tuple[Entry, bool]:
        """The ready entry for `key`, built first where there is none, and whether it was there.

        Several processes that ask at once build it once. `build` gets a directory of its own that it
        must fill with `data`; what it raises passes through, and nothing remains. With `fresh` a new
        one is built even where one is ready; runs that use the old one keep it.
        """
        if not fresh and (entry := self.find(key)):
            return entry, True
        with _usable(self.directory), self._building(key, report):
            if not fresh and (entry := self.find(key)):
                return entry, True
            self._make(key, build)
            made = self.find(key)
        if made is None:
            raise _unusable(f"What was just prepared in {self.directory} is not there, or is damaged.")
        return made, False

    def find(self, key: str) -> Entry | None:
        """The newest ready and undamaged entry for `key`, or None. Damaged ones are removed."""
        for marker in sorted(self.directory.glob(f"{key}.*/{MARKER}"), key=_age):
            entry = self._open(marker)
            if entry is None:
                continue
            if entry.facts["manifest"] == manifest(entry.data):
                with contextlib.suppress(OSError):
                    os.utime(marker)
                return entry
            entry.close()
            self._remove(marker.parent)
        return None

    def discard(self, entry: Entry) -> None:
        """Remove an entry that turned out to be unusable, unless another run uses it too."""
        entry.close()
        self._remove(entry.path)

    def kept(self) -> list[Kept]:
        """Every ready entry, latest use first. What cannot be read counts as not used for ages."""
        found = []
        for marker in self.directory.glob(f"*/{MARKER}"):
            key = marker.parent.name.rpartition(".")[0]
            try:
                facts = json.loads(marker.read_text())
                used, size = marker.stat().st_mtime, int(facts["manifest"][1])
            except (OSError, ValueError, KeyError, TypeError, IndexError):
                found.append(Kept(marker.parent, key, 0.0, 0, {}))
            else:
                found.append(Kept(marker.parent, key, used, size, facts))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def prune(self, *, keep: int = KEEP_ENTRIES, size: int = KEEP_BYTES, days: float = KEEP_DAYS) -> int:
        """Remove entries beyond the given number, bytes or days since the last use; how many went.

        Entries in use stay. So do remains of builders that live.
        """
        removed, total, newest = 0, 0, set[str]()
        oldest = time.time() - days * 86400
        for number, entry in enumerate(self.kept()):
            total += entry.size
            outdated = entry.key in newest
            newest.add(entry.key)
            if outdated or number >= keep or total > size or entry.used < oldest:
                removed += self._remove(entry.path)
        self._remove_remains()
        return removed

    def _make(self, key: str, build: Callable[[Path], Mapping[str, Any]]) -> None:
        name = f"{key}.{time.time_ns():x}{secrets.token_hex(2)}"
        building = self.directory / f".building-{name}"
        try:
            building.mkdir(mode=0o755)
            facts = dict(build(building))
            facts["manifest"] = manifest(building / "data")
            (building / MARKER).write_text(json.dumps(facts))
            building.rename(self.directory / name)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _open(self, marker: Path) -> Entry | None:
        try:
            lock = os.open(marker, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # It may have been removed between opening and locking it.
            if marker.stat().st_ino == os.fstat(lock).st_ino:
                facts = json.loads(marker.read_text())
                return Entry(marker.parent, {"manifest": None} | facts, lock)
        except (OSError, ValueError, TypeError):
            pass
        os.close(lock)
        return None

    def _remove(self, path: Path) -> bool:
        """Remove a ready entry unless somebody uses it."""
        try:
            lock = os.open(path / MARKER, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It leaves the name that is looked for before its content goes.
            removed = path.rename(path.parent / f".removed-{secrets.token_hex(8)}")
        except OSError:
            return False
        finally:
            os.close(lock)
        shutil.rmtree(removed, ignore_errors=True)
        return True

    def _remove_remains(self) -> None:
        unmarked = [path for path in self.directory.glob("[!.]*") if not (path / MARKER).exists()]
        for path in [*unmarked, *self.directory.glob(".removed-*")]:
            shutil.rmtree(path, ignore_errors=True)
        for path in self.directory.glob(".building-*"):
            key = path.name.removeprefix(".building-").rpartition(".")[0]
            with contextlib.suppress(_TakenError), self._locked(key):
                shutil.rmtree(path, ignore_errors=True)
        for path in self.directory.glob(".lock-*"):
            # Should somebody be about to take it, the worst is that two build the same entry.
            if path.stat().st_mtime < time.time() - KEEP_DAYS * 86400:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _building(self, key: str, report: Report) -> Iterator[None]:
        told = False
        while True:
            try:
                with self._locked(key):
                    yield
                    return
            except _TakenError:
                if not told:
                    report("waiting for another dbsafe that prepares the same")
                told = True
            self._check()
            time.sleep(_POLL)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        lock = os.open(self.directory / f".lock-{key}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _TakenError from None
            yield
        finally:
            os.close(lock)


class _TakenError(Exception):
    """Another process builds the same entry."""


def manifest(directory: Path) -> list[int]:
    """How many files there are below `directory`, and their bytes: shows truncated or lost files."""
    count = size = 0
    waiting = [str(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for item in found:
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(item.path)
                    else:
                        count += 1
                        size += item.stat(follow_symlinks=False).st_size
        except OSError:
            return [0, 0]
    return [count, size]


def cache_directory(account: Account, environment: Mapping[str, str] = os.environ) -> Path:
    """The directory that holds the cache, made if needed, and reachable for the servers' account.

    `DBSAFE_CACHE_DIR` decides where it is set. Else it is `dbsafe` below `XDG_CACHE_HOME` or
    `~/.cache`; for root, whose home is closed to others, `/var/cache/dbsafe`; and where that cannot
    be written, a directory below the one for temporary files.

    Raises:
        UserError: `cache-unusable`.
    """
    reasons = []
    for directory in candidate_directories(account.switch, environment, tempfile.gettempdir()):
        try:
            _claim(directory)
        except OSError as error:
            reasons.append(f"{directory}: {error.strerror or error}")
            continue
        if account.can_read([directory]):
            return directory
        reasons.append(f"{directory}: the user {account.name}, whom servers run as, cannot enter it")
    raise _unusable("\n".join(reasons))


def candidate_directories(root: bool, environment: Mapping[str, str], temporary: str) -> list[Path]:
    """Where the cache may be, best first. `temporary` is the directory for temporary files."""
    if given := environment.get("DBSAFE_CACHE_DIR"):
        return [Path(given).expanduser().absolute()]
    fallback = Path(temporary) / f"dbsafe-cache-{os.geteuid()}"
    if root:
        return [Path("/var/cache/dbsafe"), fallback]
    if xdg := environment.get("XDG_CACHE_HOME"):
        return [Path(xdg) / "dbsafe", fallback]
    if home := environment.get("HOME"):
        return [Path(home) / ".cache" / "dbsafe", fallback]
    return [fallback]


def _claim(directory: Path) -> None:
    """Make the directory where it is missing; it must be ours and writable."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        raise PermissionError(0, "it belongs to another user")
    tag = directory / "CACHEDIR.TAG"
    if not tag.exists():
        tag.write_text(
            "Signature: 8a477f597d28d172789f06886806bc55\n# Made by dbsafe; safe to delete.\n"
        )


def _age(marker: Path) -> str:
    # Entry names end in the time at which they were begun: the newest first.
    suffix = marker.parent.name.rpartition(".")[2]
    return "".join(chr(255 - ord(letter)) for letter in suffix)


@contextlib.contextmanager
def _usable(directory: Path) -> Iterator[None]:
    """Turn errors of the file system into errors about the cache."""
    try:
        with telling_when_full(directory):
            yield
    except OSError as error:
        raise _unusable(str(error)) from error


def _unusable(cause: str) -> UserError:
    return UserError(
        "cache-unusable",
        "There is no directory to keep prepared servers in.",
        cause=cause,
        hint="Name one with the environment variable DBSAFE_CACHE_DIR.",
        exit_code=ExitCode.SERVER,
    )
