"""libpq parameters: from what a suite gives to what leads to its namespace.

Shared by the drivers on libpq (psycopg, psycopg2, psycopg2cffi) and by the environment of programs.
It decides nothing: the route comes from `routing`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import routing, search_path, urls

if TYPE_CHECKING:
    from .routing import Route

_ESCAPED = re.compile(r"(['\\\\])")
_ESCAPE = r"\\\1"

#: What describes the way to the suite's server and would break or slow down the way to ours, with the
#: value that undoes it where the environment or a service file sets it. "" means "as if not set".
NEUTRAL = {
    "hostaddr": "",
    "sslmode": "prefer",
    "sslnegotiation": "postgres",
    "sslcertmode": "allow",
    "sslrootcert": "",
    "sslcert": "",
    "sslkey": "",
    "sslcrl": "",
    "gssencmode": "prefer",
    "channel_binding": "prefer",
    "require_auth": "",
    "requirepeer": "",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
}
#: The first libpq that knows a parameter, as PQlibVersion numbers it; older ones reject the name.
_SINCE = {
    "gssencmode": 120000,
    "channel_binding": 130000,
    "sslcertmode": 160000,
    "require_auth": 160000,
    "load_balance_hosts": 160000,
    "sslnegotiation": 170000,
}


def redirect(
    params: Mapping[str, object], error: type[BaseException], libpq_version: int
) -> dict[str, object] | None:
    """The parameters that lead to the namespace; None when the connection is to be left alone.

    Raises ConnectionRefusedByGuardError, which is then also an instance of `error`.
    """
    __tracebackhide__ = True
    route = routing.route(urls.targets_of(params), error)
    return None if route is None else rewrite(params, route, libpq_version)


def rewrite(
    params: Mapping[str, object],
    route: Route,
    libpq_version: int,
    environ: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """The parameters with the route's server, and with everything else that the suite asked for."""
    endpoint = route.endpoint
    effective = urls.Effective(params, environ)
    result = {key: value for key, value in params.items() if key not in NEUTRAL}
    result.update(
        (key, neutral)
        for key, neutral in NEUTRAL.items()
        if effective.inherited(key) and libpq_version >= _SINCE.get(key, 0)
    )
    options = _joined(endpoint.options.get("options", ""), effective.get("options"))
    result.update((key, value) for key, value in endpoint.options.items() if key != "options")
    result.update(host=endpoint.host, port=str(endpoint.port))
    if route.user:
        result["user"] = route.user
    if route.password:
        result["password"] = route.password
    if route.database:
        result["dbname"] = route.database
    elif route.user and not effective.get("dbname"):
        # Without a name libpq takes the user's.
        result["dbname"] = route.target.database
    if endpoint.schema:
        options = search_path.options_with_schema(options, endpoint)
    if options:
        result["options"] = options
    return result


def _joined(first: str, second: str) -> str:
    """Two values of `options` as one; a value that already begins with the first stays as it is."""
    if not first or second.startswith(first):
        return second
    return first + " " + second if second else first


def key_value(params: Mapping[str, object]) -> str:
    """The parameters as a `key=value` string."""
    return " ".join(f"{key}='{_ESCAPED.sub(_ESCAPE, str(value))}'" for key, value in params.items())
