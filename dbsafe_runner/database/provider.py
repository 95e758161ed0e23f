"""What a provider of namespaces offers; kinds server, database and schema all implement this.

The dispatcher calls a provider from a pool of threads. This module holds only the shapes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from dbsafe_runner.database.sources import Source
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint, Namespace
from dbsafe_runner.errors import ExitCode, UserError

Report = Callable[[str], None]

#: Gives the whole environment of a process that shall reach its database at an endpoint.
EnvironmentBuilder = Callable[[Endpoint], Mapping[str, str]]
#: Leads the URLs in a shell command to an endpoint.
CommandLeader = Callable[[str, Endpoint], str]


@dataclasses.dataclass(frozen=True, slots=True)
class TemplateRequest:
    """What the template shall be.

    Everything but `environment`, `lead`, `timeout`, `tcp` and `fresh` is in its key.
    """

    #: The directory that the set-up runs in and that `inputs` are relative to.
    root: Path
    #: A shell command or `module:callable`; "" for none.
    setup: str = ""
    #: Glob patterns of files whose contents decide whether the template is up to date.
    inputs: tuple[str, ...] = ()
    #: Roles and databases that must exist before the set-up runs.
    sources: tuple[Source, ...] = ()
    #: Extensions that the server must offer, beside those that the set-up asks for.
    extensions: tuple[str, ...] = ()
    environment: EnvironmentBuilder | None = None
    #: Programs that are given the suite's URL as an argument do not look at their environment.
    lead: CommandLeader | None = None
    #: Seconds that the set-up may take.
    timeout: float = 600.0
    #: Servers of our own also listen on 127.0.0.1, each on a free port, and clients are led there. Any
    #: local user can connect then, as any role.
    tcp: bool = False
    #: Build it anew even where a ready one is kept.
    fresh: bool = False

    def command(self, endpoint: Endpoint) -> str:
        """The set-up as it is run against an endpoint."""
        return self.lead(self.setup, endpoint) if self.lead is not None else self.setup


@dataclasses.dataclass(frozen=True, slots=True)
class TemplateInfo:
    """The template that `prepare` made ready."""

    #: As the server names itself, e.g. "18.6".
    server_version: str
    key: str
    #: Wall time that preparing took.
    seconds: float
    #: Whether it was kept from an earlier run.
    reused: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Keepsake:
    """A namespace that outlives its run. No secret is in it."""

    #: What `dbsafe db psql` calls it.
    name: str
    #: Where it is, in words.
    place: str
    #: The option that commands need to find it, as one pastes it into a shell; "" for none.
    option: str = ""
    #: What is to be known beside that, in words; "" for nothing.
    note: str = ""


class NamespaceProvider(Protocol):
    """Makes, hands out and takes back namespaces. All methods may be called from several threads."""

    @property
    def kind(self) -> NamespaceKind:
        """What its namespaces are made of."""
        ...

    def prepare(self, report: Report) -> TemplateInfo:
        """Make the template ready; called once, before anything else.

        Args:
            report: told each step in words, e.g. "running set-up: alembic upgrade head".

        Raises:
            UserError: the server or the template cannot be had. Nothing half-made remains.
        """
        ...

    def acquire(self, worker: str) -> Namespace:
        """A namespace in the template's state, for one worker alone. Blocks until it is ready.

        Raises:
            UserError: it cannot be made.
            ProviderClosedError: `close` was called, before or meanwhile.
        """
        ...

    def warm(self, count: int) -> None:
        """See to it that `count` namespaces are ready or being made ahead of need. Does not block.

        What goes wrong in making them shows when they are acquired.
        """
        ...

    def release(self, namespace: Namespace) -> None:
        """Destroy a namespace, whatever goes on in it. Harmless when it is gone already."""
        ...

    def keep(self, namespace: Namespace, nodeid: str) -> Keepsake:
        """Take a namespace back, but leave it as it is for the user to look at, also after `close`.

        Raises:
            UserError: it cannot be kept; it is released then.
        """
        ...

    def trouble(self, namespace: Namespace) -> str:
        """Why a namespace is no longer usable, e.g. its server died, in words; "" when it is fine."""
        ...

    def learn(self, role: str, database: str, namespace: Namespace) -> None:
        """Make a role and a database exist, in `namespace` and in all that are made from now on.

        Either may be "". For what the suite turned out to use beyond the URLs that were configured.
        Other living namespaces are left as they are: their workers would see a change that no test made.
        """
        ...

    def adopt(self, namespace: Namespace) -> None:
        """Make the present state of a namespace the template of every further one of this run.

        For suites whose collection changes the database. The kept template is not changed. Sessions in
        the namespace end.

        Raises:
            UserError: its state cannot be taken.
        """
        ...

    def close(self) -> None:
        """Destroy all namespaces and remove every file of the run. May be called again, at any time."""
        ...


class ProviderClosedError(Exception):
    """A namespace was asked of a provider that is closed or closing."""


def not_kept(cause: str) -> UserError:
    """The error for a namespace that could not be kept."""
    return UserError(
        "namespace-not-kept",
        "The database of a failed test could not be kept.",
        cause=cause,
        exit_code=ExitCode.SERVER,
    )
