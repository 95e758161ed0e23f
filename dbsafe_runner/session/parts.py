"""The parts of a run, made from the configuration: provider of namespaces, settings of the pool."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import NamespaceProvider, TemplateRequest
from dbsafe_runner.database.sources import parse_source
from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers.redirect import Target
from dbsafe_runner.workers.redirect.environment import serial_environment
from dbsafe_runner.workers.settings import PoolSettings


def usable_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def targets(config: Config) -> tuple[Target, ...]:
    """The servers that the suite means, as configured."""
    return tuple(Target.parse(url) for url in config.database.source)


def allowed_hosts(config: Config) -> tuple[str, ...]:
    """Patterns of hosts that the suite may connect to for real."""
    return config.database.allow_hosts if config.database.guard else ("*",)


def make_provider(config: Config, *, fresh: bool) -> NamespaceProvider:
    """The provider of namespaces that the configuration asks for.

    Raises:
        UserError: `bad-source`.
    """
    database = config.database
    sources = tuple(parse_source(url) for url in database.source)
    meant = targets(config)

    def environment(endpoint: Endpoint) -> Mapping[str, str]:
        return serial_environment(os.environ, endpoint, meant, allowed_hosts(config))

    template = TemplateRequest(
        root=config.root,
        setup=database.setup,
        inputs=database.inputs,
        sources=sources,
        environment=environment,
        timeout=database.setup_timeout or float("inf"),
        fresh=fresh,
    )
    return EmbeddedProvider(template, postgres=database.postgres)


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
        seed=secrets.randbits(32),
        environment=dict(os.environ),
        prepare_early=bool(config.database.setup or config.database.source),
    )
