"""Routing: the rules in force, and the decision where a connection goes.

It decides from targets alone and knows no driver. Drivers ask `route`; the answer is a Route to the
namespace, None for "leave it alone", or an exception that refuses the connection.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import urls
from .borrowing import Lender
from .urls import Target

if TYPE_CHECKING:
    from dbsafe_runner.domain.namespace import Endpoint


class Rules(NamedTuple):
    """What is redirected, and who is asked and told.

    The callbacks run in the thread that connects, one at a time, before the connection is opened.
    """

    #: Servers that the suite means when it means its database; () until one is learned.
    sources: tuple[Target, ...]
    #: Patterns (fnmatch) of hosts that are connected to for real.
    allow_hosts: tuple[str, ...]
    #: Where a connection to a source goes. May block, e.g. until a namespace is leased.
    resolve: Callable[[Target], Endpoint]
    #: The suite uses its first local server here; returns what is the source, for the whole run.
    on_learned: Callable[[Target], Target]
    #: A connection is about to be refused; returns the name of the test, "" when there is none.
    on_refused: Callable[[Target], str]
    #: A connection is about to be redirected. Not called for those that are left alone.
    on_connect: Callable[[Target], None]
    #: Something could not be redirected; the message names the driver and its version.
    on_warning: Callable[[str], None]
    #: A program was started with an environment that leads to the namespace; gets its arguments.
    on_program: Callable[[Sequence[str]], None] | None = None
    #: Whom Python programs ask that are started while no source is known; None when they may connect
    #: to what they like.
    lender: Lender | None = None


class Route(NamedTuple):
    """Where a connection goes. `database` is "" when the name stays as the suite gave it."""

    endpoint: Endpoint
    target: Target
    database: str

    @property
    def address(self) -> tuple[str, int]:
        """Host, or directory of the socket, and port."""
        return self.endpoint.host, self.endpoint.port

    @property
    def user(self) -> str:
        """Whom to log in as instead of what the suite says; "" for what it says."""
        return "" if self.target.user in self.endpoint.logins else self.endpoint.user

    @property
    def password(self) -> str:
        """Likewise, the password."""
        return "" if self.target.user in self.endpoint.logins else self.endpoint.password


#: What a program is given as the name of a database that is closed to it: there is none of this name.
CLOSED = "{} (closed to tests by dbsafe)"


#: The database that programs connect to in order to make and drop others.
MAINTENANCE = "postgres"


class _Maintaining(threading.local):
    """Whether this thread connects only to make and drop databases whose names are its worker's own."""

    on = False


_maintaining = _Maintaining()


@contextlib.contextmanager
def maintaining() -> Iterator[None]:
    """Within the block, connections to `postgres` go to the suite's database where that is closed.

    For frameworks that make and drop databases of tests. That is refused elsewhere because the names in
    such statements are seen by nobody; here they are those that the framework gives to tests' databases.
    """
    before, _maintaining.on = _maintaining.on, True
    try:
        yield
    finally:
        _maintaining.on = before


def name_in(endpoint: Endpoint, database: str) -> str:
    """The name on an endpoint of a database that the suite names."""
    if database in endpoint.databases:
        return endpoint.databases[database]
    # The server keeps 63 bytes of a name.
    return CLOSED.format(database[:24]) if database in endpoint.closed else database


class ConnectionRefusedByGuardError(Exception):
    """A connection to a server or a database that is none of the suite's. Nothing was sent to it.

    What is raised is also an instance of the driver's own error for failed connections, so that code
    that handles an unreachable server sees one.
    """

    code = "connection-refused-by-guard"


def refusal(
    target: Target, test: str, error: type[BaseException] = Exception
) -> ConnectionRefusedByGuardError:
    """The exception that refuses a connection; an instance of `error` as well."""
    message = (
        "{code}: {who} tried to connect to database {target.database!r} on "
        "{target.written}:{target.port}, which is neither on this machine nor the configured source. "
        "Nothing was sent to it. "
        "If the suite may use that server, add its host to allow_hosts under [database] in runner.toml; "
        "if it is the suite's own database, name it as source there."
    ).format(code=ConnectionRefusedByGuardError.code, who=test or "The suite", target=target)
    return _as_instance(message, error)


def refusal_of_database(
    target: Target, test: str, error: type[BaseException] = Exception
) -> ConnectionRefusedByGuardError:
    """The exception that refuses a connection to another database of the user's server."""
    message = (
        "connection-refused-by-guard: {who} tried to connect to the database {target.database!r} on "
        "{target.written}:{target.port}, the server that you gave, where it is none of the suite's. "
        "Nothing was sent to it. If tests may use it, add it to allow_databases under [database] in "
        "runner.toml; "
        "if it is the suite's own, name it as source there, and every worker gets a copy."
    ).format(who=test or "The suite", target=target)
    return _as_instance(message, error)


def _as_instance(message: str, error: type[BaseException]) -> ConnectionRefusedByGuardError:
    if issubclass(ConnectionRefusedByGuardError, error):
        return ConnectionRefusedByGuardError(message)
    attributes = {"__module__": "dbsafe", "__doc__": ConnectionRefusedByGuardError.__doc__}
    combined = type("ConnectionRefusedByGuardError", (ConnectionRefusedByGuardError, error), attributes)
    refused: ConnectionRefusedByGuardError = combined(message)
    return refused


class Router:
    """The rules in force and what was found out under them."""

    def __init__(self, rules: Rules, before: Router | None = None) -> None:
        """Take over what an earlier router learned; its namespaces count as sources from now on."""
        self.rules = rules
        self.learned: tuple[Target, ...] = before.learned if before else ()
        #: Every endpoint that was ever routed to, by server.
        self.endpoints: dict[tuple[str, int], Endpoint] = dict(before.endpoints) if before else {}
        self._latest: Endpoint | None = None
        self._pid = os.getpid()
        # One at a time: pools open connections from several threads at once, and the first of them
        # leases the namespace for all. Reentrant, as a callback may connect.
        self._lock = threading.RLock()

    @property
    def sources(self) -> tuple[Target, ...]:
        """The configured sources, else the learned one."""
        return self.rules.sources or self.learned

    @property
    def latest(self) -> Endpoint | None:
        """The endpoint that was resolved last, None before the first."""
        return self._latest

    def route(self, targets: Sequence[Target], error: type[BaseException] = Exception) -> Route | None:
        """Decide about the servers that one connection would try.

        Returns None when it is to be left alone. Raises ConnectionRefusedByGuardError, which is then
        an instance of `error` as well.
        """
        __tracebackhide__ = True
        with self._lock:
            for target in targets:
                if self.is_ours(target) or self._learn(target):
                    return self._redirect(target, error)
            for target in targets:
                if not self._may_pass(target):
                    raise refusal(target, self.rules.on_refused(target), error)
        return None

    def is_ours(self, target: Target) -> bool:
        """Whether a target is a source or a namespace of ours, this one or an earlier one."""
        return target.server in self.endpoints or any(target.server == s.server for s in self.sources)

    @property
    def asks(self) -> bool:
        """Whether the callbacks may be used; in a process that the suite forked they may not."""
        return os.getpid() == self._pid

    def endpoint_for(self, target: Target) -> Endpoint:
        """The endpoint of a source, leased if need be, without a connection being opened."""
        with self._lock:
            if self._latest is not None and not self.asks:
                return self._latest
            endpoint = self.rules.resolve(target)
            self.endpoints[Target(endpoint.host, endpoint.port).server] = endpoint
            self._latest = endpoint
            return endpoint

    def source_for(self, environ: Mapping[str, str]) -> Target | None:
        """The server that a program with this environment would take for the suite's database.

        It is learned where none is configured. None when nothing hints at a database.
        """
        if self.sources:
            return self.sources[0]
        with self._lock:
            for text in environ.values():
                if urls.is_url(text) and self._learn(Target.parse(text, environ)):
                    return self.sources[0]
            if any(environ.get(name) for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE")):
                self._learn(Target.parse("", environ))
        return self.sources[0] if self.sources else None

    def source_of(self, target: Target) -> Target | None:
        """The source, for a program that is told to connect to `target`; learned where none is known."""
        with self._lock:
            return self.sources[0] if self.sources or self._learn(target) else None

    def renew_lock(self) -> None:
        """After a fork: another thread may have held the lock, and is not here to give it back."""
        self._lock = threading.RLock()

    def _redirect(self, target: Target, error: type[BaseException]) -> Route:
        __tracebackhide__ = True
        named = self._as_the_suite_names_it(target)
        endpoint = self.endpoint_for(named)
        if _maintaining.on and named.database == MAINTENANCE and MAINTENANCE in endpoint.closed:
            own = self.sources[0].database or next(iter(endpoint.databases), MAINTENANCE)
            named = Target(named.written, named.port, named.user, own)
        if named.database in endpoint.closed and named.database not in endpoint.databases:
            raise refusal_of_database(named, self.rules.on_refused(named), error)
        if self.asks:
            self.rules.on_connect(named)
        database = endpoint.databases.get(named.database, named.database)
        return Route(endpoint, named, database if database != target.database else "")

    def _as_the_suite_names_it(self, target: Target) -> Target:
        """Undo the renaming of databases where a suite reuses what a connection said about itself."""
        known = self.endpoints.get(target.server)
        if known is not None:
            for name, renamed in known.databases.items():
                if renamed == target.database:
                    return Target(target.written, target.port, target.user, name)
        return target

    def _learn(self, target: Target) -> bool:
        if self.sources or not urls.is_loopback(target.host) or self._is_allowed(target.host):
            return False
        # Until it is answered: whoever is asked may connect, too.
        self.learned = (target,)
        self.learned = (self.rules.on_learned(target),)
        return target.server == self.learned[0].server

    def told(self, target: Target) -> None:
        """Take what another process of the run has learned, if nothing is known here."""
        with self._lock:
            if not self.sources:
                self.learned = (target,)

    def _may_pass(self, target: Target) -> bool:
        return (
            urls.is_loopback(target.host)
            or urls.is_socket(target.host)
            or any(target.host == source.host for source in self.sources)
            or self._is_allowed(target.host)
        )

    def _is_allowed(self, host: str) -> bool:
        return any(
            fnmatch.fnmatchcase(host, pattern.lower()) or host == urls.normalise_host(pattern)
            for pattern in self.rules.allow_hosts
            if pattern
        )


class _Current:
    """The router in force; None while nothing is redirected."""

    router: Router | None = None


def current() -> Router | None:
    """The router in force, None while nothing is redirected."""
    return _Current.router


def use(router: Router | None) -> None:
    """Put a router in force."""
    _Current.router = router


def _after_fork() -> None:
    if _Current.router is not None:
        _Current.router.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def route(targets: Sequence[Target], error: type[BaseException] = Exception) -> Route | None:
    """As Router.route, with the router in force."""
    __tracebackhide__ = True
    router = _Current.router
    return None if router is None else router.route(targets, error)


def warn(message: str) -> None:
    """Tell whoever made the rules in force."""
    router = _Current.router
    if router is not None:
        router.rules.on_warning(message)
