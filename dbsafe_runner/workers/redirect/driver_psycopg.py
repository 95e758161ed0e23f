"""psycopg 3.1 and later: connections, asynchronous connections, their subclasses and pools.

Parameters are rewritten in `_get_connection_params`, which every connect goes through before any
host name is looked up. Subclasses that override it without calling it are caught at `_connect_gen`,
with the final connection string. Neither sees connections made with `psycopg.pq` directly, which are
dbsafe's own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import libpq, patching


def patch(psycopg: ModuleType) -> None:
    """Patch an imported psycopg."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    wrappers: list[Any] = []

    def redirected(conninfo: str, kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        __tracebackhide__ = True
        params = conninfo_to_dict(conninfo, **kwargs)
        found = libpq.redirect(params, psycopg.OperationalError, psycopg.pq.version())
        return (conninfo, kwargs) if found is None else ("", found)

    def wrap_params(original: Callable[..., Any]) -> Callable[..., Any]:
        # Fits the asynchronous class as well: what the original returns is handed on, to be awaited.
        def _get_connection_params(cls: type, conninfo: str = "", **kwargs: Any) -> Any:
            __tracebackhide__ = True
            conninfo, kwargs = redirected(conninfo, kwargs)
            return original(cls, conninfo, **kwargs)

        return _get_connection_params

    def wrap_connect(original: Callable[..., Any]) -> Callable[..., Any]:
        def _connect_gen(cls: Any, conninfo: str = "", **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if getattr(cls._get_connection_params, "__func__", None) not in wrappers:
                # A subclass may have called ours or not; to redirect twice changes nothing more.
                _, found = redirected(conninfo, {})
                conninfo = make_conninfo("", **found) if found else conninfo
            return original(cls, conninfo, **kwargs)

        return _connect_gen

    base = next(cls for cls in psycopg.Connection.__mro__ if "_connect_gen" in vars(cls))
    patching.class_method(psycopg.Connection, "_get_connection_params", wrap_params)
    patching.class_method(psycopg.AsyncConnection, "_get_connection_params", wrap_params)
    patching.class_method(base, "_connect_gen", wrap_connect)
    wrappers.extend(
        vars(cls)["_get_connection_params"].__func__
        for cls in (psycopg.Connection, psycopg.AsyncConnection)
    )
