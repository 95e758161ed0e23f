"""What plugins of dbsafe may hook into: pluggy specifications, and the plugins of one command.

A plugin is an installed package with an entry point in the group `dbsafe`, or a module named by
`plugins` under `[run]`; its functions are marked with `hookimpl`. Plugins run in the dispatcher's
process, never in workers. A plugin that raises is left out from then on: it never costs a run.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from typing import Any

import pluggy

from dbsafe_runner.domain.events import RunEvent
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test
from dbsafe_runner.errors import ExitCode, UserError

PROJECT = "dbsafe"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Specifications:
    """The hooks. Arguments are passed by name; an implementation takes those that it wants."""

    @hookspec
    def dbsafe_event(self, event: RunEvent) -> None:
        """See every event of a run, in order, as the reports do. Must return within microseconds."""

    @hookspec
    def dbsafe_classify(self, test: Test) -> Level | int | str | None:
        """Say the level of a test, with the weight of a rule in runner.toml; None for no opinion."""


class Plugins:
    """The plugins of one command; calling them never raises.

    `failures` tells of plugins that raised, in words, until somebody takes them.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specifications)
        self._failures: list[str] = []

    def add(self, name: str, plugin: object) -> None:
        """Add a module or an object with hooks, unless it is there already.

        Raises:
            pluggy.PluginValidationError: a hook of that name does not exist, or has no such argument.
        """
        if not self._manager.is_registered(plugin):
            self._manager.register(plugin, name)
            self._manager.check_pending()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plugins that are in use."""
        return tuple(name for name, _ in self._manager.list_name_plugin())

    def event(self, event: RunEvent) -> None:
        """Show an event to all plugins."""
        for _ in self._called("dbsafe_event", event=event):
            pass

    def level_of(self, test: Test) -> tuple[str, Level] | None:
        """The first plugin, last added first, that has an opinion on a test's level, and its opinion."""
        for name, answers in self._called("dbsafe_classify", test=test):
            for answer in answers:
                level = _level(answer)
                if level is not None:
                    return name, level
                self._leave_out(name, f"dbsafe_classify: {answer!r} is no level")
        return None

    def take_failures(self) -> list[str]:
        """What went wrong in plugins since it was asked last."""
        failures, self._failures = self._failures, []
        return failures

    def _called(self, hook: str, **arguments: Any) -> Iterator[tuple[str, list[object]]]:
        """Call a hook plugin by plugin, so that one that raises does not keep it from the others."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        for one in reversed(implementations):
            others = {other.plugin for other in implementations} - {one.plugin}
            try:
                answers = self._manager.subset_hook_caller(hook, others)(**arguments)
            except Exception as error:  # noqa: BLE001 - a plugin's defect is told, and costs it its place.
                self._leave_out(one.plugin_name, f"{hook}: {type(error).__name__}: {error}")
            else:
                yield one.plugin_name, answers

    def _leave_out(self, name: str, why: str) -> None:
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
            self._failures.append(f"The plugin {name} failed and is left out from now on: {why}")


def load_plugins(modules: Sequence[str] = ()) -> Plugins:
    """The plugins that are installed, and those in `modules`, which may be imported by these names.

    Raises:
        UserError: `plugin-not-loaded`.
    """
    plugins = Plugins()
    for entry in importlib.metadata.entry_points(group=PROJECT):
        try:
            plugins.add(entry.name, entry.load())
        except Exception as error:
            raise _not_loaded(f"{entry.name} ({entry.value})", error) from error
    for module in modules:
        try:
            plugins.add(module, importlib.import_module(module))
        except Exception as error:
            raise _not_loaded(module, error) from error
    return plugins


def _level(answer: object) -> Level | None:
    """The level that a plugin means by a member, a number or a name; None when it is none of these."""
    if isinstance(answer, str):
        return Level.__members__.get(answer.upper())
    return Level(answer) if isinstance(answer, int) and answer in set(Level) else None


def _not_loaded(name: str, error: Exception) -> UserError:
    return UserError(
        "plugin-not-loaded",
        f"The plugin {name} of dbsafe cannot be used.",
        cause=f"{type(error).__name__}: {error}",
        hint="Correct or uninstall the package, or take the module out of `plugins` under [run].",
        exit_code=ExitCode.USAGE,
    )
