"""`dbsafe run`: run the suite in parallel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.options import PytestCommand, with_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=PytestCommand, options_metavar="[OPTIONS] [PATHS AND PYTEST ARGUMENTS]...")
@with_settings
def run(
    context: typer.Context,
    settings: dict[str, Any],
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration, instead of runner.toml."),
    ] = None,
    fresh_template: Annotated[
        bool,
        typer.Option("--fresh-template", help="Run the set-up again, even if nothing changed."),
    ] = False,
) -> None:
    """Run the suite in parallel, each worker with a PostgreSQL of its own.

    All arguments that are not listed here go to pytest: paths, -k, -m, -x, --maxfail, --lf, --cov, -v,
    -q and so on. Everything after -- goes to pytest even if it is listed here.
    """
    config = invocation.configuration(settings, config_file)
    request = invocation.request(config, context.args, fresh_template=fresh_template)
    with defects_to(config.run.output):
        from dbsafe_runner.cli.sinks import build_sinks
        from dbsafe_runner.session import running

        code = running.run(config, request, build_sinks(config, request))
    raise typer.Exit(code)
