"""The directories of one run: servers' data, sockets and logs, gone when the run is gone.

A run directory carries an owner file that the run keeps locked (`flock`). A directory whose lock can
be had belongs to nobody any more. A guardian, a tiny shell process, waits for the run's end through a
pipe: should dbsafe be killed, it ends the servers and removes the directories at once. What even the
guardian missed is left to `dbsafe_runner.database.janitor` of a later run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.space import (
    DISK_RESERVE,
    MEMORY_RESERVE,
    free_memory,
    no_space,
    telling_when_full,
    what_lacks,
)
from dbsafe_runner.errors import ExitCode, UserError

OWNER: Final = "owner"

#: A socket's full path must fit into `sockaddr_un`: 104 bytes on macOS, 108 on Linux.
LONGEST_SOCKET_DIRECTORY: Final = 84

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the place for shared memory, not a temporary file.

#: Waits until standard input closes, which happens when dbsafe ends in whatever way; then ends the
#: set-up (its process group) and the servers of the run, and removes its directories, which are the
#: arguments behind the first one. That one is "theirs" where what these lie in is the user's and stays.
_GUARDIAN: Final = r"""
trap '' INT TERM HUP QUIT TSTP
while read -r line; do :; done
owner=$1
shift
tries=0
while [ $tries -lt 100 ]; do
  left=
  for run do
    [ -d "$run" ] || continue
    left=1
    for file in "$run"/scratch/*.group; do
      { [ -f "$file" ] && read -r group <"$file"; } || continue
      kill -TERM "-$group"
      sleep 0.2 || sleep 1
      kill -KILL "-$group"
    done
    for file in "$run"/*/data/postmaster.pid; do
      { [ -f "$file" ] && read -r pid <"$file"; } || continue
      [ -d /proc/self ] && [ "$(readlink "/proc/$pid/cwd")" != "${file%/*}" ] && continue
      kill -QUIT "$pid"
    done
  done
  [ -z "$left" ] && break
  sleep 0.1 || sleep 1
  # What was just being started when dbsafe ended is found in the second round.
  [ $tries -gt 0 ] && rm -rf "$@"
  tries=$((tries + 1))
done
[ "$owner" = theirs ] || for run do rmdir "${run%/*}"; done
"""


class RunDirectory:
    """The private directories of this run, in memory (where there is any) and on disk."""

    def __init__(self, account: Account) -> None:
        """Make them, take their locks, and start the guardian.

        Raises:
            UserError: `run-directory-unusable`.
        """
        self.account = account
        self.id = secrets.token_hex(3)
        self._locks: list[int] = []
        #: Whether what the run directories lie in was there before and is none of ours.
        self._stays = "DBSAFE_SERVERS_DIR" in os.environ and disk_root().exists()
        self.disk = self._claim(disk_root())
        memory = memory_root()
        self.memory = self._claim(memory) if memory else self.disk
        self._short = self.memory if len(str(self.memory)) < LONGEST_SOCKET_DIRECTORY else self.disk
        if len(str(self._short)) + 8 > LONGEST_SOCKET_DIRECTORY or "," in str(self._short):
            self.close()
            raise _unusable(self._short, "Its path is too long for a Unix socket, or has a comma.")
        owner = "theirs" if self._stays else "ours"
        self._guardian = _start_guardian(owner, sorted({str(self.memory), str(self.disk)}))

    def place(self, name: str, size: int) -> tuple[Path, Path]:
        """Make the directories of one server: for its socket and log, and for its data.

        The data directory lies in memory when there is room for `size` bytes and for growth, else on
        disk.

        Raises:
            UserError: `no-space` when neither has room.
        """
        with telling_when_full(self._short):
            home = self.account.make_directory(self._short / name)
        in_memory = self.memory != self.disk and free_memory(self.memory) >= size + MEMORY_RESERVE
        parent = home if in_memory or self._short == self.disk else self.disk / name
        if not in_memory:
            free = shutil.disk_usage(self.disk).free
            if free < size + DISK_RESERVE:
                shutil.rmtree(home, ignore_errors=True)
                raise no_space(self.disk, what_lacks(size, free))
            if parent != home:
                self.account.make_directory(parent)
        return home, self.account.make_directory(parent / "data")

    def remove(self, name: str) -> None:
        """Remove the directories of one server, which has ended."""
        for run in (self.memory, self.disk):
            shutil.rmtree(run / name, ignore_errors=True)

    def scratch(self) -> Path:
        """A directory on disk for the workers' large snapshots and the set-up's output."""
        directory = self.disk / "scratch"
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    def close(self) -> None:
        """Remove everything and let the guardian go. May be called again. Servers must have ended."""
        for run in {self.memory, self.disk} if hasattr(self, "memory") else {self.disk}:
            shutil.rmtree(run, ignore_errors=True)
            if self._stays:
                continue
            with contextlib.suppress(OSError):
                # Others' runs keep it from being empty.
                run.parent.rmdir()
        while self._locks:
            os.close(self._locks.pop())
        if guardian := self.__dict__.pop("_guardian", None):
            guardian.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                guardian.wait(5)

    def _claim(self, root: Path) -> Path:
        """Make this run's directory below `root`; it appears under its name already locked."""
        try:
            with telling_when_full(root):
                try:
                    return self._claim_below(root)
                except FileNotFoundError:
                    # Another run that ended in between took the empty root away.
                    return self._claim_below(root)
        except OSError as error:
            raise _unusable(root, str(error)) from error

    def _claim_below(self, root: Path) -> Path:
        _claim_root(root, self.account)
        new = root / f".new-{self.id}"
        new.mkdir(mode=0o711)
        owner = os.open(new / OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._locks.append(owner)
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = {"pid": os.getpid(), "started": time.time(), "command": sys.argv[:1]}
        os.write(owner, json.dumps(facts).encode())
        return new.rename(root / self.id)


def disk_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Where run directories on disk are: `DBSAFE_SERVERS_DIR`, or one of ours for temporary files."""
    if given := environment.get("DBSAFE_SERVERS_DIR"):
        return Path(given).expanduser().absolute()
    return Path(tempfile.gettempdir()) / f"dbsafe-{os.geteuid()}"


def memory_root(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where run directories in memory are, or None where there is no such file system."""
    if environment.get("DBSAFE_SERVERS_DIR") or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    return MEMORY / f"dbsafe-{os.geteuid()}"


def _claim_root(root: Path, account: Account) -> None:
    with contextlib.suppress(FileExistsError):
        # Other accounts may pass through it but not list it.
        root.mkdir(mode=0o711 if account.switch else 0o700, parents=True)
    found = root.lstat()
    if root.is_symlink() or found.st_uid != os.geteuid():
        raise PermissionError(0, f"{root} belongs to another user")


def _start_guardian(owner: str, runs: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARDIAN, "dbsafe-guardian", owner, *runs],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _unusable(root: Path, cause: str) -> UserError:
    return UserError(
        "run-directory-unusable",
        f"The directory for running servers, {root}, cannot be used.",
        cause=cause,
        hint="Name another one with the environment variable DBSAFE_SERVERS_DIR.",
        exit_code=ExitCode.SERVER,
    )
