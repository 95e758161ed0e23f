"""Configuration: runner.toml, the environment and the options, as one frozen `Config`.

`load_config` reads and checks; every problem is reported at once, with its place. `RunRequest` is what
one invocation asks for beyond the configuration. This package does not act on any setting.
"""

from __future__ import annotations

from dbsafe_runner.config.database_settings import AUTO, EMBEDDED, DatabaseSettings
from dbsafe_runner.config.loading import line_in, load_config
from dbsafe_runner.config.request import RunRequest
from dbsafe_runner.config.settings import (
    Config,
    Rule,
    RunSettings,
    VerdictSettings,
    WorkerSettings,
)

__all__ = [
    "AUTO",
    "EMBEDDED",
    "Config",
    "DatabaseSettings",
    "Rule",
    "RunRequest",
    "RunSettings",
    "VerdictSettings",
    "WorkerSettings",
    "line_in",
    "load_config",
]
