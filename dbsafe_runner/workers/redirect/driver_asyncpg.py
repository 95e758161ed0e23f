"""asyncpg 0.27 and later: connections, subclasses and pools, on any event loop.

asyncpg parses all that it is given, environment and service files included, in one function that every
connect goes through. It is let parse once to learn what is meant, and once more with the address of
the namespace, so that its own rules for TLS and settings apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from . import patching, routing, search_path, urls
from .urls import Target

if TYPE_CHECKING:
    from .routing import Route

#: Arguments about the way to the suite's server, with the value that says nothing.
_WAY = {
    "passfile": None,
    "direct_tls": False,
    "service": None,
    "servicefile": None,
    "target_session_attrs": "any",
}


def patch(asyncpg: ModuleType) -> None:
    """Patch an imported asyncpg."""

    def wrap_parse(original: Callable[..., Any]) -> Callable[..., Any]:
        def _parse_connect_arguments(**kwargs: Any) -> Any:
            __tracebackhide__ = True
            parsed = original(**kwargs)
            addresses, params = parsed[:2]
            # What asyncpg raises for a server that cannot be reached.
            route = routing.route(_targets(addresses, params), ConnectionRefusedError)
            return parsed if route is None else original(**_rewritten(kwargs, params, route))

        return _parse_connect_arguments

    patching.function(asyncpg.connect_utils, "_parse_connect_arguments", wrap_parse)


def _targets(addresses: list[Any], params: Any) -> list[Target]:
    return [
        Target(address, urls.socket_port(address), params.user, params.database)
        if isinstance(address, str)
        else Target(address[0], address[1], params.user, params.database)
        for address in addresses
    ]


def _rewritten(kwargs: Mapping[str, Any], params: Any, route: Route) -> dict[str, Any]:
    endpoint = route.endpoint
    result = {**kwargs, **{key: value for key, value in _WAY.items() if key in kwargs}}
    transport = {key: value for key, value in endpoint.options.items() if key.startswith("ssl")}
    result.update(
        dsn="postgresql:///?" + urlencode(transport) if transport else None,
        host=endpoint.host,
        port=endpoint.port,
        user=route.user or params.user,
        password=route.password or params.password,
        database=route.database or params.database,
        # Nothing but what the endpoint says: PGSSLMODE and its like mean the suite's server.
        ssl=None if "sslmode" in transport else _default_tls(endpoint.host),
        server_settings=_settings(params.server_settings or {}, route),
    )
    return result


def _default_tls(host: str) -> str:
    return "disable" if urls.is_socket(host) else "prefer"


def _settings(given: Mapping[str, str], route: Route) -> dict[str, str] | None:
    endpoint = route.endpoint
    settings = dict(given)
    options = endpoint.options.get("options", "")
    if options and not settings.get("options", "").startswith(options):
        settings["options"] = " ".join(filter(None, (options, settings.get("options"))))
    if endpoint.schema:
        # As a setting of its own it overrides one in `options`.
        before = settings.get("search_path") or search_path.in_options(settings.get("options", ""))
        settings["search_path"] = search_path.with_schema(before, endpoint)
    return settings or None
