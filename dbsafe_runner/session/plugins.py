"""Plugins: loads those of the configuration, and shows them the events of a run."""

from __future__ import annotations

import sys

from dbsafe_runner.config import Config
from dbsafe_runner.domain.events import RunEvent
from dbsafe_runner.hooks import Plugins, load_plugins


def configured_plugins(config: Config) -> Plugins:
    """The plugins that are installed, and those that the configuration names.

    Raises:
        UserError: `plugin-not-loaded`.
    """
    if config.run.plugins and str(config.root) not in sys.path:
        sys.path.insert(0, str(config.root))
    return load_plugins(config.run.plugins)


class PluginSink:
    """The sink that plugins read."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def on(self, event: RunEvent) -> None:
        """Show one event to the plugins."""
        self._plugins.event(event)

    def tick(self, now: float) -> None:
        """Nothing happens with time."""

    def close(self) -> None:
        """Nothing is held open."""
