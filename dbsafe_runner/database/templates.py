"""Templates: the prepared state that every namespace starts as, kept across runs under a key.

The key holds everything that the state depends on. A template is built on a throw-away server, copied
into the cache only when its set-up succeeded and the server stopped in an orderly way.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dbsafe_runner.database.cache import Cache, Entry
from dbsafe_runner.database.cluster import (
    copy_data,
    initialise,
    settings_for,
    shorten_wal,
    time_zone_source,
)
from dbsafe_runner.database.ending import Ending
from dbsafe_runner.database.provider import Report, TemplateRequest
from dbsafe_runner.database.rundir import RunDirectory
from dbsafe_runner.database.server import Installation, Server, listening
from dbsafe_runner.database.setup_command import Setup, SetupFailedError, missing_extensions
from dbsafe_runner.database.sources import Source, create_names
from dbsafe_runner.domain.namespace import Endpoint


def template_key(base: str, request: TemplateRequest, digests: Sequence[tuple[str, str]]) -> str:
    """The key of a template.

    Args:
        base: the key of the empty data directory that it is built on.
        request: what it shall be.
        digests: (path, hash of the content) of the input files, sorted.
    """
    named = sorted({(source.user, source.database, source.password) for source in request.sources})
    parts = [base, request.setup, list(digests), named, sorted(request.extensions)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def input_digests(root: Path, patterns: Sequence[str], report: Report) -> list[tuple[str, str]]:
    """(path relative to the root, SHA-256 of the content) of the files that match, sorted."""
    digests: dict[str, str] = {}
    for pattern in patterns:
        files = [path for path in root.glob(pattern) if path.is_file()]
        if not files:
            report(f"no file matches the [database] input {pattern!r}")
        for path in files:
            digests[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sorted(digests.items())


def base_key(installation: Installation) -> str:
    """The key of the empty data directory of a server version."""
    account = installation.account
    parts = [
        installation.binaries.identity,
        sorted(settings_for(installation.binaries.major).items()),
        time_zone_source(),
        # Data directories are readable for their owner only.
        account.uid,
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    return f"{installation.binaries.version}-{digest}"


def obtain_base(installation: Installation, cache: Cache, report: Report) -> Entry:
    """The empty data directory of this server version from the cache; initdb makes it once."""

    def build(directory: Path) -> Mapping[str, Any]:
        report(f"initialising PostgreSQL {installation.binaries.version}")
        return initialise(installation, directory / "data")

    return cache.obtain(base_key(installation), build, report=report)[0]


class TemplateBuilder:
    """Builds the templates of one run."""

    def __init__(
        self, installation: Installation, run: RunDirectory, request: TemplateRequest, ending: Ending
    ) -> None:
        self._installation = installation
        self._run = run
        self._request = request
        self._ending = ending

    def build(self, base: Entry, directory: Path, report: Report) -> Mapping[str, Any]:
        """Fill `directory/data` with the template, built upon `base`.

        Raises:
            UserError: `setup-failed`, `setup-timeout`, `server-start-failed`, `no-space` and others.
        """
        name = f"t{secrets.token_hex(3)}"
        home, data = self._run.place(name, base.facts["manifest"][1])
        port, listen = listening(tcp=self._request.tcp)
        server = Server(self._installation, home, data, port=port, listen=listen)
        try:
            with self._ending.watch(server):
                copy_data(self._installation, base.data, data)
                # What the set-up writes need not be looked at: its WAL may go.
                server.launch(wal_keep_size="0", wal_recycle="off")
                server.wait()
                create_names(server.dsn(), self._request.sources)
                if self._request.setup:
                    report(f"running set-up: {self._request.setup}")
                    self._set_up(server)
                server.stop()
                self.keep(data, self._installation.account.make_directory(directory / "data"))
        finally:
            self._run.remove(name)
        return {"version": self._installation.binaries.version, "setup": self._request.setup}

    def keep(self, data: Path, target: Path) -> None:
        """Copy the data directory of a server that stopped in an orderly way to the empty `target`."""
        shorten_wal(self._installation, data)
        bring_in_tablespaces(data)
        copy_data(self._installation, data, target)

    def _set_up(self, server: Server) -> None:
        endpoint = server.endpoint
        given = self._request.environment
        environment = given(endpoint) if given else default_environment(endpoint, self._request.sources)
        log = self._run.scratch() / f"setup-{secrets.token_hex(3)}.log"
        request = self._request
        setup = Setup(request.command(endpoint), request.root, log, shown=request.setup)
        try:
            with self._ending.watch(setup):
                setup.run(environment, self._request.timeout)
        except SetupFailedError as error:
            # What the set-up kept to itself stands in the server's log.
            error.extensions = error.extensions or missing_extensions(server.log_tail(200))
            if not request.sources:
                error.hint = (
                    "Name the URL of the database that it prepares as [database] source: then its role"
                    f" and database exist, and connections to it are led there. {error.hint}"
                )
            raise
        finally:
            log.unlink(missing_ok=True)


def default_environment(endpoint: Endpoint, sources: Sequence[Source]) -> dict[str, str]:
    """Our own environment, with `DATABASE_URL` and `PG*` pointing to an endpoint."""
    source = sources[0] if sources else Source(user="postgres", database="postgres")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    login = quote(source.user, safe="")
    if source.password:
        login += ":" + quote(source.password, safe="")
        environment["PGPASSWORD"] = source.password
    where = f"host={quote(endpoint.host, safe='')}&port={endpoint.port}"
    environment |= {
        "DATABASE_URL": f"postgresql://{login}@/{quote(source.database, safe='')}?{where}",
        "PGHOST": endpoint.host,
        "PGPORT": str(endpoint.port),
        "PGUSER": source.user,
        "PGDATABASE": source.database,
    }
    return environment


def bring_in_tablespaces(data: Path) -> None:
    """Replace links to tablespaces elsewhere by their content: clones must not share one."""
    for link in (data / "pg_tblspc").iterdir():
        if link.is_symlink():
            place = link.resolve()
            owner = place.stat()
            link.unlink()
            shutil.copytree(place, link)
            for path in (link, *link.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)
