"""What plugins written for pytest-xdist have workers do, and say, when their session ends.

`pytest_sessionfinish` is called once, in the zygote, which has all reports. That is not enough for a
plugin or a conftest that keeps something else in the process where a test runs: with pytest-xdist it
puts that into `config.workeroutput`, or writes it down, when the worker's session ends, and is handed
it by `pytest_testnodedown`. Who names `workeroutput` is called in workers, too. Nobody else is: a hook
that knows nothing of workers would do its work once for each.
"""

from __future__ import annotations

import functools
import inspect
import marshal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import pytest

#: Packages that name it and have no part of their own in our workers. What coverage measures is saved
#: when the process ends (`after_fork.save_coverage`).
_OTHERS: Final = frozenset({"_pytest", "dbsafe_runner", "pytest_cov", "xdist"})
_NAME: Final = b"workeroutput"


def send_from(session: pytest.Session, settings: Mapping[str, Any], send: Callable[..., None]) -> None:
    """End the session for the plugins that have a part in workers, and send what they say.

    What a trial runs has been run before, so it ends no session.
    """
    config = session.config
    speakers = _speakers(config) if settings["trial_of"] is None else set()
    if not speakers:
        return
    try:
        status = pytest.ExitCode.TESTS_FAILED if session.testsfailed else pytest.ExitCode.OK
        _call(config, "pytest_sessionfinish", speakers, session=session, exitstatus=status)
        # As with pytest-xdist: plain values, and nothing whose making could run code in another process.
        blob = marshal.dumps(config.workeroutput)  # type: ignore[attr-defined]
    except Exception as error:  # noqa: BLE001  # Hooks of the suite may raise anything.
        said = f"what plugins do at the end of a worker failed: {error!r}"
        send("notice", code="worker-step-failed", message=said, nodeid="")
    else:
        send("parting", blob, worker=settings["worker"])


def hear(config: pytest.Config, fields: Mapping[str, Any], blob: bytes) -> None:
    """Hand what a worker has sent to the plugins that it is from."""
    output = marshal.loads(blob)  # noqa: S302  # A worker of ours has made it.
    if not output:
        return
    node = SimpleNamespace(
        config=config,
        gateway=SimpleNamespace(id=fields["worker"]),
        workerinput={"workerid": fields["worker"]},
        workeroutput=output,
    )
    speakers = _speakers(config)
    if not config.pluginmanager.hasplugin("xdist"):
        _let_listen(config, speakers)
    if hasattr(config.hook, "pytest_testnodedown"):
        _call(config, "pytest_testnodedown", speakers, node=node, error=None)


def _let_listen(config: pytest.Config, speakers: set[str]) -> None:
    """Register what listens to workers. syrupy does so itself, but only where pytest-xdist is installed.

    It would take each snapshot for unused, fail the run for it, and delete it when it is to update them.
    """
    for module in (module for speaker in speakers for module in _modules(speaker)):
        for listener in list(vars(module).values()):
            if not inspect.isclass(listener) or listener.__module__ != module.__name__:
                continue
            hears = hasattr(listener, "pytest_testnodedown") and _needs_nothing(listener)
            if hears and not _listens(config, listener):
                config.pluginmanager.register(listener())


def _needs_nothing(made: type) -> bool:
    """Whether an object of a class can be made without arguments."""
    try:
        inspect.signature(made).bind()
    except (TypeError, ValueError):
        return False
    return True


def _listens(config: pytest.Config, listener: type) -> bool:
    return any(isinstance(plugin, listener) for plugin in config.pluginmanager.get_plugins())


def _call(config: pytest.Config, hook: str, owners: set[str], **arguments: Any) -> None:
    """Call a hook as it is implemented by the packages, and the conftests, that are named."""
    manager = config.pluginmanager
    others = [plugin for plugin in manager.get_plugins() if _owner(plugin) not in owners]
    manager.subset_hook_caller(hook, others)(**arguments)


def _speakers(config: pytest.Config) -> set[str]:
    """The packages, and the conftests, that end sessions and have a part in workers."""
    ending = config.hook.pytest_sessionfinish.get_hookimpls()
    owners = {_owner(implementation.plugin) for implementation in ending}
    return {owner for owner in owners if _has_a_part(owner)}


def _owner(plugin: object) -> str:
    """The package that a plugin is from; where it is a file of the suite, that file."""
    module = plugin if isinstance(plugin, ModuleType) else inspect.getmodule(type(plugin))
    name = getattr(module, "__name__", "")
    if name.rpartition(".")[2] == "conftest":
        return str(getattr(module, "__file__", "") or name)
    return getattr(module, "__package__", "") or name


def _has_a_part(owner: str) -> bool:
    if owner.endswith(".py"):
        return _names_it(owner)
    if owner.partition(".")[0] in _OTHERS:
        return False
    files = [getattr(module, "__file__", None) for module in _modules(owner)]
    return any(_names_it(file) for file in files if file)


def _modules(owner: str) -> list[ModuleType]:
    """What has been imported of a package."""
    return [module for name, module in list(sys.modules.items()) if f"{name}.".startswith(f"{owner}.")]


@functools.cache
def _names_it(file: str) -> bool:
    try:
        return file.endswith(".py") and _NAME in Path(file).read_bytes()
    except OSError:
        return False
