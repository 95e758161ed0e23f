"""Quieting the terminal reporter of the zygote while reports are given to its hooks.

What the tests do is shown by the console. pytest's own reporter counts, and speaks again at the end.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import pytest
from _pytest._io import TerminalWriter


class _QuietWriter(TerminalWriter):  # type: ignore[misc]
    """Takes the place of pytest's terminal writer while reports are replayed: shows nothing."""

    def _nothing(self, *_args: Any, **_kwargs: Any) -> None:
        return None

    write = line = sep = write_raw = flush = _nothing


def quiet(config: pytest.Config) -> None:
    """Keep the terminal reporter from showing progress and, at the end, the failures once more.

    Progress is the console's work; each failure of a test was shown in full when it happened.
    """
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return
    reporter.dbsafe_writer = reporter._tw  # noqa: SLF001
    writer = _QuietWriter(io.StringIO())
    writer.fullwidth = reporter._tw.fullwidth  # noqa: SLF001
    reporter._tw = writer  # noqa: SLF001
    reporter._show_progress_info = False  # noqa: SLF001
    reporter.summary_failures = lambda: None
    reporter.summary_errors = functools.partial(_show_uncollected, reporter, reporter.summary_errors)


def _show_uncollected(reporter: Any, show: Callable[[], None]) -> None:
    """Show why things could not be collected, where the run went on without them."""
    errors = reporter.stats.get("error", [])
    reporter.stats["error"] = [one for one in errors if isinstance(one, pytest.CollectReport)]
    try:
        show()
    finally:
        reporter.stats["error"] = errors


def show_again(config: pytest.Config) -> Any:
    """Give the terminal reporter, if there is one, its own writer back; returns the reporter."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        reporter._tw = getattr(reporter, "dbsafe_writer", reporter._tw)  # noqa: SLF001
    return reporter
