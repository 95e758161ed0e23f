"""Frameworks that make databases for tests: from where they do so.

Django makes and drops its test databases over a connection to the database `postgres`. On a server of
the user's that is closed to tests; Django would then connect to the test database itself, which cannot
be dropped from there, and would stay.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import patching, routing


def watched() -> dict[str, Callable[[ModuleType], None]]:
    """Module -> what patches it, for the import hook."""
    return {"django.db.backends.postgresql.base": _patch_django}


def _patch_django(base: ModuleType) -> None:
    wrapper = base.DatabaseWrapper
    if "get_new_connection" not in vars(wrapper):
        return

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def get_new_connection(self: Any, conn_params: Any) -> Any:
            # No name is Django's way to ask for the database that is there on every server.
            if self.settings_dict["NAME"] is not None:
                return original(self, conn_params)
            with routing.maintaining():
                return original(self, conn_params)

        return get_new_connection

    patching.function(wrapper, "get_new_connection", wrap)
