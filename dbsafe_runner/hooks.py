"""What plugins of dbsafe may hook into: pluggy specifications and the manager.

A plugin is an installed package with an entry point in the group `dbsafe`, naming a module or an object
whose functions are marked with `hookimpl`. Plugins run in the dispatcher's process, never in workers.
"""

from __future__ import annotations

import pluggy

from dbsafe_runner.domain.events import RunEvent
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test

PROJECT = "dbsafe"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Specifications:
    """The hooks. Arguments are passed by name; an implementation takes those that it wants."""

    @hookspec
    def dbsafe_event(self, event: RunEvent) -> None:
        """See every event of a run, in order, as the reports do. Must return within microseconds."""

    @hookspec(firstresult=True)
    def dbsafe_classify(self, test: Test) -> Level | None:
        """Say the level of a test, with the weight of a rule in runner.toml; None for no opinion."""


def plugin_manager(*, load: bool = True) -> pluggy.PluginManager:
    """A manager that knows the hooks.

    Args:
        load: also load the plugins that are installed.

    Raises:
        Exception: whatever importing an installed plugin raises.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specifications)
    if load:
        manager.load_setuptools_entrypoints(PROJECT)
    return manager
