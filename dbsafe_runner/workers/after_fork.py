"""What a worker does to itself right after it was forked from the zygote, before its first test.

Everything here undoes a sharing that fork leaves behind: capture files, exit hooks, random states,
the temporary directory, the terminal. Each step stands alone, so that one that an unusual plugin set
breaks is named in a notice and does not cost the worker. A spawned worker does the same steps: it is
as much one of several as a forked one.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import random
import signal
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _pytest.outcomes import Exit

if TYPE_CHECKING:
    import pytest

    from dbsafe_runner.workers.protocol import Channel

#: On this signal a worker writes the stacks of all its threads into its fault file. A realtime signal,
#: because suites use SIGUSR1 and SIGUSR2 for themselves.
DUMP_SIGNAL: int = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2

#: Hooks by which pytest's terminal reporter shows progress. They keep no state that a worker needs.
_PROGRESS_HOOKS = (
    "pytest_runtest_logstart",
    "pytest_runtest_logreport",
    "pytest_warning_recorded",
)


def settle(config: pytest.Config, settings: dict[str, Any], warn: Callable[[str], None]) -> None:
    """Turn this process into the worker that `settings` describe.

    `settings` has `worker` (its name, gw0), `count`, `run` (an id shared by all workers of the run),
    `seed`, `basetemp`, `fault_file` and `trial_of` (not None in a trial).
    """
    steps: tuple[Callable[[pytest.Config, dict[str, Any]], None], ...] = (
        _own_process_group,
        _forget_exit_hooks,
        _mute_terminal,
        _leave_to_the_zygote,
        _own_capture,
        _own_stacks,
        _own_temporary_directory,
        _names,
        _unheard,
    )
    for step in steps:
        try:
            step(config, settings)
        except Exception as error:  # noqa: BLE001  # Private parts of pytest may change shape.
            warn(f"worker step {step.__name__.strip('_')} failed: {error!r}")


def reseed(seed: int, name: str) -> None:
    """Give `random` and numpy's legacy generator a state that depends on `seed` and `name` only.

    Forked workers would otherwise all draw the same numbers, and which ones would depend on when they
    were forked.
    """
    value = (seed ^ zlib.crc32(name.encode("utf-8", "surrogatepass"))) & 0xFFFFFFFF
    random.seed(value)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(value)


def in_one_process(channel: Channel, phase: Callable[[], Any]) -> Any:
    """Run a phase of a test and return its report, in the process that began it only.

    A child that the test forked, and that fell through to here, ends with the phase: its parent does the
    rest. Parents look at how it ended, which is as a serial run's pytest would end that child.
    """
    if not channel.usable:
        os._exit(0)  # It came from between the phases.
    status = 2  # What is no failure of a test, pytest.exit() say, ends a session as interrupted.
    try:
        report = phase()
        status = int(report.failed)
    except Exit as error:
        status = status if error.returncode is None else error.returncode
        raise
    finally:
        if not channel.usable:
            os._exit(status)
    return report


def leave(config: pytest.Config, status: int = 0) -> None:
    """End this forked process: run its own exit hooks, save coverage, flush, and `os._exit`.

    The interpreter's ordinary end would run the zygote's hooks a second time.
    """
    for step in (atexit._run_exitfuncs, lambda: save_coverage(config), flush):  # noqa: SLF001
        with contextlib.suppress(Exception, SystemExit):
            step()
    os._exit(status)


def save_coverage(config: pytest.Config) -> None:
    """Write the measured data of every running coverage object to a file of this process's own.

    coverage.py chooses a new file name after a fork; pytest-cov combines the files in the zygote.
    """
    module = sys.modules.get("coverage")
    if module is None:
        return
    found: list[Any] = []
    plugin = config.pluginmanager.getplugin("_cov")
    measured_by_plugin = getattr(getattr(plugin, "cov_controller", None), "cov", None)
    if measured_by_plugin is not None:
        found.append(measured_by_plugin)
    current = module.Coverage.current()
    if current is not None and current not in found:
        found.append(current)
    for measured in found:
        measured.stop()
        measured.save()


def _own_process_group(_config: pytest.Config, _settings: dict[str, Any]) -> None:
    # A hung worker is killed together with the programs that its test started.
    os.setpgid(0, 0)


def _forget_exit_hooks(_config: pytest.Config, settings: dict[str, Any]) -> None:
    if settings.get("spawned"):
        return
    atexit._clear()  # noqa: SLF001  # The zygote's hooks are the zygote's; there is no public way.
    logging_module = sys.modules.get("logging")
    if logging_module is not None:
        atexit.register(logging_module.shutdown)
    multiprocessing_util = sys.modules.get("multiprocessing.util")
    if multiprocessing_util is not None:
        atexit.register(multiprocessing_util._exit_function)  # noqa: SLF001


def _mute_terminal(config: pytest.Config, _settings: dict[str, Any]) -> None:
    # Not unregistered, and its writer left alone: live logs, --setup-show and the stacks that
    # pytest-timeout dumps go through it.
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return
    reporter._tw = getattr(reporter, "dbsafe_writer", reporter._tw)  # noqa: SLF001
    for name in _PROGRESS_HOOKS:
        getattr(config.hook, name)._remove_plugin(reporter)  # noqa: SLF001


def _leave_to_the_zygote(config: pytest.Config, _settings: dict[str, Any]) -> None:
    # Reports reach these once, in the zygote; here they would write their files a second time.
    from _pytest.junitxml import xml_key

    xml = config.stash.get(xml_key, None)
    if xml is not None:
        config.pluginmanager.unregister(xml)


def _own_capture(config: pytest.Config, settings: dict[str, Any]) -> None:
    """Give the files that capture writes to an offset of their own.

    Forked processes share the offset of an inherited file, so their outputs would mix. The file objects
    stay: a log handler made while the suite was imported holds one of them.
    """
    manager = config.pluginmanager.getplugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    if capturing is None or settings.get("spawned"):
        return
    for capture in (capturing.out, capturing.err):
        file: Any = getattr(capture, "tmpfile", None)
        with contextlib.suppress(AttributeError, OSError):
            # Captures in memory have no descriptor, and are not shared.
            descriptor = file.fileno()
            with tempfile.TemporaryFile(buffering=0) as own:
                os.dup2(own.fileno(), descriptor)


def _own_stacks(_config: pytest.Config, settings: dict[str, Any]) -> None:
    # Kept open for the life of the process: faulthandler holds only the descriptor.
    stream = Path(settings["fault_file"]).open("wb", buffering=0)  # noqa: SIM115
    settings["fault_stream"] = stream
    faulthandler.enable(file=stream, all_threads=True)
    faulthandler.register(DUMP_SIGNAL, file=stream, all_threads=True)


def _own_temporary_directory(config: pytest.Config, settings: dict[str, Any]) -> None:
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None:
        return
    # The name that pytest-xdist gives, because suites use `getbasetemp().parent` to share files.
    own = Path(settings["basetemp"]) / f"popen-{settings['worker']}"
    own.mkdir(mode=0o700, exist_ok=True)
    factory._basetemp = own  # noqa: SLF001


def _names(config: pytest.Config, settings: dict[str, Any]) -> None:
    os.environ["PYTEST_XDIST_WORKER"] = settings["worker"]
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(settings["count"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = settings["run"]
    config.workerinput = {  # type: ignore[attr-defined]
        "workerid": settings["worker"],
        "workercount": settings["count"],
        "testrunuid": settings["run"],
        "mainargv": list(sys.argv),
    }
    config.workeroutput = {}  # type: ignore[attr-defined]


def _unheard(config: pytest.Config, settings: dict[str, Any]) -> None:
    """Let nothing that a trial says past its reports reach the user.

    A trial runs tests again that the user has seen, also ones that passed: what they print around
    capture, or log, is there already, once for each test as in a serial run.
    """
    if settings["trial_of"] is None:
        return
    flush()
    manager = config.pluginmanager.getplugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor, name in ((1, "out"), (2, "err")):
        capture = getattr(capturing, name, None)
        for open_ in _real_descriptors(capture, descriptor):
            os.dup2(nowhere, open_)
    os.close(nowhere)
    handler = getattr(config.pluginmanager.getplugin("logging-plugin"), "log_file_handler", None)
    if handler is not None:
        # Open for as long as the process lives, as the handler is.
        former = handler.setStream(Path(os.devnull).open("w"))  # noqa: SIM115
        if former is not None:
            former.close()


def _real_descriptors(capture: Any, descriptor: int) -> list[int]:
    """The descriptors by which this process reaches what `descriptor` was before it was captured."""
    saved = getattr(capture, "targetfd_save", None)
    if saved is None:
        return [descriptor]
    # While it captures, the descriptor itself leads to the file that holds what was captured.
    return [saved] if getattr(capture, "_state", "") == "started" else [descriptor, saved]


def flush() -> None:
    """Write out what the standard streams hold, so that no fork writes it a second time."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:
            with contextlib.suppress(ValueError, OSError):
                stream.flush()
