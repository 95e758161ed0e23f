"""`dbsafe explain`: say what is known of one test, where from, and what follows from it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dbsafe_runner.cli import invocation
from dbsafe_runner.cli.error_rendering import defects_to
from dbsafe_runner.cli.options import PytestCommand, with_settings
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.errors import ExitCode, UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=PytestCommand, options_metavar="[OPTIONS] NODEID [PYTEST ARGUMENTS]...")
@with_settings
def explain(
    context: typer.Context,
    settings: dict[str, Any],
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration, instead of runner.toml."),
    ] = None,
    static: Annotated[
        bool,
        typer.Option("--static", help="Find the tests in the sources; import nothing of the suite."),
    ] = False,
) -> None:
    """Explain a test: its level, the evidence for it, how it is run, and what would change that.

    NODEID is as pytest prints it; the parameters in brackets may be left out, and so may everything
    before the test's name where the name is unique.
    """
    config = invocation.configuration(settings, config_file)
    wanted, passed = split_nodeid(context.args, "Which test is to be explained?", "explain")
    request = invocation.request(config, passed)
    with defects_to(config.run.output):
        code = _explain(config, request, wanted, static=static)
    raise typer.Exit(code)


def _explain(config: Config, request: RunRequest, wanted: str, *, static: bool) -> int:
    from dbsafe_runner.cli import explain_rendering
    from dbsafe_runner.session.prospect import CollectionEnded, prospect

    found = prospect(config, request, static=static)
    if isinstance(found, CollectionEnded):
        sys.stderr.write(found.output)
        return found.code
    chosen = matching(wanted, [test.nodeid for test in found.request.tests])
    explain_rendering.show(found, chosen, request)
    return 0


def split_nodeid(arguments: Sequence[str], question: str, command: str) -> tuple[str, list[str]]:
    """The node id and the arguments for pytest.

    Raises:
        UserError: `no-test-named`, with the question, when there is none.
    """
    plain = [n for n, argument in enumerate(arguments) if not argument.startswith("-")]
    # Before a node id there may be options with a value, as in `-k slow`.
    named = [n for n in plain if "::" in arguments[n]] or plain
    if named:
        return arguments[named[0]], [*arguments[: named[0]], *arguments[named[0] + 1 :]]
    raise UserError(
        "no-test-named",
        question,
        hint=f"Give its node id as pytest prints it: dbsafe {command} tests/test_shop.py::test_order",
        exit_code=ExitCode.USAGE,
    )


def matching(wanted: str, nodeids: Sequence[str]) -> list[str]:
    """The tests that are meant: one, or all parameters of one.

    Raises:
        UserError: `unknown-test`, with close matches; `ambiguous-test`, with all that fit.
    """
    wanted = wanted.removeprefix("./")
    if wanted in nodeids:
        return [wanted]
    alike = [nodeid for nodeid in nodeids if nodeid.startswith(wanted + "[")]
    if alike:
        return alike
    ends = [nodeid for nodeid in nodeids if _without_parameters(nodeid).endswith(f"::{wanted}")]
    ends = ends or [nodeid for nodeid in nodeids if nodeid.endswith(f"::{wanted}")]
    if len({_without_parameters(nodeid) for nodeid in ends}) == 1:
        return ends
    if ends:
        raise UserError(
            "ambiguous-test",
            f"{len(ends)} tests are called {wanted}.",
            cause="\n".join(ends[:20]) + (f"\nand {len(ends) - 20} more" if len(ends) > 20 else ""),
            hint="Give the whole node id.",
            exit_code=ExitCode.USAGE,
        )
    raise _unknown(wanted, nodeids)


def _without_parameters(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def _unknown(wanted: str, nodeids: Sequence[str]) -> UserError:
    names = list(dict.fromkeys(_without_parameters(nodeid) for nodeid in nodeids))
    close = difflib.get_close_matches(wanted, names, n=5, cutoff=0.6)
    if not close:
        # The name alone may be right, or nearly, where the file is not.
        last = {name: name.rpartition("::")[2] for name in names}
        tail = wanted.rpartition("::")[2]
        near = difflib.get_close_matches(tail, list(last.values()), n=5, cutoff=0.6)
        close = [name for name in names if last[name] in near][:5]
    if not close:
        close = [name for name in names if name.startswith(wanted)][:5]
    return UserError(
        "unknown-test",
        f"There is no test {wanted}.",
        cause="Did you mean one of these?\n" + "\n".join(f"  {name}" for name in close) if close else "",
        hint="`dbsafe plan -vv` lists all tests." if nodeids else "No tests were collected at all.",
        exit_code=ExitCode.USAGE,
    )
