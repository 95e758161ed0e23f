"""`dbsafe plan`: show how the suite would be run, without running it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.options import PytestCommand, with_settings
from dbsafe_runner.config import Config, RunRequest

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=PytestCommand, options_metavar="[OPTIONS] [PATHS AND PYTEST ARGUMENTS]...")
@with_settings
def plan(
    context: typer.Context,
    settings: dict[str, Any],
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration, instead of runner.toml."),
    ] = None,
    static: Annotated[
        bool,
        typer.Option(
            "--static",
            help="Find the tests in the sources; import nothing of the suite. A parametrised test"
            " counts as one.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with every batch and every test.")
    ] = False,
    dry_run: Annotated[  # noqa: ARG001 - accepted for those who expect it; plan never runs tests.
        bool, typer.Option("--dry-run", help="Does nothing: plan never runs a test.")
    ] = False,
) -> None:
    """Show how the suite would be run: levels, batches, predicted time, and what limits it.

    Takes the same arguments as `dbsafe run`, and runs no test. With -v all batches are shown.
    """
    config = invocation.configuration(settings, config_file)
    request = invocation.request(config, context.args)
    with defects_to(config.run.output):
        code = _plan(config, request, static=static, as_json=as_json)
    raise typer.Exit(code)


def _plan(config: Config, request: RunRequest, *, static: bool, as_json: bool) -> int:
    from dbsafe_runner.cli import plan_rendering
    from dbsafe_runner.session.prospect import CollectionEnded, prospect

    found = prospect(config, request, static=static)
    if isinstance(found, CollectionEnded):
        sys.stderr.write(found.output)
        return found.code
    if as_json:
        sys.stdout.write(plan_rendering.as_json(found))
    else:
        plan_rendering.show(found, request)
    return 0
