"""`dbsafe benchmark`: time the suite serially, with pytest-xdist and with dbsafe, side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.options import PytestCommand, with_settings
from dbsafe_runner.reporting.formatting import counted, seconds_text
from dbsafe_runner.reporting.printer import ConsoleStyle, Printer, StyledLine

if TYPE_CHECKING:
    from dbsafe_runner.session.benchmarking import Benchmark, Contender

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=PytestCommand, options_metavar="[OPTIONS] [PATHS AND PYTEST ARGUMENTS]...")
@with_settings
def benchmark(
    context: typer.Context,
    settings: dict[str, Any],
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration, instead of runner.toml."),
    ] = None,
    turns: Annotated[
        int, typer.Option("--turns", metavar="N", min=1, help="How often each way is run.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run the suite serially, with pytest-xdist and with dbsafe, in turns, and compare.

    Takes the same arguments as `dbsafe run`. pytest-xdist, where it is installed, gets as many processes
    on one database. The exit code is 0 when dbsafe's outcomes were those of the serial run every time,
    68 when they were not.
    """
    config = invocation.configuration(settings, config_file)
    request = invocation.request(config, context.args)
    with defects_to(config.run.output):
        from dbsafe_runner.session import benchmarking

        def say(text: str) -> None:
            typer.echo(text, err=True)

        found = benchmarking.benchmark(config, request, turns, say)
    if as_json:
        typer.echo(json.dumps(benchmark_fields(found), indent=2))
    else:
        printer = Printer(_write, ConsoleStyle(colour=request.colour), sys.stdout.encoding or "utf-8")
        for line in benchmark_lines(found):
            printer.line(line)
    raise typer.Exit(found.exit_code)


def benchmark_lines(found: Benchmark) -> list[StyledLine]:
    """The contenders as a table: medians, range, how fast against the serial run, and agreement."""
    rows: list[tuple[str, ...]] = [("", "median", "range", "times as fast", "outcomes")]
    rows += [_row(contender, found) for contender in found.contenders]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines: list[StyledLine] = []
    for number, row in enumerate(rows):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        bad = number > 0 and found.contenders[number - 1].differences[1] > 0
        lines.append([("bold" if number == 0 else "bad" if bad else "", text)])
    turns = counted(len(found.contenders[0].turns), "turn")
    return [*lines, [("dim", f"{counted(found.tests, 'test')}, {turns} of each way")]]


def _row(contender: Contender, found: Benchmark) -> tuple[str, ...]:
    serial = found.contenders[0]
    low, high = contender.differences
    number = str(high) if low == high else f"{low} to {high}"
    differ = f"{number} of {found.tests:,} differ" if high else "as serially"
    return (
        contender.name,
        seconds_text(contender.median),
        f"{seconds_text(contender.fastest)} to {seconds_text(contender.slowest)}",
        f"{serial.median / contender.median:.2f}" if contender.median > 0 else "",
        differ,
    )


def benchmark_fields(found: Benchmark) -> dict[str, Any]:
    """The figures for `--json`; times are wall seconds."""
    return {
        "tests": found.tests,
        "contenders": [
            {
                "name": contender.name,
                "median": round(contender.median, 3),
                "turns": [
                    {"seconds": round(turn.seconds, 3), "differences": turn.differences}
                    for turn in contender.turns
                ],
            }
            for contender in found.contenders
        ],
    }


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
