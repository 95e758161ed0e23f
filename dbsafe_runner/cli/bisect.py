"""`dbsafe bisect`: find the tests that break one test, or that it needs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.explain import matching, split_nodeid
from dbsafe_runner.cli.options import PytestCommand, with_settings
from dbsafe_runner.domain.outcome import Verdict
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.reporting.formatting import counted
from dbsafe_runner.reporting.printer import ConsoleStyle, Printer, StyledLine

if TYPE_CHECKING:
    from dbsafe_runner.session.bisecting import Bisected

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=PytestCommand, options_metavar="[OPTIONS] NODEID [PATHS AND PYTEST ARGUMENTS]...")
@with_settings
def bisect(
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
    """Find the tests that break NODEID, or that it needs.

    It is run alone, behind what its worker ran before it in the last run, and behind all the tests that
    precede it in a serial run; then behind ever fewer of them, each time in a fresh process and on a
    fresh database. The exit code is 0 when the tests were found.
    """
    config = invocation.configuration(settings, config_file)
    wanted, passed = split_nodeid(context.args, "Which test is to be examined?", "bisect")
    request = invocation.request(config, passed, fresh_template=fresh_template)
    printer = Printer(_write, ConsoleStyle(colour=request.colour), sys.stdout.encoding or "utf-8")
    with defects_to(config.run.output):
        from dbsafe_runner.session import bisecting
        from dbsafe_runner.session.prospect import CollectionEnded

        found = bisecting.bisect(
            config,
            request,
            lambda nodeids: _only(wanted, matching(wanted, nodeids)),
            lambda text: printer.line([("dim", text)]),
        )
    if isinstance(found, CollectionEnded):
        sys.stderr.write(found.output)
        raise typer.Exit(found.code)
    for line in finding_lines(found):
        printer.line(line)


def finding_lines(found: Bisected) -> list[StyledLine]:
    """What was found, and the command that shows it with plain pytest."""
    victim = found.verdict is Verdict.VICTIM
    trials = counted(found.trials, "trial")
    return [
        [
            ("bold", found.nodeid),
            ("", " fails" if victim else " passes only"),
            ("", " behind " + ("this test:" if len(found.others) == 1 else "these tests:")),
        ],
        *[[("bad" if victim else "good", f"  {nodeid}")] for nodeid in found.others],
        [("", _meaning(victim=victim, several=len(found.others) > 1))],
        [("", "See it with plain pytest:")],
        [("", f"  {command_of(found)}")],
        [("dim", f"found in {trials}")],
    ]


def _meaning(*, victim: bool, several: bool) -> str:
    if victim:
        which = "those tests break it together, none of them alone" if several else "that test breaks it"
        return f"It is a victim: {which}."
    which = "those tests, each of them" if several else "that test"
    return f"It is brittle: it needs {which}."


def command_of(found: Bisected) -> str:
    """The command that runs the tests that matter in their order, with plain pytest."""
    nodeids = " ".join(shlex.quote(nodeid) for nodeid in (*found.others, found.nodeid))
    return f"python -m pytest {nodeids}"


def _only(wanted: str, matches: Sequence[str]) -> str:
    if len(matches) == 1:
        return matches[0]
    raise UserError(
        "ambiguous-test",
        f"{len(matches)} tests are called {wanted}.",
        cause="\n".join(matches[:20]),
        hint="Give the whole node id, with the parameters in brackets.",
        exit_code=ExitCode.USAGE,
    )


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
