"""The parts of a run, made from the configuration: provider of namespaces, settings of the pool."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.config.database_settings import AUTO, EMBEDDED
from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.binaries import choose
from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.mock_provider import MockProvider
from dbsafe_runner.database.passwords import masked_urls
from dbsafe_runner.database.provider import NamespaceProvider, TemplateRequest
from dbsafe_runner.database.user_server import check_url
from dbsafe_runner.database.user_server_provider import UserServerProvider
from dbsafe_runner.database.user_servers import Choice, provider_for
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.session.server_option import server_option
from dbsafe_runner.session.source_urls import NEITHER, bad_source, completed, parse_source
from dbsafe_runner.workers.redirect import Target
from dbsafe_runner.workers.redirect.commands import rewrite_command
from dbsafe_runner.workers.redirect.environment import serial_environment
from dbsafe_runner.workers.settings import PoolSettings


def usable_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sources(config: Config) -> tuple[str, ...]:
    """The URLs that the suite connects to; that of the server where nothing is configured."""
    database = config.database
    if database.source or database.server in {AUTO, EMBEDDED}:
        return database.source
    return (database.server,)


def targets(config: Config) -> tuple[Target, ...]:
    """The servers that the suite means; the user's own is never connected to but by way of these.

    Raises:
        UserError: `bad-server-url`, `bad-source`.
    """
    database = config.database
    named = () if database.server in {AUTO, EMBEDDED} else (database.server, database.direct)
    servers = tuple(filter(None, named))
    # Where the suite's URL is not configured it is the server's, and what is wrong is wrong there.
    for url in servers:
        check_url(url)
    urls = (*sources(config), *servers)
    for url in urls:
        parse_source(url)
    try:
        return tuple(Target.parse(url) for url in dict.fromkeys(urls))
    except ValueError:
        raise bad_source(NEITHER) from None


def choice_of(config: Config) -> Choice | None:
    """What the configuration says about a server of the user's; None where it names none."""
    database = config.database
    if database.server in {AUTO, EMBEDDED}:
        return None
    option, note = server_option(config, os.environ)
    return Choice(
        url=completed(database.server),
        direct=completed(database.direct),
        namespace=database.namespace,
        deny=database.deny,
        open=database.allow_databases if database.guard else ("*",),
        patience=database.patience,
        option=option,
        note=note,
    )


def allowed_hosts(config: Config) -> tuple[str, ...]:
    """Patterns of hosts that the suite may connect to for real."""
    return config.database.allow_hosts if config.database.guard else ("*",)


def make_provider(config: Config, *, fresh: bool) -> NamespaceProvider:
    """As `obtain_provider`, for those who have nobody to tell of what stands in."""
    return obtain_provider(config, fresh=fresh)[0]


def obtain_provider(config: Config, *, fresh: bool) -> tuple[NamespaceProvider, list[Note]]:
    """The provider of namespaces that the configuration asks for, or what it lets stand in for it.

    Only a server that the configuration, the command line or `DATABASE_URL` names is ever used. What
    stands in for it, if it cannot be had, is told in notes.

    Raises:
        UserError: `bad-server-url`, `bad-source`, `direct-needs-server`, `namespace-needs-server`,
            and what `provider_for` raises.
    """
    template = template_request(config, fresh=fresh)
    allowed = config.database.fallback
    notes: list[Note] = []
    if (choice := choice_of(config)) is not None:
        try:
            return provider_for(choice, template), notes
        except UserError as error:
            if error.code not in _LOST or not allowed:
                raise
            notes.append(_stands_in(error, "servers of dbsafe's own" if EMBEDDED in allowed else ""))
            if EMBEDDED not in allowed:
                return MockProvider(), notes
    try:
        return _embedded(config, template, check="mock" in allowed), notes
    except UserError as error:
        if error.code not in _LOST or "mock" not in allowed:
            raise
        return MockProvider(), [*notes, _stands_in(error)]


#: Errors that say that there is no server, rather than that something about it is wrong.
_LOST: Final = frozenset(
    (
        *("server-unreachable", "postgres-not-found", "postgres-broken", "postgres-closed"),
        *("postgres-too-old", "no-unprivileged-account"),
    )
)


def _stands_in(error: UserError, what: str = "") -> Note:
    return Note(
        "server-stood-in-for",
        f"{error.message} Instead, "
        + (what or "database tests run against a stand-in that answers with no rows: they are mocked")
        + ", as [database] fallback allows.",
        error.hint,
    )


def _embedded(config: Config, template: TemplateRequest, *, check: bool) -> EmbeddedProvider:
    """Servers of our own; with `check`, that they cannot be had is found out at once."""
    database = config.database
    if check:
        server_account()
        choose(database.postgres)
    if database.direct and database.server == AUTO:
        raise UserError(
            "direct-needs-server",
            "The way past a pooler leads to a server of yours, and none was named.",
            hint="Name it with --database URL, or leave --direct ([database] direct) out.",
            exit_code=ExitCode.USAGE,
        )
    if choice_of(config) is None and database.namespace not in {"auto", "server"}:
        raise UserError(
            "namespace-needs-server",
            f"Namespaces of kind {database.namespace} are made on a server of yours.",
            hint="Name it with --database URL, or leave --namespace out: then every worker has a whole "
            "server of its own.",
            exit_code=ExitCode.USAGE,
        )
    return EmbeddedProvider(template, postgres=database.postgres)


def lease_metrics(provider: NamespaceProvider) -> dict[str, float]:
    """What happened to the leases of namespaces on a user's server, by name; empty for others."""
    return dataclasses.asdict(provider.metrics) if isinstance(provider, UserServerProvider) else {}


def template_request(config: Config, *, fresh: bool) -> TemplateRequest:
    """What the template of the project shall be.

    Raises:
        UserError: `bad-source`.
    """
    database = config.database
    meant = targets(config)

    def environment(endpoint: Endpoint) -> Mapping[str, str]:
        own = _with_source(os.environ, sources(config))
        return serial_environment(own, endpoint, meant, allowed_hosts(config))

    def lead(command: str, endpoint: Endpoint) -> str:
        return rewrite_command(command, endpoint, meant, os.environ)

    return TemplateRequest(
        root=config.root,
        setup=database.setup,
        inputs=database.inputs,
        sources=tuple(parse_source(url) for url in sources(config)),
        environment=environment,
        lead=lead,
        timeout=database.setup_timeout or float("inf"),
        tcp=database.tcp,
        fresh=fresh,
    )


def _with_source(environment: Mapping[str, str], urls: Sequence[str]) -> Mapping[str, str]:
    """A set-up's environment: the suite's, and `DATABASE_URL` where nothing in it names a database.

    Migrations often read that variable, and the suite's own is set in CI and nowhere else.
    """
    names = ("DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
    url = next((url for url in urls if "://" in url), "")
    if not url or any(name in environment for name in names):
        return environment
    return {**environment, "DATABASE_URL": url}


def workers_that_fit(provider: NamespaceProvider, workers: int) -> int:
    """How many of the wanted workers the server has connections for; at least one.

    Raises:
        UserError: `server-unreachable`.
    """
    return provider.fit(workers) if isinstance(provider, UserServerProvider) else workers


def mask_of(config: Config, provider: NamespaceProvider) -> Callable[[str], str] | None:
    """What leaves the passwords of the user's server out of a text; None where none was given."""
    if isinstance(provider, UserServerProvider):
        return provider.mask
    if (choice := choice_of(config)) is None:
        return None
    # Something stands in for it, and the suite has its URL all the same.
    return lambda text: masked_urls(text, tuple(filter(None, (choice.url, choice.direct))))


def limits_of(provider: NamespaceProvider) -> tuple[str, ...]:
    """What does not work on the server, or is otherwise than asked for, each in one sentence."""
    return provider.limits if isinstance(provider, UserServerProvider) else ()


#: A seed for the order of batches: for scripts/agreement, which tries many.
BATCH_ORDER: Final = "DBSAFE_BATCH_ORDER"


def _order(environment: Mapping[str, str]) -> int | None:
    given = environment.get(BATCH_ORDER, "")
    return int(given) if given.isdecimal() else None


def pool_settings(config: Config, request: RunRequest, directory: Path, workers: int) -> PoolSettings:
    """What the dispatcher needs to know. `directory` is a private one for its sockets."""
    return PoolSettings(
        arguments=request.pytest_arguments,
        directory=request.invocation_dir,
        run_directory=directory,
        workers=workers,
        strategy=config.run.isolation,
        start=config.workers.start,
        width=shutil.get_terminal_size().columns,
        colour=request.colour,
        sources=tuple((t.host, t.port, t.user, t.database) for t in targets(config)),
        allow_hosts=allowed_hosts(config),
        timeout=config.run.timeout,
        slow_timeout=config.run.slow_timeout,
        run_timeout=config.run.run_timeout,
        max_memory=int(config.run.max_memory),
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        environment=dict(os.environ),
        prepare_early=bool(config.database.setup or sources(config)),
        order=_order(os.environ),
        confirm=config.run.confirm,
        confirm_budget=config.run.confirm_budget,
        # What has failed for want of a processor must not be short of one again.
        trials_below=min(workers, usable_cores()),
        retries=config.run.retries,
        flaky_passes=config.verdict.flaky == "pass",
        keep_failed=config.run.keep_failed,
    )
