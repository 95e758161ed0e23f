"""Servers of our own that outlive their run: the databases of failed tests, kept for a look.

Each has a directory beside those of the runs, which no run owns and no guardian watches. It goes with
`dbsafe db clean`, and is a leftover for later runs after `KEPT_SECONDS`, or when its server has ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from dbsafe_runner.database.server import Installation, Server, end_orphans

PREFIX: Final = "kept-"

#: How long a database that is kept is left alone, in seconds.
KEPT_SECONDS: Final = 24 * 3600.0

_FACTS: Final = "kept.json"


@dataclasses.dataclass(frozen=True, slots=True)
class KeptServer:
    """A server that is kept. `made` is Unix time."""

    path: Path
    nodeid: str
    made: float
    #: The directory of its socket.
    home: Path
    database: str
    user: str
    running: bool

    @property
    def name(self) -> str:
        """What `dbsafe db psql` calls it."""
        return self.path.name

    @property
    def due(self) -> bool:
        """Whether any run may remove it."""
        return not self.running or time.time() - self.made > KEPT_SECONDS


def keep_server(
    installation: Installation, server: Server, *, nodeid: str, database: str, user: str
) -> KeptServer:
    """Move a server out of its run's directory, where it goes on, sessions ended.

    Raises:
        UserError: it does not stop or start again.
        OSError: its files cannot be moved.
    """
    server.stop()
    place = server.data.parent
    path = place.parent.parent / f"{PREFIX}{secrets.token_hex(2)}"
    path.mkdir(mode=0o711)
    home = place.rename(path / place.name)
    facts = {"nodeid": nodeid, "made": time.time(), "database": database, "user": user}
    # Before its server is there, so that nobody takes it for something that was not finished.
    (path / _FACTS).write_text(json.dumps({**facts, "home": str(home)}), encoding="utf-8")
    again = Server(installation, home, home / "data")
    try:
        again.launch()
        again.wait()
    except BaseException:
        again.kill()
        shutil.rmtree(path, ignore_errors=True)
        raise
    return KeptServer(path, nodeid, facts["made"], home, database, user, running=True)  # type: ignore[arg-type]


def find_kept_servers(roots: Iterable[Path]) -> Iterator[KeptServer]:
    """The servers that are kept below these directories."""
    for root in roots:
        with contextlib.suppress(OSError):
            for path in sorted(root.glob(f"{PREFIX}*")):
                if not path.is_symlink() and path.stat().st_uid == os.geteuid():
                    yield _read(path)


def remove_kept(kept: KeptServer) -> None:
    """End the server and remove its files."""
    for data in kept.path.glob("*/data"):
        end_orphans(data)
    shutil.rmtree(kept.path, ignore_errors=True)


def _read(path: Path) -> KeptServer:
    facts: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        facts = dict(json.loads((path / _FACTS).read_text(encoding="utf-8")))
    home = Path(str(facts.get("home", path)))
    return KeptServer(
        path=path,
        nodeid=str(facts.get("nodeid", "?")),
        made=float(facts.get("made", path.stat().st_mtime)),
        home=home,
        database=str(facts.get("database", "postgres")),
        user=str(facts.get("user", "postgres")),
        running=_runs(home / "data"),
    )


def _runs(data: Path) -> bool:
    """Whether the process that postmaster.pid names is that of this data directory."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve() if _HAS_PROC else _lives(pid)
    except (OSError, ValueError, IndexError):
        return False


def _lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


_HAS_PROC: Final = Path("/proc/self/cwd").exists()
