"""psycopg2 2.8 and later: `connect` by whatever name it was imported, connection classes, pools, aiopg.

`psycopg2.connect` looks up `_connect` in its module each time, so replacing that reaches a `connect`
that was imported by name long before. `psycopg2.extensions.connection` is replaced by a subclass, for
code that makes or subclasses connections itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import libpq, patching


class _Connecting(threading.local):
    """Whether this thread is inside `_connect`, which has redirected already what its class will get."""

    redirected = False
    #: The DSN as the suite gave it, while `redirected`.
    given = ""


def patch(psycopg2: ModuleType) -> None:
    """Patch an imported psycopg2."""
    extensions = psycopg2.extensions
    connecting = _Connecting()

    def redirected(dsn: str) -> str:
        __tracebackhide__ = True
        found = libpq.redirect(
            extensions.parse_dsn(dsn), psycopg2.OperationalError, extensions.libpq_version()
        )
        return dsn if found is None else extensions.make_dsn(**found)

    def led(dsn: str) -> tuple[str, str]:
        __tracebackhide__ = True
        if connecting.redirected:
            return connecting.given, dsn
        return dsn, redirected(dsn)

    plain = getattr(extensions.connection, "__dbsafe_plain__", extensions.connection)
    connection = _connection_class(plain, led, lambda dsn: _shown(extensions, dsn))

    def wrap_connect(original: Callable[..., Any]) -> Callable[..., Any]:
        def _connect(dsn: str, connection_factory: Any = None, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            # Without a factory the driver's own class is used: then it must be the one that
            # `extensions.connection` names, for isinstance. A factory's class may be of the plain one.
            factory = connection if connection_factory is None else connection_factory
            connecting.given, dsn = dsn, redirected(dsn)
            connecting.redirected = True
            try:
                return original(dsn, connection_factory=factory, **kwargs)
            finally:
                connecting.redirected = False

        return _connect

    patching.function(psycopg2, "_connect", wrap_connect)
    patching.value(extensions, "connection", connection)


def _shown(extensions: Any, dsn: str) -> str:
    """A DSN as the driver shows it: as it was given, but for the password."""
    params = extensions.parse_dsn(dsn)
    return str(extensions.make_dsn(**{**params, "password": "xxx"})) if "password" in params else dsn


def _connection_class(
    plain: Any, led: Callable[[str], tuple[str, str]], shown: Callable[[str], str]
) -> type:
    class connection(plain):  # type: ignore[misc]  # noqa: N801 - It stands for the class of that name.
        __dbsafe_plain__ = plain
        __doc__ = plain.__doc__

        def __init__(self, dsn: str, *args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            self.__given, dsn = led(dsn)
            super().__init__(dsn, *args, **kwargs)

        @property
        def dsn(self) -> str:
            # Suites compare it with what they asked for.
            return shown(self.__given)

    connection.__module__, connection.__qualname__ = plain.__module__, plain.__qualname__
    return connection
