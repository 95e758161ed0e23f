"""RunRequest: what one invocation asks for beyond the configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class RunRequest:
    """One invocation of a command that runs tests.

    `pytest_arguments` are complete: those of `[run] pytest` first, then those of the command line,
    with `-v` and `-q` still among them, so that pytest's own texts follow them too.
    """

    invocation_dir: Path
    pytest_arguments: tuple[str, ...] = ()
    #: How often -v was given, less how often -q was.
    verbosity: int = 0
    #: Whether what is printed may carry ANSI colours.
    colour: bool = False
    #: Make a new template even where a kept one fits.
    fresh_template: bool = False
    #: What plugins that shuffle tests are given as their seed; None for one by chance.
    seed: int | None = None
