"""The entry point `dbsafe`: finds the command, runs it, and turns every ending into an exit code.

A command's module is imported when the command is used, so that `dbsafe --version` costs no more
than what it prints.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

from dbsafe_runner import __version__
from dbsafe_runner.errors import UserError

try:
    import typer
    import typer.core
    import typer.main
except KeyboardInterrupt:
    # Most of the start is spent here, and Ctrl-C meanwhile is no reason for a traceback.
    sys.exit(2)

#: Command -> its module in this package, in the order in which help shows them.
COMMANDS: Final = {
    "run": "run",
    "plan": "plan",
    "explain": "explain",
    "verify": "verify",
    "benchmark": "benchmark",
    "bisect": "bisect",
    "db": "db",
    "demo": "demo",
}

#: The base of all complaints about a command line; its home differs between versions of typer.
_UsageProblem: Final[Any] = typer.BadParameter.__mro__[2]


class LazyGroup(typer.core.TyperGroup):
    """The group of commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's name.
        """All names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's name.
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"dbsafe_runner.cli.{COMMANDS[cmd_name]}")
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]


app = typer.Typer(
    name="dbsafe",
    cls=LazyGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dbsafe {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - handled by its callback.
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Run a pytest suite in parallel against PostgreSQL, with the verdict of a serial run."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `dbsafe` with `arguments`, by default those of the process, and leave with its exit code."""
    try:
        code = exit_code_of(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # It came before, or just after, what deals with it.
        code = 2
    sys.exit(code)


def exit_code_of(arguments: Sequence[str]) -> int:
    """Run one command line. Errors are rendered to standard error; none is raised."""
    from dbsafe_runner.cli import error_rendering

    try:
        # typer's own way to run a command would turn Ctrl-C and a closed pipe to codes of its own.
        command = typer.main.get_command(app)
        with command.make_context("dbsafe", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    except UserError as error:
        return error_rendering.show(error)
    except _UsageProblem as problem:
        return error_rendering.show(error_rendering.of_usage(problem, COMMANDS))
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return error_rendering.leave_broken_pipe()
    except Exception as error:  # noqa: BLE001 - no traceback may reach the user.
        return error_rendering.show_defect(error)
    return 0
