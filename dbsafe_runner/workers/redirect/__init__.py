"""Redirection: connections to the suite's database go to the worker's namespace, whatever the driver.

It works at connect time, inside the drivers, so it does not matter where a URL came from or when it was
read. Programs that a test starts are led the same way by their environment. It leases nothing and
starts no server: `Rules` holds the callbacks that do.

This package runs inside the user's test processes and, loaded by path, in Python programs that those
start, under interpreters from 3.8 on and without the rest of dbsafe. So it imports only the standard
library's lighter parts, and touches a driver only once the suite has imported it.
"""

from __future__ import annotations

import sys
from types import ModuleType

from . import drivers, frameworks, patching, programs, routing
from .borrowing import Lender, Loan, NothingLentError, borrow
from .environment import child_environment, serial_environment
from .import_hook import ImportHook
from .routing import ConnectionRefusedByGuardError, Router, Rules
from .urls import Target

__all__ = [
    "ConnectionRefusedByGuardError",
    "Lender",
    "Loan",
    "NothingLentError",
    "Rules",
    "Target",
    "borrow",
    "child_environment",
    "install",
    "loaded_drivers",
    "replace_rules",
    "serial_environment",
    "uninstall",
]


def install(rules: Rules) -> None:
    """Redirect from now on: in drivers already imported at once, in others when they are imported.

    Called again it replaces the rules. Never raises; what cannot be redirected is told to
    `rules.on_warning`.
    """
    replace_rules(rules)
    _hook.install()


def replace_rules(rules: Rules) -> None:
    """Put other rules in force, e.g. after a fork, when another namespace is this process's.

    What was learned stays the source as long as the rules name none, and connections that are still
    addressed to an earlier namespace go to the new one.
    """
    routing.use(Router(rules, before=routing.current()))


def knows_source() -> bool:
    """Whether a source is configured, or one was learned."""
    router = routing.current()
    return router is not None and bool(router.sources)


def tell_source(target: Target) -> None:
    """Say what another process of the run has learned. Without effect where a source is known."""
    router = routing.current()
    if router is not None:
        router.told(target)


def uninstall() -> None:
    """Leave the drivers as they were. What was learned is forgotten."""
    _hook.uninstall()
    patching.undo_all()
    routing.use(None)


def loaded_drivers() -> tuple[str, ...]:
    """Names of the supported drivers that this process has imported so far."""
    return tuple(name for name in drivers.SUPPORTED if name in sys.modules)


def _patch(module: ModuleType) -> None:
    try:
        _PATCHES[module.__name__](module)
    except Exception as error:  # noqa: BLE001 - A driver must stay usable whatever its version.
        version = getattr(module, "__version__", "of unknown version")
        routing.warn(
            f"{module.__name__} {version}: its connections are not redirected"
            f" ({type(error).__name__}: {error})"
        )


_PATCHES = {
    **dict.fromkeys(drivers.SUPPORTED, drivers.patch),
    **programs.watched(),
    **frameworks.watched(),
}
_hook = ImportHook(dict.fromkeys(_PATCHES, _patch))
