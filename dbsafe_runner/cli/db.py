"""`dbsafe db`: what dbsafe keeps and has left, on this machine and on the user's own server."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from psycopg.conninfo import conninfo_to_dict

from dbsafe_runner.cli import invocation
from dbsafe_runner.config import Config
from dbsafe_runner.config.database_settings import EMBEDDED
from dbsafe_runner.database import standing
from dbsafe_runner.database.account import server_account
from dbsafe_runner.database.binaries import choose
from dbsafe_runner.database.cache import cache_directory
from dbsafe_runner.database.janitor import (
    find_kept,
    find_runs,
    kept_servers,
    prune_cache,
    remove_leftovers,
)
from dbsafe_runner.database.occupants import read_occupant
from dbsafe_runner.database.own_leftovers import SETTLED, Found, list_found, removable
from dbsafe_runner.database.own_leftovers import remove_leftovers as remove_from_server
from dbsafe_runner.database.schema_path import as_option, read_path
from dbsafe_runner.database.sessions import Sessions
from dbsafe_runner.database.user_server import ServerAddress, ServerFacts
from dbsafe_runner.database.user_servers import Choice, inspect_server
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.reporting.formatting import counted, seconds_text

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Show, open and remove the databases, templates and servers that dbsafe keeps or has left.",
)

_ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration, instead of runner.toml."),
]
_Server = Annotated[
    str | None,
    typer.Option(
        "--database", "--server", metavar="URL", help="Your server, instead of the configured one."
    ),
]


@app.command()
def status(config_file: _ConfigFile = None, database: _Server = None) -> None:
    """Show what dbsafe keeps, what runs, and what earlier runs have left."""
    config = _configuration(config_file, database)
    for line in _local_lines(time.time()):
        typer.echo(line)
    if (choice := _choice(config)) is not None:
        for line in _server_lines(choice, time.time()):
            typer.echo(line)


@app.command()
def start(
    config_file: _ConfigFile = None,
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="Where it listens, instead of the suite's port."
        ),
    ] = 0,
) -> None:
    """Start a server that stays, from the project's template, and print its URL.

    It listens on 127.0.0.1, on the port of the suite's own URL if that is free, and asks for no
    password.
    """
    from dbsafe_runner.session.parts import targets, template_request

    config = invocation.configuration({"database.server": EMBEDDED}, config_file)
    usual = targets(config)
    server = standing.start(
        template_request(config, fresh=False),
        config.database.postgres,
        port or (usual[0].port if usual else 0),
        lambda text: typer.echo(text, err=True),
    )
    typer.echo(server.url)


@app.command()
def stop(config_file: _ConfigFile = None) -> None:
    """End the server that `dbsafe db start` started for this project, and remove its data."""
    config = invocation.configuration({"database.server": EMBEDDED}, config_file)
    found = standing.stop(config.root)
    typer.echo(f"{found.url}: ended, and its data removed" if found else "no server to end")


@app.command()
def clean(
    config_file: _ConfigFile = None,
    database: _Server = None,
    templates: Annotated[
        bool, typer.Option("--templates", help="Also templates, which the next run has to make again.")
    ] = False,
) -> None:
    """Remove what runs that are over have left. What a living run uses stays."""
    config = _configuration(config_file, database)
    kept = len(kept_servers())
    typer.echo(
        f"this machine: {counted(remove_leftovers(kept=True), 'run')} that left something, removed"
    )
    if kept:
        typer.echo(f"this machine: {counted(kept, 'database')} of failed tests, removed")
    removed = prune_cache(cache_directory(server_account()), everything=templates)
    typer.echo(f"this machine: {counted(removed, 'entry', 'entries')} of the cache, removed")
    if (choice := _choice(config)) is not None:
        address, _, sessions = _open(choice)
        try:
            names = remove_from_server(sessions, templates=templates, kept=True)
            held = [] if names else _held_back(list_found(sessions), templates=templates)
        finally:
            sessions.close()
        for name in names:
            typer.echo(f"{address.shown}: {name}, removed")
        if held:
            typer.echo(
                f"{address.shown}: {counted(len(held), 'object')} left for now, as the server started "
                f"less than {SETTLED:.0f} s ago: a run that goes on may not have said so yet"
            )
        elif not names:
            typer.echo(f"{address.shown}: nothing to remove")


@app.command()
def psql(
    worker: Annotated[
        str, typer.Argument(metavar="WORKER", help="A worker (gw0), or a name that `status` shows.")
    ] = "",
    config_file: _ConfigFile = None,
    database: _Server = None,
) -> None:
    """Open psql on the namespace of a worker of a living run, or on the server that `start` started."""
    config = _configuration(config_file, database)
    choice = _choice(config)
    if choice is None:
        _run_psql(_embedded_way(worker, config.root))
    _run_psql(_way_on_server(choice, worker, config.root))


def _configuration(file: Path | None, database: str | None) -> Config:
    return invocation.configuration({} if database is None else {"database.server": database}, file)


def _choice(config: Config) -> Choice | None:
    from dbsafe_runner.session.parts import choice_of

    return choice_of(config)


def _open(choice: Choice) -> tuple[ServerAddress, ServerFacts, Sessions]:
    address, direct, facts = inspect_server(choice)
    return address, facts, Sessions(direct, 1)


def _local_lines(now: float) -> Iterator[str]:
    root = cache_directory(server_account())
    kept = find_kept(root)
    size = sum(entry.size for entries in kept.values() for entry in entries)
    yield f"this machine: cache of {_megabytes(size)} in {root}"
    for entry in kept["templates"]:
        setup = entry.facts.get("setup") or "no set-up"
        what = f"PostgreSQL {entry.facts.get('version', '?')}, {setup}, used {_ago(now - entry.used)}"
        yield f"  template   {entry.key[:12]}  {_megabytes(entry.size)}  {what}"
    for kept_one in kept_servers():
        yield f"  {kept_one.name}  for {kept_one.nodeid}, {_ago(now - kept_one.made)}"
    for run in find_runs():
        state = "running" if run.living else "left over"
        servers = counted(run.servers, "server")
        yield f"  run        {run.name}  {state}, pid {run.pid}, {servers}, {_megabytes(run.size)}"
    for server in standing.list_standing():
        state = (
            f"pid {server.pid}" if server.running else "not running: `dbsafe db start` starts it again"
        )
        what = f"PostgreSQL {server.version}, {state}, started {_ago(now - server.started)}"
        yield f"  server     {server.url}  {what}, of {server.root}"


def _server_lines(choice: Choice, now: float) -> Iterator[str]:
    address, facts, sessions = _open(choice)
    try:
        found = list_found(sessions)
    finally:
        sessions.close()
    right = "superuser" if facts.superuser else "CREATEDB" if facts.createdb else "no CREATEDB"
    yield f"{address.shown}: PostgreSQL {facts.version}, {facts.role} has {right}"
    yield f"  {counted(len(found), 'object')} of dbsafe's"
    for one in found:
        yield f"  {one.what:<10} {one.name}  {_state(one, now)}"


def _held_back(found: Sequence[Found], *, templates: bool) -> list[Found]:
    """What is a leftover and was not removed."""
    now = time.time()
    return [one for one in found if removable(one, now, templates=templates, kept=True)]


def _state(found: Found, now: float) -> str:
    tag = found.tag
    who = f", {tag.worker}" if tag and tag.worker else ""
    made = f", pid {tag.pid} on {tag.host}, {_ago(now - tag.started)}" if tag else ""
    if found.template:
        state = "template" + (", in use" if found.living else "")
        return state + (f", used {_ago(now - tag.used)}" if tag else "")
    if found.living:
        return f"of a living run{who}{made}"
    if tag and tag.kept:
        return f"kept for {tag.kept}{made}"
    gone = "left over" if removable(found, now, templates=False) else "left over, not ours to remove"
    return f"{gone}{made}"


def _way_on_server(choice: Choice, worker: str, root: Path) -> dict[str, str]:
    _, _, sessions = _open(choice)
    try:
        found = list_found(sessions)
        with sessions.session() as connection:
            path, _ = read_path(connection, "")
    finally:
        sessions.close()
    living = [one for one in found if not one.template and (one.living or (one.tag and one.tag.kept))]
    workers = [one.tag.worker if one.tag else "" for one in living]
    if not worker and not any(workers) and (standing_way := _standing_way(root)):
        return standing_way
    one = _pick(living, worker, workers)
    way = {key: str(value) for key, value in conninfo_to_dict(sessions.address.dsn()).items()}
    if one.what == "database":
        way["dbname"] = one.name
    else:
        way["options"] = f"{way.get('options', '')} {as_option(path.text(one.name))}".strip()
    return way


def _embedded_way(name: str, root: Path) -> dict[str, str]:
    for kept in kept_servers():
        if kept.name == name:
            return {"host": str(kept.home), "port": "5432", "user": kept.user, "dbname": kept.database}
    homes = [
        path.parent
        for run in find_runs()
        if run.living
        for path in sorted(one for home in run.paths for one in home.glob("*/.s.PGSQL.5432"))
    ]
    if not homes and not name and (standing_way := _standing_way(root)):
        return standing_way
    home = _pick_home(homes, name)
    occupant = read_occupant(home)
    return {"host": str(home), "port": "5432", "user": occupant.user, "dbname": occupant.database}


def _standing_way(root: Path) -> dict[str, str]:
    """The way to the server that `start` started for a project; empty when there is none."""
    for server in standing.list_standing():
        if server.running and server.root == str(root):
            return {key: str(value) for key, value in conninfo_to_dict(server.url).items()}
    return {}


def _pick(living: Sequence[Found], wanted: str, workers: Sequence[str]) -> Found:
    for one, worker in zip(living, workers, strict=True):
        if wanted in {one.name, worker} or (not wanted and worker):
            return one
    raise _no_such(
        [f"{one.name} {worker}".rstrip() for one, worker in zip(living, workers, strict=True)]
    )


def _pick_home(homes: Sequence[Path], wanted: str) -> Path:
    workers = [read_occupant(home).worker for home in homes]
    names = [f"server-{home.name}" for home in homes]
    for home, name, worker in zip(homes, names, workers, strict=True):
        if (wanted in {name, home.name, worker}) if wanted else worker:
            return home
    if homes and not wanted:
        return homes[0]
    shown = [f"{name} {worker}".rstrip() for name, worker in zip(names, workers, strict=True)]
    raise _no_such([*shown, *(kept.name for kept in kept_servers())])


def _no_such(names: Sequence[str]) -> UserError:
    return UserError(
        "no-such-namespace",
        "There is no such namespace of a living run.",
        # Each run counts its servers from one.
        cause="\n".join(dict.fromkeys(names)) or "No run of dbsafe has one now.",
        hint="`dbsafe db status` lists what there is. What is on a server of yours is found with the "
        "`--database URL` of the run.",
        exit_code=ExitCode.USAGE,
    )


def _run_psql(way: dict[str, str]) -> NoReturn:
    """Become psql. What leads there goes through the environment: arguments can be seen by everybody."""
    program = shutil.which("psql") or choose("auto").program("psql")
    names = {"dbname": "PGDATABASE"}
    environment = {names.get(key, f"PG{key.upper()}"): value for key, value in way.items()}
    os.execve(program, ["psql"], {**os.environ, **environment})  # noqa: S606


def _ago(seconds: float) -> str:
    if seconds > 2 * 86400:
        return f"{datetime.timedelta(seconds=seconds).days} days ago"
    return f"{seconds_text(max(seconds, 0.0))} ago"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
