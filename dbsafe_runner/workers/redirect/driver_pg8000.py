"""pg8000 1.29 and later: the native, DB-API and legacy connections, which share one base class.

A connection over a socket object that the suite made itself (cloud connectors do) is left alone:
there is no telling where it leads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import patching, routing, search_path, urls
from .urls import Target

if TYPE_CHECKING:
    from .routing import Route


def patch(pg8000: ModuleType) -> None:
    """Patch an imported pg8000."""

    def wrap_init(original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        def connect(self: Any, *args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            arguments = bound.arguments
            if arguments.get("sock") is not None or arguments["user"] is None:
                original(self, *args, **kwargs)
                return
            route = routing.route([_target(arguments)], pg8000.exceptions.InterfaceError)
            if route is None:
                original(self, *args, **kwargs)
                return
            later = _rewrite(arguments, route)
            refusal = None
            try:
                original(*bound.args, **bound.kwargs)
            except pg8000.exceptions.InterfaceError as error:
                refusal = _told_by_the_server(error, pg8000.exceptions.DatabaseError)
            if refusal is not None:
                # Outside of the handler it keeps no error, and so no socket, of the goodbye alive.
                try:
                    raise refusal
                finally:
                    del refusal
            if later:
                self.execute_simple(later)

        return connect

    patching.function(pg8000.core.CoreConnection, "__init__", wrap_init)


def _told_by_the_server(error: BaseException, database_error: type[BaseException]) -> BaseException:
    """What the server said before the driver met a closed socket while it said goodbye.

    Over TCP the last message is buffered and lost unnoticed; over a Unix socket it fails at once and
    hides the server's answer to a wrong password or database.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, database_error):
        found = found.__cause__ or found.__context__
    return error if found is None else found


def _target(arguments: dict[str, Any]) -> Target:
    user = _text(arguments["user"])
    database = _text(arguments["database"]) or user
    socket = arguments["unix_sock"]
    if socket is not None:
        return Target(socket, urls.socket_port(socket), user, database)
    return Target(arguments["host"], arguments["port"], user, database)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, (bytes, bytearray)) else value or ""


def _rewrite(arguments: dict[str, Any], route: Route) -> str:
    """Change the arguments; returns SQL to run once connected, "" for none."""
    endpoint = route.endpoint
    over_socket = urls.is_socket(endpoint.host)
    arguments.update(
        host=None if over_socket else endpoint.host,
        port=endpoint.port,
        unix_sock=f"{endpoint.host}/.s.PGSQL.{endpoint.port}" if over_socket else None,
        source_address=None,
        ssl_context=None if over_socket else _tls(endpoint.options),
    )
    if route.user:
        arguments["user"] = route.user
    if route.password:
        arguments["password"] = route.password
    if route.database:
        arguments["database"] = route.database
    elif route.user and not arguments["database"]:
        # Without a name the server takes the user's.
        arguments["database"] = route.target.database
    return _settings(arguments, route)


def _tls(options: Any) -> Any:
    """What pg8000 calls ssl_context.

    None is "no TLS" up to 1.30 and "if the server can" later; False is an error before it is "no TLS".
    """
    mode = options.get("sslmode", "prefer")
    if mode in {"disable", "allow", "prefer"}:
        return None
    if mode == "require" and "sslrootcert" not in options:
        return True
    import ssl

    context = ssl.create_default_context(cafile=options.get("sslrootcert"))
    context.check_hostname = mode == "verify-full"
    if options.get("sslcert"):
        context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    return context


def _settings(arguments: dict[str, Any], route: Route) -> str:
    endpoint = route.endpoint
    given = dict(arguments.get("startup_params") or {})
    options = _text(given.get("options"))
    extra = endpoint.options.get("options", "")
    if extra and not options.startswith(extra):
        options = " ".join(filter(None, (extra, options)))
    path = ""
    if endpoint.schema:
        before = _text(given.get("search_path")) or search_path.in_options(options)
        path = search_path.with_schema(before, endpoint)
    if "startup_params" not in arguments:
        # Before 1.30 there is no other way; RESET ALL in the suite would undo it.
        return "SET search_path TO " + path if path else ""
    new = dict(given, **{k: v for k, v in (("options", options), ("search_path", path)) if v})
    arguments["startup_params"] = new or None
    return ""
