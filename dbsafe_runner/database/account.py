"""The account that servers run under: our own, or, as root, an unprivileged one that exists.

PostgreSQL refuses to run as root. This module creates no account and changes no permission; it only
names an existing account and asks the kernel, by trying, what that account can reach.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbsafe_runner.errors import ExitCode, UserError

#: Tried in this order when we are root. The first that exists and that we may switch to is taken.
CANDIDATES = ("nobody", "postgres", "daemon")

#: What a server process gets to see of our environment: nothing that could hold a secret.
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "TMPDIR")


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """Whom servers run as. `switch` is False when that is whoever runs dbsafe."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_options(self) -> dict[str, Any]:
        """Keyword arguments for `subprocess.Popen` that start a program under this account.

        The working directory is one that every account may be in; the environment is cut down to
        what a server needs, so that PG* variables of the user do not configure it.
        """
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment["LC_ALL"] = "C"
        options: dict[str, Any] = {"cwd": "/", "env": environment}
        if self.switch:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def helper_options(self) -> dict[str, Any]:
        """The same for a program that does one thing and ends.

        It has a process group of its own: a signal that ends the whole group of dbsafe would end it as
        well, and the run, which is stopped in order, would take that for a failure.
        """
        return {**self.popen_options(), "process_group": 0}

    def can_read(self, paths: Sequence[Path]) -> bool:
        """Whether this account can read all these files, and enter and list these directories."""
        if not self.switch:
            return all(os.access(path, os.R_OK) for path in paths)
        # The kernel decides in a process of that account: mode bits alone do not tell about ACLs.
        script = (
            'for f do test -r "$f" || exit 1; if test -d "$f"; then test -x "$f" || exit 1; fi; done'
        )
        command = ["/bin/sh", "-c", script, "sh", *map(str, paths)]
        done = subprocess.run(command, check=False, capture_output=True, **self.helper_options())
        return done.returncode == 0

    def make_directory(self, path: Path) -> Path:
        """Make a directory that only this account (and root) can enter. Its parent must exist."""
        path.mkdir(mode=0o700)
        if self.switch:
            os.chown(path, self.uid, self.gid)
        return path


def server_account() -> Account:
    """The account for servers on this machine.

    Raises:
        UserError: `no-unprivileged-account` when we are root and can become nobody else.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(name=_name_of(uid), uid=uid, gid=os.getegid(), switch=False)
    reasons: list[str] = []
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            reasons.append(f"{name}: no such user")
            continue
        account = Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, switch=True)
        try:
            subprocess.run(["/bin/sh", "-c", ":"], check=True, **account.helper_options())
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(f"{name}: {error}")
        else:
            return account
    raise UserError(
        "no-unprivileged-account",
        "PostgreSQL does not run as root, and no other account can be used for it.",
        cause="\n".join(reasons),
        hint="Run dbsafe as an ordinary user, or let root switch users (CAP_SETUID, CAP_SETGID).",
        exit_code=ExitCode.SERVER,
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
