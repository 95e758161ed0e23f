"""A copy of PostgreSQL's programs where the server's account can reach them.

A virtual environment below `/root`, say, is closed to every other account. Its permissions are not
ours to change, so the programs, modules and libraries are copied to the cache, once per version.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.binaries import (
    WHEEL,
    Binaries,
    library_directory,
    share_directory,
)
from dbsafe_runner.database.cache import Cache, Entry, Report
from dbsafe_runner.errors import ExitCode, UserError


def reachable(
    binaries: Binaries, account: Account, cache: Cache, report: Report
) -> tuple[Binaries, Entry | None]:
    """These binaries, or a copy of them that `account` can run, and the cache entry that holds it.

    Raises:
        UserError: `postgres-closed` when they are closed and cannot be copied.
    """
    if account.can_read(_needed(binaries)):
        return binaries, None

    def build(directory: Path) -> Mapping[str, Any]:
        report(f"copying PostgreSQL {binaries.version} to where user {account.name} can run it")
        _copy(binaries, directory / "data")
        return {"from": str(binaries.bindir)}

    entry, _ = cache.obtain(binaries.identity, build, report=report)
    copied = dataclasses.replace(binaries, bindir=entry.data / _layout(binaries)[1])
    if not account.can_read(_needed(copied)):
        entry.close()
        raise _closed(binaries, account)
    return copied, entry


def _needed(binaries: Binaries) -> list[Path]:
    """What the account must be able to read: programs, modules, shared files, bundled libraries."""
    needed = [binaries.bindir, Path(binaries.program("postgres")), Path(binaries.program("initdb"))]
    library = library_directory(binaries.bindir)
    share = share_directory(binaries.bindir)
    needed += [path for path in (library, share) if path]
    # The wheel's libraries lie beside its package, as auditwheel and delocate put them.
    for source, _ in _layout(binaries)[0]:
        if source.name == f"{WHEEL}.libs":
            needed += [source, *source.iterdir()]
    return needed


def _layout(binaries: Binaries) -> tuple[list[tuple[Path, str]], str]:
    """(directory, its name in the copy) pairs that keep relative paths valid, and the copy's bindir."""
    prefix = binaries.bindir.parent
    if binaries.bindir.parts[-3:] == (WHEEL, "pginstall", "bin"):
        site = prefix.parents[1]
        pairs = [(prefix, f"{WHEEL}/pginstall")]
        if (site / f"{WHEEL}.libs").is_dir():
            pairs.append((site / f"{WHEEL}.libs", f"{WHEEL}.libs"))
        if (prefix.parent / ".dylibs").is_dir():
            pairs.append((prefix.parent / ".dylibs", f"{WHEEL}/.dylibs"))
        return pairs, f"{WHEEL}/pginstall/bin"
    pairs = [(prefix / name, name) for name in ("bin", "lib", "share") if (prefix / name).is_dir()]
    return pairs, binaries.bindir.name


def _copy(binaries: Binaries, target: Path) -> None:
    for source, name in _layout(binaries)[0]:
        shutil.copytree(
            source, target / name, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include")
        )
    for directory, _, files in os.walk(target):
        Path(directory).chmod(0o755)
        for file in files:
            path = Path(directory, file)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444 | (path.stat().st_mode & 0o100 and 0o111))


def _closed(binaries: Binaries, account: Account) -> UserError:
    return UserError(
        "postgres-closed",
        f"User {account.name}, whom servers run as, cannot read the PostgreSQL in {binaries.bindir}.",
        cause="A copy of it in the cache did not work either.",
        hint="Install PostgreSQL where every user can read it, or run dbsafe as its owner.",
        exit_code=ExitCode.SERVER,
    )
