"""Making: what a kind of namespaces on the user's server has to be able to do, and what all kinds share.

`UserServerProvider` hands out and takes back; a Maker of its kind makes and removes.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import itertools
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import dbsafe_runner
from dbsafe_runner.database.ending import Ending
from dbsafe_runner.database.ownership import new_run_id, new_tag, write_tag
from dbsafe_runner.database.provider import Report, TemplateRequest
from dbsafe_runner.database.schema_path import as_option
from dbsafe_runner.database.sessions import Claim, Sessions
from dbsafe_runner.database.setup_command import Setup, SetupFailedError
from dbsafe_runner.database.sources import Source
from dbsafe_runner.database.templates import default_environment, input_digests
from dbsafe_runner.database.user_server import ServerAddress, ServerFacts
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint

#: Part of every template's key: changes when templates of earlier versions cannot be used any more.
KEY_FORMAT: Final = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A namespace that is ready. `names` are its databases, or its schema."""

    names: tuple[str, ...]
    endpoint: Endpoint
    #: Where our own session for observation goes.
    admin_dsn: str = dataclasses.field(repr=False)
    database: str = ""


class Maker(Protocol):
    """Makes namespaces of one kind. `make` and `remove` may be called from several threads."""

    kind: NamespaceKind

    def prepare(self, report: Report) -> tuple[str, bool]:
        """Make the template ready; return its key, and whether it was kept from an earlier run."""
        ...

    def make(self) -> Made:
        """A namespace in the template's state."""
        ...

    def remove(self, made: Made) -> None:
        """Remove it and end the sessions in it; harmless when it is gone."""
        ...

    def label(self, made: Made, worker: str, *, kept: str = "") -> None:
        """Write on it which worker has it, or for which test it is kept."""
        ...

    def missing(self, made: Made) -> bool:
        """Whether something else has removed it."""
        ...

    def adopt(self, made: Made) -> None:
        """Make the state of a namespace the template from now on."""
        ...

    def close(self) -> None:
        """Remove what belongs to this run beside its namespaces."""
        ...


@dataclasses.dataclass(slots=True)
class Workplace:
    """What makers share: the server, this run's id and claim, and where its files go."""

    request: TemplateRequest
    address: ServerAddress
    #: Where our own sessions go: the address itself, or the way around a pooler.
    direct: ServerAddress
    facts: ServerFacts
    sessions: Sessions
    claim: Claim
    scratch: Path
    ending: Ending
    closing: threading.Event
    run: str = dataclasses.field(default_factory=new_run_id)
    #: What does not work there, or is otherwise than asked for, each in one sentence.
    limits: list[str] = dataclasses.field(default_factory=list)
    #: Patterns of databases that tests may connect to although they are none of the suite's.
    open: tuple[str, ...] = ()
    #: Seconds that the server is waited for.
    patience: float = 60.0
    #: The option by which a later command finds the server, and what is to be said beside it.
    option: str = ""
    note: str = ""
    #: Databases that were there before the run and are closed to tests, filled in by `find_closed`.
    closed: tuple[str, ...] = ()
    numbers: itertools.count[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The databases that the suite means; that of the server's URL when it does not say."""
        own = Source(self.address.user, self.address.database, self.address.password)
        return self.request.sources or (own,)

    @property
    def databases(self) -> tuple[Source, ...]:
        """The first of the sources for each database."""
        return tuple({source.database: source for source in reversed(self.sources)}.values())[::-1]

    @property
    def strangers(self) -> dict[str, Source]:
        """Roles of the suite that are not that of the server's URL, each with a source."""
        return {one.user: one for one in self.sources if one.user != self.facts.role}

    def find_closed(self) -> None:
        """Learn which databases are there that are none of the suite's.

        What a test makes itself later is its own, so names that nothing has yet stay open.

        Raises:
            UserError: `server-unreachable`.
        """
        with self.sessions.session() as connection:
            rows = connection.execute("select datname::text from pg_database order by 1").fetchall()
        self.closed = tuple(
            name
            for (name,) in rows
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.open)
        )

    def tell_logins(self) -> None:
        """Say that the suite's roles are not used."""
        if names := ", ".join(sorted(self.strangers)):
            role = self.facts.role
            self.limits.append(
                f"The suite's connections as {names} are made as {role}, as the server's URL says."
            )

    def new_name(self, letter: str = "") -> str:
        """A name that nothing on any server has."""
        return f"dbsafe_{self.run}_{letter}{next(self.numbers)}"

    def new_suffix(self) -> str:
        """What ends the names of databases that tests make, see `ownership.made_by_test`."""
        return self.new_name("d")

    def comment(self, before: str = "", worker: str = "", kept: str = "") -> str:
        """The comment that says that this run made something, and who has it or why it is kept."""
        return write_tag(new_tag(self.run, dbsafe_runner.__version__, worker, kept), before)

    def key(self, kind: NamespaceKind, start: str, report: Report) -> str:
        """The key of the template that the set-up makes; `start`: who it logs in as, what it finds."""
        request = self.request
        named = [(source.user, source.database) for source in self.sources]
        parts = [
            KEY_FORMAT,
            kind.value,
            request.setup,
            input_digests(request.root, request.inputs, report),
            named,
            self.facts.role,
            start,
            self.address.database if kind is NamespaceKind.SCHEMA else "",
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]

    def set_up(self, endpoint: Endpoint, report: Report) -> None:
        """Run the set-up, led to `endpoint`.

        Raises:
            UserError: `setup-failed`, `setup-timeout`.
        """
        request = self.request
        report(f"running set-up: {request.setup}")
        given = request.environment
        environment = given(endpoint) if given else self._plain_environment(endpoint)
        log = self.scratch / f"setup-{secrets.token_hex(3)}.log"
        setup = Setup(request.command(endpoint), request.root, log, shown=request.setup)
        try:
            with self.ending.watch(setup):
                setup.run(environment, request.timeout)
        except SetupFailedError as error:
            error.cause = self.address.mask(error.cause)
            raise
        finally:
            log.unlink(missing_ok=True)

    def _plain_environment(self, endpoint: Endpoint) -> Mapping[str, str]:
        """`DATABASE_URL` and `PG*` for the first source, led to `endpoint`."""
        source = self.sources[0]
        led = Source(
            user=endpoint.user or source.user,
            database=endpoint.databases.get(source.database, source.database),
            password=endpoint.password or source.password,
        )
        environment = default_environment(endpoint, [led])
        environment |= {f"PG{key.upper()}": value for key, value in endpoint.options.items()}
        if endpoint.schema:
            options = f"{environment.get('PGOPTIONS', '')} {as_option(endpoint.search_path)}"
            environment["PGOPTIONS"] = options.strip()
        return environment


def numbered(name: str, count: int) -> tuple[str, ...]:
    """Names for `count` databases that belong together: name, name_2, name_3 ..."""
    return (name, *(f"{name}_{number}" for number in range(2, count + 1)))


def mapping(sources: Sequence[Source], names: Sequence[str]) -> dict[str, str]:
    """Database as the suite names it -> its name on the server."""
    return {source.database: name for source, name in zip(sources, names, strict=True)}
