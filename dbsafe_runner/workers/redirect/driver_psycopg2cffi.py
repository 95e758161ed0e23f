"""psycopg2cffi: `connect`, by whatever name it was imported."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import libpq, patching, urls

#: It says nothing of the libpq that it loaded; parameters of later versions are left unset.
_LIBPQ_VERSION = 100000


def patch(psycopg2cffi: ModuleType) -> None:
    """Patch an imported psycopg2cffi."""

    def wrap_connect(original: Callable[..., Any]) -> Callable[..., Any]:
        def _connect(dsn: str, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            found = libpq.redirect(
                urls.parse_conninfo(dsn), psycopg2cffi.OperationalError, _LIBPQ_VERSION
            )
            return original(dsn if found is None else libpq.key_value(found), *args, **kwargs)

        return _connect

    patching.function(psycopg2cffi, "_connect", wrap_connect)
