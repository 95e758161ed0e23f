"""`dbsafe verify`: run the suite with dbsafe and serially with plain pytest, and compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.options import PytestCommand, with_settings
from dbsafe_runner.errors import ExitCode
from dbsafe_runner.reporting.formatting import counted, seconds_text, shortened
from dbsafe_runner.reporting.printer import ConsoleStyle, Printer, StyledLine

if TYPE_CHECKING:
    from dbsafe_runner.session.verifying import Difference, Verification

#: Said where -x or --maxfail has ended a run.
#: Characters of a reason: about two lines of a terminal.
_LONGEST: Final = 160
_PARTIAL: Final = (
    "A run that -x or --maxfail ends early cannot be compared in full: "
    "only the tests that ran in both were compared."
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=PytestCommand, options_metavar="[OPTIONS] [PATHS AND PYTEST ARGUMENTS]...")
@with_settings
def verify(
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
    """Run the suite with dbsafe and serially with pytest, and print every test that differs.

    Takes the same arguments as `dbsafe run`. The exit code is 0 when both runs agree, 68 when they do
    not, whether or not tests failed; without any tests it is pytest's. Where -x or --maxfail ends a run,
    only the tests that ran in both are compared.
    """
    config = invocation.configuration(settings, config_file)
    request = invocation.request(config, context.args, fresh_template=fresh_template)
    printer = Printer(_write, ConsoleStyle(colour=request.colour), sys.stdout.encoding or "utf-8")
    with defects_to(config.run.output):
        from dbsafe_runner.cli.sinks import build_sinks
        from dbsafe_runner.session import verifying

        def say(text: str) -> None:
            printer.line([("bold", text)])

        def tell(text: str) -> None:
            printer.line([("dim", text)])

        sinks = build_sinks(config, request)
        found = verifying.verify(config, request, sinks, say, tell if request.verbosity >= 0 else None)
    for line in verification_lines(found):
        printer.line(line)
    raise typer.Exit(found.exit_code)


def verification_lines(found: Verification) -> list[StyledLine]:
    """What to say of a verification: each difference, the times, and the verdict last."""
    lines = [line for difference in found.differences for line in _difference_lines(difference)]
    if found.interrupted:
        lines.insert(0, [("warn", "warning[interrupted]"), ("", f": {_interrupted(found)}")])
    elif found.partial:
        lines.append([("warn", _PARTIAL)])
    if found.tests:
        lines.append([("dim", _times(found))])
    return [*lines, _verdict(found)]


def _interrupted(found: Verification) -> str:
    during = f"Interrupted during the {found.interrupted}"
    if found.serial_exit_code is None:
        return f"{during}, so that the suite was not run serially."
    return f"{during}: only the tests that had ended in both runs are compared."


def _difference_lines(difference: Difference) -> list[StyledLine]:
    outcomes: StyledLine = [
        ("", f"{difference.nodeid}: "),
        (_style(difference.serial), f"serially {difference.serial or 'not run'}"),
        ("", ", "),
        (_style(difference.parallel), f"with dbsafe {difference.parallel or 'not run'}"),
    ]
    # Comparisons of long values come as one line of any length, which the serial run has shown in full.
    reason: list[StyledLine] = [[("dim", f"  serially: {shortened(difference.reason, _LONGEST)}")]]
    return [outcomes, *(reason if difference.reason else [])]


def _times(found: Verification) -> str:
    times = f"serially {seconds_text(found.serial_seconds)}, "
    times += f"with dbsafe {seconds_text(found.parallel_seconds)}"
    if found.parallel_seconds > 0 and not found.partial:
        times += f": {found.serial_seconds / found.parallel_seconds:.1f} times as fast"
    return times


def _verdict(found: Verification) -> StyledLine:
    tests = counted(found.tests, "test")
    if found.interrupted and not found.tests:
        return [("bad", "Nothing to compare: no test had ended in both runs.")]
    if found.serial_exit_code is None:
        code = found.parallel_exit_code
        return [("bad", f"Nothing to compare: the run with dbsafe could not begin (exit code {code}).")]
    if not found.tests and found.exit_code != ExitCode.DIFFERENT:
        return [("bad", f"Nothing to compare: both runs ended with exit code {found.exit_code}.")]
    if found.differences:
        differ = "differs" if len(found.differences) == 1 else "differ"
        return [("bad", f"{len(found.differences):,} of {tests} {differ}.")]
    if found.interrupted:
        return [("good", f"No difference so far: {tests} ended the same in both runs.")]
    if found.exit_code:
        codes = f"{found.serial_exit_code} serially, {found.parallel_exit_code} with dbsafe"
        return [("bad", f"The outcomes of {tests} agree, but not the exit codes: {codes}.")]
    return [("good", f"No difference: {tests} ended the same in both runs.")]


def _style(outcome: str) -> str:
    return {"passed": "good", "failed": "bad", "error": "bad", "": "bad"}.get(outcome, "warn")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
