"""Environment: what programs that a test starts need in order to reach the namespace.

Pure functions from one environment to another. A program on libpq finds `PG*` variables and URLs that
lead to the namespace. A Python program finds `inherit/sitecustomize.py` on its path, which first puts
the suite's own values back and then redirects at connect time, as in the process that started it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import libpq, urls
from .routing import Route, Rules, name_in
from .urls import Target

if TYPE_CHECKING:
    from dbsafe_runner.domain.namespace import Endpoint

#: JSON: where the redirection of a Python program leads.
REDIRECT = "DBSAFE_REDIRECT"
#: The variables that were changed: records of name, value for programs, value of the suite. A value
#: follows a "=", an absent one is empty. No JSON, as it is read whenever Python starts.
ORIGINALS = "DBSAFE_REDIRECT_ORIGINALS"
UNIT, RECORD = "\x1f", "\x1e"

_INHERIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inherit")  # noqa: PTH100, PTH118, PTH120
#: Any libpq that a program may have; a parameter that an older one does not know has no variable there.
_NEWEST_LIBPQ = 990000
#: Keys of a connection string that say where it leads; a text without any is none.
_NAMING = ("dbname", "host", "service")
_KEYS_OF_A_DSN = frozenset((*urls.ENVIRONMENT, *libpq.NEUTRAL, "application_name", "connect_timeout"))


def child_environment(
    base: Mapping[str, str], endpoint: Endpoint, sources: Iterable[Target], rules: Rules
) -> dict[str, str]:
    """The environment of a program that shall use the namespace whenever it means a source.

    Names of databases and users stay, except where the endpoint renames them. Variables that mean
    another server stay.
    """
    return _environment(base, endpoint, tuple(sources), rules.allow_hosts)


def serial_environment(
    base: Mapping[str, str],
    endpoint: Endpoint,
    sources: Iterable[Target],
    allow_hosts: Iterable[str] = (),
) -> dict[str, str]:
    """The environment in which a plain `pytest` uses one server, with no plugin.

    Its tests see the suite's own values, and what they connect to and start is led to the endpoint.
    """
    return _environment(base, endpoint, tuple(sources), tuple(allow_hosts))


def asking_environment(base: Mapping[str, str], rules: Rules) -> dict[str, str]:
    """The environment of a program that is started while nobody knows the suite's database.

    All stays as it is, except that a Python program asks before it connects to a server of this machine.
    """
    facts = {"sources": [], "allow_hosts": list(rules.allow_hosts), "lender": rules.lender}
    result = {name: value for name, value in base.items() if name not in {REDIRECT, ORIGINALS}}
    return {**result, **_told(base, facts)}


def inheritance(
    base: Mapping[str, str], endpoint: Endpoint, sources: Iterable[Target], allow_hosts: Iterable[str]
) -> dict[str, str]:
    """The variables by which Python programs redirect themselves."""
    facts: dict[str, Any] = {
        "sources": [list(source) for source in sources],
        "allow_hosts": list(allow_hosts),
        "endpoint": {
            "host": endpoint.host,
            "port": endpoint.port,
            "databases": dict(endpoint.databases),
            "closed": list(endpoint.closed),
            "schema": endpoint.schema,
            "search_path": endpoint.search_path,
            "replaced": list(endpoint.replaced),
            "shared": list(endpoint.shared),
            "user": endpoint.user,
            "password": endpoint.password,
            "logins": list(endpoint.logins),
            "options": dict(endpoint.options),
        },
    }
    return _told(base, facts)


def _told(base: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, str]:
    others = [part for part in base.get("PYTHONPATH", "").split(os.pathsep) if part and part != _INHERIT]
    return {REDIRECT: json.dumps(facts), "PYTHONPATH": os.pathsep.join([_INHERIT, *others])}


def _environment(
    base: Mapping[str, str],
    endpoint: Endpoint,
    sources: tuple[Target, ...],
    allow_hosts: tuple[str, ...],
) -> dict[str, str]:
    result = {name: value for name, value in base.items() if name not in {REDIRECT, ORIGINALS}}
    for name, value in base.items():
        led = rewrite_text(value, endpoint, sources, base)
        if led is not None:
            result[name] = led
    _lead_libpq(result, base, endpoint, sources)
    _offer_url(result, base, endpoint, sources)
    changed = [name for name in {**base, **result} if base.get(name) != result.get(name)]
    result[ORIGINALS] = RECORD.join(
        UNIT.join((name, _field(result.get(name)), _field(base.get(name))))
        for name in changed
        if name not in {REDIRECT, ORIGINALS}
    )
    result.update(inheritance(base, endpoint, sources, allow_hosts))
    return result


def _field(value: str | None) -> str:
    return "" if value is None else "=" + value


def rewrite_text(
    text: str, endpoint: Endpoint, sources: Iterable[Target], environ: Mapping[str, str]
) -> str | None:
    """A URL or connection string that means a source, led to the endpoint; None for any other text."""
    if not urls.is_url(text) and not ("=" in text and any(key in text for key in _NAMING)):
        return None
    try:
        params = urls.parse_conninfo(text)
    except ValueError:
        return None
    if not urls.is_url(text) and not _is_dsn(params, environ):
        return None
    route = route_to(endpoint, sources, params, environ)
    if route is None:
        return None
    if urls.is_url(text):
        return _rewrite_url(text, params, route)
    return libpq.key_value(libpq.rewrite(params, route, 0, {}))


def _is_dsn(params: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Whether all keys are libpq's, and the service, where that alone says where to go, is one."""
    if not _KEYS_OF_A_DSN.issuperset(params):
        return False
    if {"host", "hostaddr", "dbname"} & params.keys():
        return True
    return bool(urls.service_parameters(params.get("service", ""), environ))


def route_to(
    endpoint: Endpoint,
    sources: Iterable[Target],
    params: Mapping[str, object],
    environ: Mapping[str, str],
) -> Route | None:
    """The way to the endpoint when the parameters mean a source (or the endpoint itself), else None."""
    ours = {source.server for source in sources} | {Target(endpoint.host, endpoint.port).server}
    for target in urls.targets_of(params, environ):
        if target.server in ours:
            database = name_in(endpoint, target.database)
            return Route(endpoint, target, database if database != target.database else "")
    return None


def _rewrite_url(url: str, params: Mapping[str, str], route: Route) -> str:
    """The same URL with the server overridden in its query.

    Host and port stay in their usual place as well: programs that take URLs apart expect them there,
    and libpq, SQLAlchemy and most others prefer those in the query.
    """
    led = libpq.rewrite({**params, "host": "", "port": ""}, route, 0, {})
    return urls.with_parameters(url, {key: str(value) for key, value in led.items()})


def names_a_server(environ: Mapping[str, str]) -> bool:
    """Whether the environment tells libpq where to connect."""
    keys = ("host", "hostaddr", "port", "service")
    return any(environ.get(urls.ENVIRONMENT[key]) for key in keys)


def _names_in(sources: tuple[Target, ...]) -> dict[str, str]:
    """The role and the database of the suite's URL, where it names them."""
    first = sources[0] if sources else Target("")
    return {key: name for key, name in (("user", first.user), ("dbname", first.database)) if name}


def _offer_url(
    result: dict[str, str], base: Mapping[str, str], endpoint: Endpoint, sources: tuple[Target, ...]
) -> None:
    """Say in `DATABASE_URL` where the suite's database is, where nothing else does.

    A Python program does not see it: it gets back the environment that it has in a serial run.
    """
    if "DATABASE_URL" in base or names_a_server(base) or not sources:
        return
    led = rewrite_text(sources[0].url, endpoint, sources, base)
    if led is not None:
        result["DATABASE_URL"] = led


def _lead_libpq(
    result: dict[str, str], base: Mapping[str, str], endpoint: Endpoint, sources: tuple[Target, ...]
) -> None:
    """Set what libpq takes its defaults from, unless it means a server of the suite's own."""
    names = urls.ENVIRONMENT
    route = route_to(endpoint, sources, {}, base)
    if route is None:
        if names_a_server(base):
            return
        # Nothing was said, so what is meant can only be the suite's server or none.
        target = urls.targets_of({}, base)[0]
        database = name_in(endpoint, target.database)
        route = Route(endpoint, target, database if database != target.database else "")
    effective = urls.Effective({}, base)
    given = {key: effective.get(key) for key in ("user", "dbname") if effective.get(key)}
    if not names_a_server(base):
        for key, name in _names_in(sources).items():
            given.setdefault(key, name)
    target = route.target
    user = given.get("user", target.user)
    # What it is told may be another role than libpq would take by itself.
    route = route._replace(target=Target(target.host, target.port, user, target.database))
    led = libpq.rewrite(given, route, _NEWEST_LIBPQ, base)
    for key in (*libpq.NEUTRAL, "service"):
        result.pop(names.get(key, ""), None)
    for key, value in led.items():
        if libpq.NEUTRAL.get(key) != value and key in names:
            result[names[key]] = str(value)
