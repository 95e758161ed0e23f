"""Options: one command-line option for every setting, and the commands that pass the rest to pytest."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, Final, Optional

import typer
import typer.core

from dbsafe_runner.cli.arguments import OwnOptions, split_arguments
from dbsafe_runner.config import EMBEDDED
from dbsafe_runner.config.keys import TextForm
from dbsafe_runner.config.reference import Setting, as_toml, settings_by_name


class PytestCommand(typer.core.TyperCommand):
    """A command whose unknown arguments are pytest's; they are left in the context's `args`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse our options only."""
        ours, passed = split_arguments(args, self._own_options(ctx))
        super().parse_args(ctx, ours)
        ctx.args = passed
        return passed

    def _own_options(self, ctx: Any) -> OwnOptions:
        with_value: set[str] = set()
        flags: set[str] = set()
        for parameter in self.get_params(ctx):
            spellings = flags if getattr(parameter, "is_flag", False) else with_value
            spellings.update(parameter.opts, parameter.secondary_opts)
        return OwnOptions(frozenset(with_value), frozenset(flags))


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` an option for every setting; it gets those given as `settings`, by "section.key".

    typer reads a command's options from its signature, so that is where they are added.
    """
    names = {f"{setting.section}_{setting.name}": name for name, setting in settings_by_name().items()}

    def wrapper(**values: Any) -> Any:
        if values.pop("embedded"):
            values["database_server"] = EMBEDDED
        given = {names[parameter]: values.pop(parameter) for parameter in names}
        # An option that may be repeated is an empty list, in some versions of typer, when not given.
        return command(
            settings={name: value for name, value in given.items() if value not in (None, [])}, **values
        )

    hints = typing.get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command).parameters.values()
        if parameter.name != "settings"
    ]
    added = [_parameter(name, settings_by_name()[names[name]]) for name in names]
    parameters = [*own, _EMBEDDED, *added]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    return wrapper


_EMBEDDED: Final = inspect.Parameter(
    "embedded",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option("--embedded", help="Servers of dbsafe's own, whatever else names a server."),
    ],
)


def _parameter(name: str, setting: Setting) -> inspect.Parameter:
    key = setting.key
    spellings = [key.option, *key.also]
    kind: Any = str
    if key.form is TextForm.SWITCH:
        spellings = [f"{key.option}/--no-{key.option.removeprefix('--')}"]
        kind = bool
    elif key.form is TextForm.WORDS:
        kind = list[str]
    option = typer.Option(
        *spellings,
        help=f"{key.help} Default: {as_toml(setting.default)}." if setting.default else key.help,
        metavar=key.metavar or None,
        rich_help_panel=f"{setting.section.capitalize()} settings",
        show_default=False,
    )
    annotation = Annotated[Optional[kind], option]  # noqa: UP045 - `kind` is a value, not a name.
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
