"""From the URL of a server to the provider of namespaces on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dbsafe_runner.database.connection_room import MAKERS
from dbsafe_runner.database.database_maker import DatabaseMaker
from dbsafe_runner.database.making import Maker, Workplace
from dbsafe_runner.database.ownership import new_run_id
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.schema_maker import SchemaMaker
from dbsafe_runner.database.sessions import Claim, Sessions
from dbsafe_runner.database.user_server import (
    ServerAddress,
    ServerFacts,
    check_allowed,
    choose_kind,
    inspect,
    inspect_pooler,
)
from dbsafe_runner.database.user_server_provider import (
    UserServerProvider,
    new_ending,
    scratch_directory,
)
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.errors import ExitCode, UserError


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """What the user said about the server."""

    #: Where the suite's connections go.
    url: str = dataclasses.field(repr=False)
    #: The same server without the pooler that `url` leads through; "" when there is none.
    direct: str = dataclasses.field(default="", repr=False)
    #: "auto" or a NamespaceKind value.
    namespace: str = "auto"
    #: Patterns of hosts and databases that are refused.
    deny: Sequence[str] = ()
    #: Patterns of other databases that tests may connect to for real.
    open: Sequence[str] = ()
    #: Seconds that the server is waited for when it restarts, or has no connection left.
    patience: float = 60.0
    #: The option by which a later command finds the server, "" where it needs none, and what is to be
    #: said beside it. No secret is in them.
    option: str = ""
    note: str = ""


def provider_for(choice: Choice, request: TemplateRequest) -> UserServerProvider:
    """Connect to the server and choose the kind of namespaces.

    Raises:
        UserError: `bad-server-url`, `server-denied`, `server-unreachable`, `server-too-old`,
            `server-read-only`, `server-behind-pooler`, `namespace-not-permitted`.
    """
    address, direct, facts = inspect_server(choice)
    kind, why = choose_kind(choice.namespace, facts)
    sessions = Sessions(direct, MAKERS, at_home=kind is NamespaceKind.SCHEMA)
    try:
        ending, closing = new_ending()
        run = new_run_id()
        place = Workplace(
            request=request,
            address=address,
            direct=direct,
            facts=facts,
            sessions=sessions,
            claim=Claim(sessions, run),
            scratch=scratch_directory(),
            ending=ending,
            closing=closing,
            limits=_limits(facts),
            open=tuple(choice.open),
            patience=choice.patience,
            run=run,
            option=choice.option,
            note=choice.note,
        )
    except BaseException:
        sessions.close()
        raise
    return UserServerProvider(_maker(kind, place), place, why)


def inspect_server(choice: Choice) -> tuple[ServerAddress, ServerAddress, ServerFacts]:
    """Where the server is, where it is without a pooler, and what it is.

    Raises:
        UserError: as `provider_for`.
    """
    for url in filter(None, (choice.url, choice.direct)):
        check_allowed(url, choice.deny)
    address, facts = (inspect_pooler if choice.direct else inspect)(choice.url)
    direct = address
    if choice.direct:
        direct, direct_facts = inspect(choice.direct)
        facts = dataclasses.replace(facts, create_schema=direct_facts.create_schema)
        if direct_facts.pooled or direct_facts.version_num != facts.version_num:
            raise _behind_pooler(direct, "[database] direct leads to a pooler or to another server.")
    elif facts.pooled:
        raise _behind_pooler(address, "It hands out server connections per transaction.")
    return address, direct, facts


def _maker(kind: NamespaceKind, place: Workplace) -> Maker:
    return DatabaseMaker(place) if kind is NamespaceKind.DATABASE else SchemaMaker(place)


def _limits(facts: ServerFacts) -> list[str]:
    if not facts.pooled:
        return []
    warning = (
        "The URL leads through a pooler that hands out server connections per transaction: what a test "
        "keeps in its session (SET, temporary tables, LISTEN, advisory locks, prepared statements) "
        "works only as far as the pooler lets it; the pooler must accept any database name (`* = ...`)."
    )
    return [warning]


def _behind_pooler(address: ServerAddress, cause: str) -> UserError:
    return UserError(
        "server-behind-pooler",
        f"{address.shown} leads through a pooler, and dbsafe needs sessions of its own on the server.",
        cause=f"{cause} Locks, and the settings under which dbsafe observes, live in sessions.",
        hint="Give PostgreSQL's own URL as [database] direct (--direct); tests go on to connect through "
        "the pooler. Or give it as [database] server, without the pooler.",
        exit_code=ExitCode.SERVER,
    )
