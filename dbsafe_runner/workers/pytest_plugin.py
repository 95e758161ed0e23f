"""The plugin that makes a pytest process a zygote or a spawned worker.

It lets pytest parse, configure and collect as always, then takes over the run loop. What an own
pytest-xdist configuration of the suite asks for is dbsafe's work now, so xdist is told to stand aside.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from dbsafe_runner.workers import xdist_names
from dbsafe_runner.workers.shuffling import share_seed

#: What a mode does with a session that has been collected.
RunLoop = Callable[[pytest.Session, "Collection"], None]
#: What a mode does with the report of something that cannot be collected.
Broken = Callable[[pytest.CollectReport], None]


class Collection:
    """What is known about the collection beside the items."""

    def __init__(self) -> None:
        self.deselected = 0
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since pytest started."""
        return time.perf_counter() - self.started


class DbsafePlugin:
    """Registered before any other plugin. `run_loop` is called once, after collection.

    Args:
        run_loop: runs the tests; returns when there is nothing left to do.
        broken: is told of what cannot be collected.
        seed: for plugins that shuffle tests.
        width: of the terminal that the output ends up on, in columns.
        colour: whether that terminal shows colours.
        worker: True in a spawned worker.
    """

    def __init__(
        self, run_loop: RunLoop, broken: Broken, *, seed: int, width: int, colour: bool, worker: bool
    ) -> None:
        self._run_loop = run_loop
        self._broken = broken
        self._seed = seed
        self._width = width
        self._colour = colour
        self._worker = worker
        self._collection = Collection()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> Generator[None]:
        """Keep pytest-cov in a spawned worker from erasing what other workers have measured."""
        if self._worker:
            early_config.known_args_namespace.cov_append = True
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        """Switch pytest-xdist's distribution off, and let plugins that shuffle tests have our seed."""
        share_seed(config, self._seed)
        if self._worker:
            # The file that --log-file names has lines of the other workers in it.
            config.option.log_file_mode = "a"
        for name, value in (("numprocesses", None), ("dist", "no"), ("tx", []), ("looponfail", False)):
            if hasattr(config.option, name):
                setattr(config.option, name, value)
        for name, option in (("usepdb", "--pdb"), ("trace", "--trace")):
            if getattr(config.option, name, False):
                message = f"{option} needs the terminal, which workers do not have: use plain pytest"
                raise pytest.UsageError(message)
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Give xdist's fixtures to suites that use them, and the terminal its real width."""
        config.addinivalue_line(
            "markers",
            "dbsafe(level, group, exclusive): what the test does to the database.",
        )
        if not config.pluginmanager.has_plugin("xdist"):
            config.addinivalue_line(
                "markers", "xdist_group(name): tests with the same name run on one worker."
            )
            config.pluginmanager.register(xdist_names, "dbsafe-xdist-names")
        config.dbsafe_colour = self._colour  # type: ignore[attr-defined]
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            reporter._tw.fullwidth = self._width  # noqa: SLF001
            reporter._screen_width = self._width  # noqa: SLF001
            if self._colour and config.option.color == "auto":
                reporter._tw.hasmarkup = True  # noqa: SLF001

    @pytest.hookimpl
    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count what -k, -m and plugins left out."""
        self._collection.deselected += len(items)

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Pass on what could not be collected."""
        if report.failed:
            self._broken(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run the tests our way. The conditions are those of pytest's own loop."""
        option = session.config.option
        broken = session.testsfailed and not option.continue_on_collection_errors
        if broken or option.collectonly or option.setupplan:
            gc.enable()
            return None
        if session.items:
            self._run_loop(session, self._collection)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True
