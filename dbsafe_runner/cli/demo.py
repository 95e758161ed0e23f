"""`dbsafe demo`: copy the demo project out, run its suite serially and with dbsafe, and compare.

The project is a small shop on SQLAlchemy, psycopg and asyncpg, with a suite of more than 500 tests that
pass in serial order on one database and break when several processes share it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

import dbsafe_runner
from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.verify import verification_lines
from dbsafe_runner.config import EMBEDDED, Config, RunRequest
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.reporting.printer import ConsoleStyle, Printer, StyledLine

if TYPE_CHECKING:
    from dbsafe_runner.session.verifying import Verification

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

#: Package as installed -> module by which it is found.
PACKAGES: Final = {
    "alembic": "alembic",
    "asyncpg": "asyncpg",
    "pytest-asyncio": "pytest_asyncio",
    "sqlalchemy": "sqlalchemy",
}
#: In a copy, names the version of dbsafe that made it.
MARKER: Final = ".dbsafe-demo"
_PROJECT: Final = Path(dbsafe_runner.__file__).parent / "demo_project"
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", ".*")


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where the copy goes, and stays.")
    ] = Path("dbsafe-demo"),
    workers: Annotated[
        str | None, typer.Option("--workers", "-w", metavar="N", help="How many workers, or auto.")
    ] = None,
) -> None:
    """Run a packaged suite serially and in parallel, and compare times and verdicts."""
    require_packages()
    project = copy_project(directory.absolute())
    _use_own_environment()
    settings: dict[str, Any] = {"database.server": EMBEDDED}
    if workers is not None:
        settings["workers.count"] = workers
    config = invocation.configuration(settings, project / "runner.toml")
    request = dataclasses.replace(invocation.request(config, ()), invocation_dir=project)
    with defects_to(config.run.output):
        found = _verify(config, request)
    for line in closing_lines(found, project):
        _printer(request).line(line)
    raise typer.Exit(found.exit_code or found.parallel_exit_code)


def require_packages() -> None:
    """Check that what the demo project imports is there.

    Raises:
        UserError: `demo-packages-missing`.
    """
    missing = [name for name, module in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(
            "demo-packages-missing",
            f"The demo project needs packages that are not installed: {', '.join(missing)}.",
            hint='pip install "dbsafe[demo]"',
            exit_code=ExitCode.USAGE,
        )


def copy_project(target: Path) -> Path:
    """A copy of the demo project at `target`; one that this version made before is left as it is.

    Raises:
        UserError: `demo-directory-in-use` or `demo-not-written`.
    """
    marker = target / MARKER
    try:
        made_by = marker.read_text(encoding="utf-8") if marker.is_file() else ""
        if made_by == dbsafe_runner.__version__:
            return target
        if not made_by and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(
                "demo-directory-in-use",
                f"{target} exists, is not empty, and is no copy of the demo project.",
                hint="Name another directory: dbsafe demo DIRECTORY",
                exit_code=ExitCode.USAGE,
            )
        shutil.copytree(_PROJECT, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        marker.write_text(dbsafe_runner.__version__, encoding="utf-8")
    except OSError as error:
        raise UserError(
            "demo-not-written",
            f"The demo project cannot be copied to {target}.",
            cause=str(error),
            exit_code=ExitCode.USAGE,
        ) from error
    return target


def closing_lines(found: Verification, project: Path) -> list[StyledLine]:
    """What came out, and where to go on."""
    here = Path.cwd()
    place = project.relative_to(here) if project.is_relative_to(here) else project
    return [*verification_lines(found), [("", f"The project is in {place}: try `dbsafe run` there.")]]


def _printer(request: RunRequest) -> Printer:
    def write(text: str) -> None:
        typer.echo(text, nl=False, color=request.colour)

    return Printer(write, ConsoleStyle(colour=request.colour), sys.stdout.encoding or "utf-8")


def _use_own_environment() -> None:
    """Let the project find no database of the user's own."""
    os.environ.pop("SHOP_DATABASE_URL", None)


def _verify(config: Config, request: RunRequest) -> Verification:
    from dbsafe_runner.cli.sinks import build_sinks
    from dbsafe_runner.session import verifying
    from dbsafe_runner.session.parts import make_provider

    # The template is made once and kept, so it belongs to neither of the times.
    provider = make_provider(config, fresh=False)
    try:
        template = provider.prepare(typer.echo)
    finally:
        provider.close()
    if not template.reused:
        typer.echo(f"template ready after {template.seconds:.1f} s, kept for later runs")
    return verifying.verify(config, request, build_sinks(config, request), typer.echo)
