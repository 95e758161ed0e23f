"""Invocation: from the parsed options of a command to its `Config` and `RunRequest`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbsafe_runner.cli.arguments import colour_wanted, verbosity_of
from dbsafe_runner.cli.process_list import blank_passwords
from dbsafe_runner.config import Config, RunRequest, load_config


def configuration(settings: Mapping[str, object], file: Path | None) -> Config:
    """The configuration in force here and now, with `settings` from the command line.

    Raises:
        UserError: as `load_config` does.
    """
    config = load_config(Path.cwd(), environment=os.environ, options=settings, file=file)
    database = config.database
    blank_passwords((database.server, database.direct, *database.source))
    return config


def request(config: Config, passed: Sequence[str], *, fresh_template: bool = False) -> RunRequest:
    """The request with pytest arguments `passed` on the command line."""
    arguments = (*config.run.pytest, *passed)
    return RunRequest(
        invocation_dir=Path.cwd(),
        pytest_arguments=arguments,
        verbosity=verbosity_of(arguments),
        colour=colour_wanted(arguments, os.environ, terminal=sys.stdout.isatty()),
        fresh_template=fresh_template,
    )
