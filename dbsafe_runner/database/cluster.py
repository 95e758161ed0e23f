"""Data directories: made new by initdb, and copied.

Settings that make a throw-away server quick are written into `postgresql.conf` here. Every setting
that a test could notice keeps PostgreSQL's default; `docs/design/embedded-server.md` has the reasons.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dbsafe_runner.database.server import Installation
from dbsafe_runner.database.space import is_full, no_space
from dbsafe_runner.errors import ExitCode, UserError

SETTINGS: Final = {
    # The data is worth nothing after a crash.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Servers live for minutes and share the machine with the tests.
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "16MB",
    # Observation reads the WAL between two looks: a checkpoint in between must not remove it.
    "wal_keep_size": "64MB",
    "max_wal_size": "64MB",
    "checkpoint_timeout": "1d",
    # Dynamic shared memory in files of the data directory: /dev/shm is tiny in containers, and
    # segments there would outlive a killed server.
    "dynamic_shared_memory_type": "mmap",
    "log_checkpoints": "off",
}

#: Settings of later major versions. Without them three more processes run in every server.
LATER_SETTINGS: Final = {18: {"io_method": "sync"}}

#: Tried in this order: with libc as provider (PostgreSQL's default), with PostgreSQL's own, plain.
_LOCALES: Final = (
    (0, ("--locale=C.UTF-8",)),
    (17, ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")),
    (0, ("--locale=C",)),
)


def settings_for(major: int) -> dict[str, str]:
    """What is written into postgresql.conf for a major version."""
    settings = dict(SETTINGS)
    for since, later in LATER_SETTINGS.items():
        if major >= since:
            settings |= later
    return settings


def time_zone_source() -> str:
    """What initdb derives the server's time zone from: part of a data directory's identity."""
    if zone := os.environ.get("TZ"):
        return zone
    try:
        return str(Path("/etc/localtime").readlink())
    except OSError:
        return ""


def initialise(installation: Installation, data: Path) -> Mapping[str, Any]:
    """Make a new data directory with initdb, settings included. `data` must not exist.

    Raises:
        UserError: `initdb-failed` or `no-space`.
    """
    binaries = installation.binaries
    installation.account.make_directory(data)
    command = [binaries.program("initdb"), "-D", str(data), "-U", "postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--no-sync", "--wal-segsize=1"]
    if binaries.major >= 18:
        command.append("--no-data-checksums")
    for since, locale in _LOCALES:
        if binaries.major < since:
            continue
        done = subprocess.run(
            [*command, *locale],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            **installation.account.helper_options(),
        )
        if done.returncode == 0:
            _write_settings(data, binaries.major)
            return {"version": binaries.version, "locale": " ".join(locale)}
        if "invalid locale" not in done.stderr:
            break
    output = (done.stderr or done.stdout).strip()
    if is_full(output):
        raise no_space(data, output)
    raise UserError(
        "initdb-failed",
        f"PostgreSQL {binaries.version} could not make a data directory.",
        cause=output,
        hint=f"initdb in {binaries.bindir} ran as {installation.account.name}.",
        exit_code=ExitCode.SERVER,
    )


def copy_data(installation: Installation, source: Path, target: Path) -> None:
    """Copy a stopped server's data directory into the empty directory `target`.

    Raises:
        UserError: `no-space` or `copy-failed`.
    """
    done = subprocess.run(
        # In a process of the servers' account: every file gets the right owner, and no lock of this
        # process is held while a thousand files are copied.
        ["cp", "-a", f"{source}/.", str(target)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        **installation.account.helper_options(),
    )
    if done.returncode == 0:
        return
    if is_full(done.stderr):
        raise no_space(target, done.stderr.strip()[-2000:])
    raise UserError(
        "copy-failed",
        f"The prepared server in {source} could not be copied.",
        cause=done.stderr.strip()[-2000:],
        exit_code=ExitCode.SERVER,
    )


def shorten_wal(installation: Installation, data: Path) -> None:
    """Drop the WAL of a server that stopped in an orderly way: less to copy for every clone.

    An installation without `pg_resetwal` does as well: its clones are larger.

    Raises:
        UserError: `copy-failed`.
    """
    program = installation.binaries.program("pg_resetwal")
    if not Path(program).is_file():
        return
    done = subprocess.run(
        [program, "-D", str(data)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        **installation.account.helper_options(),
    )
    if done.returncode != 0:
        raise UserError(
            "copy-failed",
            f"The WAL of the prepared server in {data} could not be shortened.",
            cause=done.stderr.strip()[-2000:],
            exit_code=ExitCode.SERVER,
        )


def _write_settings(data: Path, major: int) -> None:
    with (data / "postgresql.conf").open("a") as file:
        file.write("\n# Written by dbsafe.\n")
        file.writelines(f"{name} = '{value}'\n" for name, value in settings_for(major).items())
